"""The one entry: hand a transition to :func:`recurrence`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.recurrence.algorithm import Algorithm, Associative, Chunked, Sequential
from lrnn.recurrence.associative import associative
from lrnn.recurrence.checks import check_inputs
from lrnn.recurrence.chunked import chunked
from lrnn.recurrence.packing import Packing
from lrnn.recurrence.sequential import sequential
from lrnn.transition import ComplexDiagonal, Dense, Diagonal, PermutationDiagonal, Transition
from lrnn.types import REAL, NoKernel

Backend = Literal["reference", "triton"]


class Output(NamedTuple):
    """What a recurrence returns."""

    y: Tensor
    """``[B, T, H, V]``: y_t = S_tᵀ q_t in the dtype of v; complex for complex structures. Where q is None,
    ``[B, T, H, K, V]``: S_t itself, in the dtype of the state."""
    state: Tensor
    """``[B, H, K, V]``: S_T, or ``[N, H, K, V]`` the last state of each packed word."""


def recurrence(
    A: Transition,
    k: Shaped[Tensor, "B T H *R K"],
    v: Shaped[Tensor, "B T H *R V"],
    q: Shaped[Tensor, "B T H K"] | None,
    *,
    state: Shaped[Tensor, "N H K V"] | None = None,
    packing: Packing | None = None,
    algorithm: Algorithm | None = None,
    backend: Backend | None = None,
) -> Output:
    """Compute S_t = A_t S_{t-1} + k_t v_tᵀ and y_t = S_tᵀ q_t for every t.

    With :class:`Householder` of R reflectors, k and v carry the axis R too and write j happens right after reflector
    j: the recurrence over T·R micro-steps, read at every R-th. Handing the very tensor ``A.k`` in as ``k`` (the delta
    rule) is recognized and halves the work. Nothing is scaled behind your back: no 1/√K, no β on the write.

    Arguments:
        A: the transitions, leading axes ``[B, T, H]``.
        k, v, q: write key, value, read key; float64, float32, bfloat16 or float16, or complex. ``q=None`` reads every
            state whole, which :class:`Chunked` cannot, for it makes only those between chunks.
        state: S_0; None is zero. Products of reflections keep its rank, so without writes it must not be zero.
        packing: B = 1 and words of these lengths laid end to end; ``state`` has one row per word.
        algorithm: :class:`Sequential`, :class:`Chunked` or :class:`Associative`; None chooses, see :func:`plan`. A
            structure that the algorithm does not serve is widened exactly.
        backend: ``"reference"`` or ``"triton"``; None chooses.

    Arithmetic is float32 (complex64), or float64 (complex128) if any input has double precision; the state is returned
    in that dtype.

    Raises:
        ValueError, TypeError: shapes, dtypes, devices, packing; values too inside :func:`checked`; ``Chunked`` named
            where q is None.
        NoKernel: the backend named has no kernel for this call.

    >>> import torch, lrnn
    >>> A = lrnn.Scalar.of(torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1), size=1)  # parity of the word 0 1 1
    >>> zero, one = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    >>> lrnn.recurrence(A, zero, zero, one, state=torch.ones(1, 1, 1, 1)).y.flatten()
    tensor([ 1., -1.,  1.])
    """
    check_inputs(A, k, v, q, state, packing)
    run = _choose(A, v, q, algorithm, backend)
    work, work_A = _working_dtypes(A, k, v, q, state)
    y_dtype = work if work.is_complex or q is None else v.dtype

    same_key = getattr(A, "k", None) is k
    A, k, v, q = A.to(work_A), k.to(work), v.to(work), None if q is None else q.to(work)
    if same_key:
        k = A.k.to(work)  # type: ignore[attr-defined]
    rows = A.leading[0] if packing is None else packing.num_words
    shape = (rows, A.leading[2], A.shape[-1], v.shape[-1])
    state = torch.zeros(shape, dtype=work, device=v.device) if state is None else state.to(work)

    if not A.leading[1]:
        read = (v.shape[-1],) if q is not None else shape[2:]
        return Output(v.new_zeros(*A.leading, *read, dtype=y_dtype), state)
    with torch.autocast(v.device.type, enabled=False):  # the state is never rounded to 16 bits
        if isinstance(run.algorithm, Chunked) and q is not None:
            y, state = chunked(A, k, v, q, state, packing, run.algorithm.size, same_key)
        else:
            y, state = _one_by_one(A, k, v, q, state, packing, run.algorithm)
    return Output(y.to(y_dtype), state)


def _one_by_one(
    A: Transition, k: Tensor, v: Tensor, q: Tensor | None, state: Tensor, packing: Packing | None, algorithm: Algorithm
) -> tuple[Tensor, Tensor]:
    """Sequential or Associative; the loop over the words is what packing means."""
    step = sequential if isinstance(algorithm, Sequential) else associative
    if packing is None:
        return step(A, k, v, q, state)
    words = [
        step(A[:, span], k[:, span], v[:, span], None if q is None else q[:, span], state[n : n + 1])
        for n, span in enumerate(packing.spans)
    ]
    return torch.cat([y for y, _ in words], dim=1), torch.cat([last for _, last in words], dim=0)


@dataclass(frozen=True)
class Plan:
    """What would run, and for everything else why not."""

    algorithm: Algorithm
    backend: Backend
    structure: str
    rejected: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"runs: {self.algorithm!r} on {self.structure}, backend {self.backend!r}"]
        return "\n".join(lines + [f"not {name}: {reason}" for name, reason in self.rejected.items()])


ALGORITHMS: tuple[str, ...] = ("sequential", "chunked", "associative")

MANY = 64
"""With more numbers of state than this, in all rows and heads, a diagonal with one state column goes step by step on
the CPU: measured 5 times (T = 2048, B = 1) to 26 times (T = 40, B = 64) faster at the sizes of Mamba, and the backward
keeps as much as k. With fewer the chunks are 1.5 to 60 times faster."""

KEEPS = "it makes only the states between chunks"

SHORT = 8
"""Up to this many steps one after the other beats setting up a chunk."""

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
    packing: Packing | None = None,
    algorithm: Algorithm | None = None,
    backend: Backend | None = None,
) -> Plan:
    """Which algorithm and backend :func:`recurrence` would use for this call, and why no other.

    The rule, in order: what you name runs or raises; T <= 8 is :class:`Sequential`; where q is None, so is the rest but
    for T >= 128 steps of a closed structure other than Dense with few numbers of state (B·H·K·V <= 16), which are
    :class:`Associative`; on the CPU a diagonal with one state column (Mamba) and more than 64 numbers of state, which
    are no more than its keys, is :class:`Sequential`; diagonal plus low rank (everything but Dense and
    PermutationDiagonal) is :class:`Chunked`, with 32 steps on the CPU and 64 elsewhere; the rest is
    :class:`Sequential`.

    >>> import torch, lrnn
    >>> x = torch.zeros(1, 100, 2, 4)
    >>> print(plan(lrnn.Diagonal(log_decay=x), x, x, x))
    runs: Chunked(size=32) on Diagonal, backend 'reference'
    not sequential: T = 100 steps one after the other
    not associative: would keep all T·K·V state entries
    not triton: not part of this version
    """
    check_inputs(A, k, v, q, state, packing)
    return _choose(A, v, q, algorithm, backend)


def _choose(A: Transition, v: Tensor, q: Tensor | None, algorithm: Algorithm | None, backend: Backend | None) -> Plan:
    if algorithm is not None and not isinstance(algorithm, Algorithm):
        raise TypeError(f"algorithm is {algorithm!r}, wanted Sequential(), Chunked(size), Associative() or None")
    if backend not in (None, *get_args(Backend)):
        raise ValueError(f"backend is {backend!r}, wanted one of {', '.join(map(repr, get_args(Backend)))} or None")
    if backend == "triton":
        raise NoKernel("backend 'triton' is not part of this version; wanted 'reference'")
    if q is None and isinstance(algorithm, Chunked):
        raise ValueError(f"algorithm is {algorithm!r}, wanted Sequential() or Associative() where q is None: {KEEPS}")

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
    elif isinstance(A, Diagonal | ComplexDiagonal) and v.shape[-1] == 1 and v.device.type == "cpu" and numbers > MANY:
        chosen = Sequential()
        why = dict.fromkeys(ALGORITHMS, "with V = 1 there are no matrix products to gain")
    elif low_rank:
        chosen = Chunked(size=32 if A.device.type == "cpu" else 64)
        why = {"sequential": slow, "associative": costly}
    else:
        chosen = Sequential()
        why = {"chunked": f"{type(A).__name__} is not diagonal plus low rank", "associative": costly}
    why.pop(type(chosen).__name__.lower(), None)

    structure = A
    while isinstance(chosen, Associative) and not structure.closed:
        structure = structure.widen()
    name = type(A).__name__
    if structure is not A:
        name = f"{type(structure).__name__} (widened from {name}, whose products leave the structure)"
    return Plan(
        algorithm=chosen, backend="reference", structure=name, rejected=why | {"triton": "not part of this version"}
    )


def _working_dtypes(A: Transition, *tensors: Tensor | None) -> tuple[torch.dtype, torch.dtype]:
    """The dtype of the arithmetic, and that of the real tensors of A."""
    dtype = torch.promote_types(A.dtype, torch.float32)
    for tensor in tensors:
        if tensor is not None:
            dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype, REAL.get(dtype, dtype)
