"""Which of Triton's kernels serves a call, and the call said in its terms.

The kernels know plain tensors only; structures end here. Nothing is widened on the way: bfloat16 stays bfloat16.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lrnn.backends.triton.launch import generation
from lrnn.backends.triton.rows_layout import MAX_DIM, MAX_MICRO_ROWS
from lrnn.backends.triton.vector_scan_layout import MAX_K
from lrnn.recurrence.algorithm import Algorithm, Associative, Chunked, Sequential
from lrnn.recurrence.inputs import Inputs
from lrnn.recurrence.kernel_rows import scan
from lrnn.recurrence.kernel_step import take_steps
from lrnn.recurrence.kernel_vectors import scan_vectors
from lrnn.transition import (
    DPLR,
    ComplexDiagonal,
    Dense,
    Diagonal,
    Householder,
    PermutationDiagonal,
    Scalar,
    SteppedDiagonal,
)

Kernel = Literal["step", "vector_scan", "scan_rows"]
"""The functions of :mod:`lrnn.backends.triton`."""

SHORT = 8
"""Up to this many steps one after the other beats setting up a chunk."""

INSTALLED = PathFinder.find_spec("triton") is not None
"""Is there a Triton to import? Importing it is left to the kernels."""

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Does Triton interpret its kernels, so that they run on the CPU? It, too, reads this once."""

GPU = "cuda"
"""The type of the devices that the kernels are written for."""

DOUBLE = {torch.float64, torch.complex128}

COMPLEX = {torch.complex32, torch.complex64, torch.complex128}

CAPABILITY = 8
"""The first generation of GPUs (Ampere) whose tensor cores the kernels use."""


class Asked(NamedTuple):
    """A call of a recurrence, and whether anything in it is complex."""

    given: Inputs
    algorithm: Algorithm | None
    tensors: list[Tensor]
    """All that there are."""
    dtypes: set[torch.dtype]
    complex: bool


