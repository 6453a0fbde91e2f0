"""The rule by which an algorithm and a kernel are chosen, and what is said of every other one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from lrnn.recurrence.algorithm import Algorithm, Associative, Chunked, Sequential
from lrnn.recurrence.checks import check_inputs
from lrnn.recurrence.inputs import Inputs
from lrnn.recurrence.kernels import SHORT, Kernel, find_kernel
from lrnn.recurrence.packing import Packing
from lrnn.transition import ComplexDiagonal, Dense, Diagonal, PermutationDiagonal, SteppedDiagonal, Transition
from lrnn.types import NoKernel

Backend = Literal["reference", "triton"]
BACKENDS: tuple[str, ...] = get_args(Backend)

DIAGONAL = Diagonal | SteppedDiagonal | ComplexDiagonal


@dataclass(frozen=True)
class Plan:
    """What would run, and for everything else why not."""

    algorithm: Algorithm
    backend: Backend
    structure: str
    rejected: dict[str, str] = field(default_factory=dict)
    kernel: Kernel | None = None
    """The function of :mod:`lrnn.backends.triton` that runs, or None for the reference."""

    def __str__(self) -> str:
        where = f"backend {self.backend!r}" + (f" ({self.kernel})" if self.kernel else "")
        lines = [f"runs: {self.algorithm!r} on {self.structure}, {where}"]
        return "\n".join(lines + [f"not {name}: {reason}" for name, reason in self.rejected.items()])


ALGORITHMS: tuple[str, ...] = ("sequential", "chunked", "associative")

MANY = 64
"""With more numbers of state than this, in all rows and heads, a diagonal with one state column goes step by step on
the CPU: measured 5 times (T = 2048, B = 1) to 26 times (T = 40, B = 64) faster at the sizes of Mamba, and the backward
keeps as much as k. With fewer the chunks are 1.5 to 60 times faster."""

KEEPS = "it makes only the states between chunks"

FEW, LONG = 16, 128
"""Up to this many numbers of state in all rows and heads, and from this many steps on, the scan beats the steps one
after the other where every state is kept anyway: 3 to 10 times at 1000 steps of 8 numbers on the CPU, while at 64
numbers it is no faster."""


def plan(
    A: Transition,
    k: Tensor,
    v: Tensor,
    q: Tensor | None,
    *,
    state: Tensor | None = None,
    strength: Tensor | None = None,
    packing: Packing | None = None,
    algorithm: Algorithm | None = None,
    backend: Backend | None = None,
) -> Plan:
    """Which algorithm and kernel :func:`recurrence` would use for this call, and why no other.

    The rule, in order: what you name runs or raises; on a GPU a kernel of Triton runs where one serves the call, see
    below; T <= 8 is :class:`Sequential`; where q is None, so is the rest but for T >= 128 steps of a closed structure
    other than Dense with few numbers of state (B·H·K·V <= 16), which are :class:`Associative`; on the CPU a diagonal
    with one state column (Mamba) and more than 64 numbers of state, which are no more than its keys, is
    :class:`Sequential`; diagonal plus low rank (everything but Dense and PermutationDiagonal) is :class:`Chunked`, with
    32 steps on the CPU and 64 elsewhere; the rest is :class:`Sequential`.

    The kernels serve float32, bfloat16 and float16 inputs, and complex64, of every structure but Dense and
    PermutationDiagonal, where q is given; in order:

    - ``step``: T <= 8 (or packed words of one step each) where no gradient is wanted;
    - ``vector_scan``: diagonals with one state column, V = 1, and K up to 256;
    - ``scan_rows``: everything else with K and V up to 256, of which complex numbers count double.

    On the CPU they run only if named and only in Triton's interpreter (``TRITON_INTERPRET=1`` when lrnn is imported),
    which is for tests.

    >>> import torch, lrnn
    >>> x = torch.zeros(1, 100, 2, 4)
    >>> print(plan(lrnn.Diagonal(log_decay=x), x, x, x))
    runs: Chunked(size=32) on Diagonal, backend 'reference'
    not sequential: T = 100 steps one after the other
    not associative: would keep all T·K·V state entries
    not triton: tensors are on cpu, the kernels run on cuda
    """
    given = Inputs(A, k, v, q, state, strength, packing)
    check_inputs(given)
    return choose(given, algorithm, backend)


def choose(given: Inputs, algorithm: Algorithm | None, backend: Backend | None) -> Plan:
    """:func:`plan` of inputs that have been checked."""
    A, _, v, q, *_ = given
    if algorithm is not None and not isinstance(algorithm, Algorithm):
        raise TypeError(f"algorithm is {algorithm!r}, wanted Sequential(), Chunked(size), Associative() or None")
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"backend is {backend!r}, wanted one of {', '.join(map(repr, BACKENDS))} or None")
    if q is None and isinstance(algorithm, Chunked):
        raise ValueError(f"algorithm is {algorithm!r}, wanted Sequential() or Associative() where q is None: {KEEPS}")

    no_kernel = "another was named"
    if backend != "reference":
        kernel, no_kernel = find_kernel(given, algorithm, named=backend == "triton")
        if kernel is not None:
            return _of_kernel(kernel, A, algorithm, backend)
        if backend == "triton":
            raise NoKernel(f"backend 'triton' does not serve this call: {no_kernel}")
    chosen, why = _of_reference(A, v, q, algorithm)
    structure = A
    while isinstance(chosen, Associative) and not structure.closed:
        structure = structure.widen()
    name = type(A).__name__
    if structure is not A:
        name = f"{type(structure).__name__} (widened from {name}, whose products leave the structure)"
    return Plan(algorithm=chosen, backend="reference", structure=name, rejected=why | {"triton": no_kernel})


def _of_kernel(kernel: Kernel, A: Transition, algorithm: Algorithm | None, backend: Backend | None) -> Plan:
    chosen = Sequential() if kernel == "step" else Chunked()
    why = dict.fromkeys(ALGORITHMS, f"the kernel {kernel} was chosen" if algorithm is None else "another was named")
    why.pop(type(chosen).__name__.lower())
    why["reference"] = "a kernel serves this call" if backend is None else "another was named"
    return Plan(algorithm=chosen, backend="triton", structure=type(A).__name__, rejected=why, kernel=kernel)


def _of_reference(
    A: Transition, v: Tensor, q: Tensor | None, algorithm: Algorithm | None
) -> tuple[Algorithm, dict[str, str]]:
    """The algorithm, and why no other."""
    why: dict[str, str]
    T, low_rank = A.leading[1], not isinstance(A, Dense | PermutationDiagonal)
    slow = f"T = {T} steps one after the other"
    costly = "would keep all T·K·V state entries"
    numbers = A.leading[0] * A.leading[2] * A.shape[-1] * v.shape[-1]
    if algorithm is not None:
        chosen = algorithm
        why = dict.fromkeys(ALGORITHMS, "another was named")
    elif T <= SHORT:
        chosen = Sequential()
        why = dict.fromkeys(ALGORITHMS, f"T = {T} <= {SHORT} steps are fastest one after the other")
    elif q is None:
        few = numbers <= FEW and T >= LONG and A.closed and not isinstance(A, Dense)
        chosen = Associative() if few else Sequential()
        costly = f"pays only for T >= {LONG} steps of B·H·K·V <= {FEW} numbers and products as cheap as a step"
        why = {"sequential": slow, "chunked": f"where q is None, {KEEPS}", "associative": costly}
    elif isinstance(A, DIAGONAL) and v.shape[-1] == 1 and v.device.type == "cpu" and numbers > MANY:
        chosen = Sequential()
        why = dict.fromkeys(ALGORITHMS, "with V = 1 there are no matrix products to gain")
    elif low_rank:
        chosen = Chunked(size=32 if A.device.type == "cpu" else 64)
        why = {"sequential": slow, "associative": costly}
    else:
        chosen = Sequential()
        why = {"chunked": f"{type(A).__name__} is not diagonal plus low rank", "associative": costly}
    why.pop(type(chosen).__name__.lower(), None)
    return chosen, why