def find_kernel(given: Inputs, algorithm: Algorithm | None, *, named: bool) -> tuple[Kernel | None, str]:
    """The first kernel that serves the call, or None and why the last that could does not.

    Arguments:
        named: was the backend asked for by name? Only then is the interpreter good enough.
    """
    tensors = [*given.A.tensors().values(), *given.tensors.values()]
    dtypes = {x.dtype for x in tensors}
    complex = given.A.complex or not dtypes.isdisjoint(COMPLEX)
    asked = Asked(given, algorithm, tensors, dtypes, complex)
    reason = _no_backend(tensors[0].device, named) or _no_kernel(asked)
    if reason is None:
        for kernel, why_not in REASONS.items():
            reason = why_not(asked)
            if reason is None:
                return kernel, ""
    return None, reason or ""


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Is anything of this to be differentiated?"""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


def kernels_run_on(device: torch.device) -> bool:
    """Do kernels run here and now, without being asked for by name?"""
    return _no_backend(device, named=False) is None and not in_transform()


def _no_backend(device: torch.device, named: bool) -> str | None:
    """Why no kernel runs on this machine."""
    interpreted = device.type == "cpu" and named and INTERPRETED
    if device.type != GPU and not interpreted:
        return f"tensors are on {device.type}, the kernels run on {GPU}"
    if not INSTALLED:
        return "Triton is not installed"
    if device.type != GPU:
        return None
    if torch.version.hip is not None:
        return "the kernels are written for NVIDIA's GPUs"
    found = generation(device)
    return None if found >= CAPABILITY else f"the GPU has compute capability {found}.x, the kernels need {CAPABILITY}.0"


def _no_kernel(asked: Asked) -> str | None:
    """Why no kernel serves such a call."""
    A, algorithm = asked.given.A, asked.algorithm
    if in_transform():
        return "inside vmap, grad or another transform of torch.func"
    if asked.given.q is None:
        return "q is None, and the kernels do not keep every state"
    if isinstance(A, Dense | PermutationDiagonal):
        return f"{type(A).__name__} is not diagonal plus low rank"
    if not asked.dtypes.isdisjoint(DOUBLE):
        named = {f"A.{name}": x for name, x in A.tensors().items()} | asked.given.tensors
        double = [name for name, x in named.items() if x.dtype in DOUBLE]
        return f"{', '.join(double)} in double precision, the kernels compute in float32"
    if isinstance(A, Householder) and asked.complex:
        return "Householder with complex k, v, q or state"
    if isinstance(algorithm, Associative):
        return "Associative() was named, the kernels take steps or chunks"
    if isinstance(algorithm, Chunked) and algorithm != Chunked():
        return f"{algorithm!r} was named, the kernels take chunks of {Chunked().size}"
    return None


def in_transform(compiled: bool = False) -> bool:
    """Is this call being batched or differentiated by torch.func? The compiler traces its transforms by itself, and is
    one itself where ``compiled`` is."""
    if torch.compiler.is_compiling():
        return compiled
    return torch._C._functorch.peek_interpreter_stack() is not None  # type: ignore[attr-defined]


def _no_step(asked: Asked) -> str | None:
    """Why the steps are not taken one after the other by one kernel."""
    A, packing = asked.given.A, asked.given.packing
    if isinstance(asked.algorithm, Chunked):
        return f"{asked.algorithm!r} was named"
    if packing is None and A.leading[1] > SHORT:
        return f"T = {A.leading[1]}, the kernel for steps takes words of {SHORT}"
    if packing is not None and max(packing.lengths) > 1:
        return f"the longest word = {max(packing.lengths)}, the kernel for steps takes packed words of 1"
    if isinstance(A, DPLR) and A.rank and asked.complex:
        return "DPLR with complex numbers"
    if wants_gradient(*asked.tensors):
        return "a gradient is wanted, the kernel for steps has none"
    return None


def _no_vector_scan(asked: Asked) -> str | None:
    """Why the states are not scanned as vectors."""
    A, columns = asked.given.A, asked.given.v.shape[-1]
    if isinstance(asked.algorithm, Sequential):
        return "Sequential() was named"
    if not isinstance(A, Diagonal | SteppedDiagonal | ComplexDiagonal):
        return f"{type(A).__name__} is not diagonal"
    if columns != 1:
        return f"V = {columns}, not 1"
    return None if A.shape[-1] <= MAX_K else f"K = {A.shape[-1]}, the kernel for vectors holds up to {MAX_K}"


def _no_scan_rows(asked: Asked) -> str | None:
    """Why the chunked kernels do not serve the call."""
    A = asked.given.A
    if isinstance(asked.algorithm, Sequential):
        return "Sequential() was named: " + str(_no_step(asked))
    parts = 2 if asked.complex else 1
    for name, size in (("K", A.shape[-1]), ("V", asked.given.v.shape[-1])):
        if size * parts > MAX_DIM:
            return (
                f"{name} = {size}, the kernels hold up to {MAX_DIM // parts}{' complex numbers' if parts == 2 else ''}"
            )
    rows = 1
    if isinstance(A, Householder):
        rows = A.num_reflectors if asked.given.k is A.k else 2 * A.num_reflectors
    elif isinstance(A, DPLR):
        rows = parts * (A.rank + 1)
    if rows > MAX_MICRO_ROWS:
        return f"{rows} reflections and writes in a step, the kernels take up to {MAX_MICRO_ROWS}"
    return None


REASONS: dict[Kernel, Callable[[Asked], str | None]] = {
    "step": _no_step,
    "vector_scan": _no_vector_scan,
    "scan_rows": _no_scan_rows,
}
"""In the order in which they are tried."""


def run_kernel(kernel: Kernel, given: Inputs, overwrite_state: bool) -> tuple[Tensor, Tensor]:
    """y and the last states, of a call that the kernel serves."""
    A, k, v, q, state, strength, packing = given
    assert q is not None
    complex = A.complex or any(x is not None and x.is_complex() for x in (k, v, q, state))
    B, T, H, K = A.shape
    sizes = (B if packing is None else packing.num_words, H, K, v.shape[-1])
    work = torch.complex64 if complex else torch.float32
    out = work if complex else v.dtype
    taken = kernel == "scan_rows" and not complex
    taken = taken and (isinstance(A, Scalar) or (isinstance(A, Householder) and A.k is k and A.beta is strength))
    if strength is not None and not taken:
        weighed = strength.float()[..., None] * v
        v, strength = weighed if kernel == "step" else weighed.to(v.dtype), None
    if state is not None:
        state = state.to(work)
    if kernel == "scan_rows" and 0 not in (T, *sizes):
        return scan(A, k, v, q, state, strength, packing, complex)  # zeros need not be written to be read
    if state is None:
        state = torch.zeros(sizes, dtype=work, device=v.device)
    if 0 in (T, *sizes):
        return v.new_zeros(B, T, H, sizes[-1], dtype=out), state
    if kernel == "step":
        y, state = take_steps(A, k, v, q, state, packing, overwrite_state)
        return y.to(out), state
    assert isinstance(A, Diagonal | SteppedDiagonal | ComplexDiagonal)
    return scan_vectors(A, k, v, q, state, packing)
