"""The one entry: hand a transition to :func:`recurrence`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.recurrence.algorithm import Algorithm, Chunked, Sequential
from lrnn.recurrence.associative import associative
from lrnn.recurrence.checks import check_inputs, is_checked
from lrnn.recurrence.choice import Backend, Plan, choose
from lrnn.recurrence.chunked import chunked
from lrnn.recurrence.grouped_keys import for_every_head
from lrnn.recurrence.inputs import Inputs
from lrnn.recurrence.kernels import in_transform, run_kernel, wants_gradient
from lrnn.recurrence.packing import Packing
from lrnn.recurrence.sequential import sequential
from lrnn.transition import Householder, SteppedDiagonal, Transition
from lrnn.transition.base import require
from lrnn.types import REAL


class Output(NamedTuple):
    """What a recurrence returns."""

    y: Tensor
    """``[B, T, H, V]``: y_t = S_tᵀ q_t in the dtype of v; complex for complex structures. Where q is None,
    ``[B, T, H, K, V]``: S_t itself, in the dtype of the state."""
    state: Tensor
    """``[B, H, K, V]``: S_T, or ``[N, H, K, V]`` the last state of each packed word."""


def recurrence(
    A: Transition,
    k: Shaped[Tensor, "B T G *R K"],
    v: Shaped[Tensor, "B T H *R V"],
    q: Shaped[Tensor, "B T Q K"] | None,
    *,
    state: Shaped[Tensor, "N H K V"] | None = None,
    strength: Shaped[Tensor, "B T H *R"] | None = None,
    packing: Packing | None = None,
    algorithm: Algorithm | None = None,
    backend: Backend | None = None,
    overwrite_state: bool = False,
) -> Output:
    """Compute S_t = A_t S_{t-1} + s_t k_t v_tᵀ and y_t = S_tᵀ q_t for every t.

    With :class:`Householder` of R reflectors, k and v carry the axis R too and write j happens right after reflector
    j: the recurrence over T·R micro-steps, read at every R-th. Handing the very tensor ``A.k`` in as ``k`` (the delta
    rule) is recognized and halves the work. Nothing is scaled behind your back: no 1/√K, no β on the write.

    Arguments:
        A: the transitions, leading axes ``[B, T, H]``.
        k, v, q: write key, value, read key; float64, float32, bfloat16 or float16, or complex. ``q=None`` reads every
            state whole, which :class:`Chunked` cannot, for it makes only those between chunks. Where A is not a
            Householder, k and q may each have fewer heads, of a number G that divides H: head h of A and v then uses
            key head h // (H / G), as one pair of keys serves all heads of Mamba and Mamba-2.
        state: S_0; None is zero. Products of reflections keep its rank, so without writes it must not be zero.
        strength: s_t, the step size of Mamba-2 or an input gate, ``[B, T, H]``, or ``[B, T, H, R]`` of a Householder;
            real; None is 1. The same as s ∘ v handed in as ``v``, but for the rounding of that product to the dtype of
            v: neither the reference rounds it, nor the kernels for steps, for a :class:`Scalar`, and, with ``A.k`` and
            ``A.beta`` themselves handed in as k and strength, for the delta rule on Hopper. Others do.
        packing: B = 1 and words of these lengths laid end to end; ``state`` has one row per word.
        algorithm: :class:`Sequential`, :class:`Chunked` or :class:`Associative`; None chooses, see :func:`plan`. A
            structure that the algorithm does not serve is widened exactly.
        backend: ``"reference"`` or ``"triton"``; None chooses.
        overwrite_state: the state handed in is given away: S_T is written into it, and that very tensor is returned.
            For decoding without gradients; a kernel that serves the call does it in place, without another copy.

    Arithmetic is float32 (complex64), or float64 (complex128) if any input has double precision; the state is returned
    in that dtype. The kernels multiply bfloat16 and float16 inputs as they are, and keep 16 bits or more of everything
    on the way from state to state.

    Raises:
        ValueError, TypeError: shapes, dtypes, devices, packing; values too inside :func:`checked`; ``Chunked`` named
            where q is None; ``overwrite_state`` of a state that cannot hold S_T, or where a gradient is wanted.
        NoKernel: the backend named has no kernel for this call.

    >>> import torch, lrnn
    >>> A = lrnn.Scalar.of(torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1), size=1)  # parity of the word 0 1 1
    >>> zero, one = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    >>> lrnn.recurrence(A, zero, zero, one, state=torch.ones(1, 1, 1, 1)).y.flatten()
    tensor([ 1., -1.,  1.])
    """
    given = Inputs(A, k, v, q, state, strength, packing)
    run = _checked_and_chosen(given, algorithm, backend)
    if overwrite_state:
        work = _working_dtype(A, k, v, q, state, strength)
        require(*_overwrite_faults(state, work, wants_gradient(*A.tensors().values(), k, v, q, state, strength)))
    with _as_it_is(v.device.type):  # the state is never rounded to 16 bits
        if run.kernel is not None and q is not None:
            y, last = run_kernel(run.kernel, given, overwrite_state)
        else:
            y, last = _reference(given, run.algorithm)
    if overwrite_state and state is not None and last is not state:
        last = state.copy_(last)
    return Output(y, last)


FORMS = 256
"""Of calls on a GPU, so many are known at a time."""

_known: dict[Any, Plan] = {}


def _checked_and_chosen(given: Inputs, algorithm: Algorithm | None, backend: Backend | None) -> Plan:
    """The plan of a call without faults.

    A GPU would wait for it, so there it is found once for all calls of one form: whatever is looked at but the values.
    """
    A, *tensors, packing = given
    usual = isinstance(A, Transition) and all(x is None or isinstance(x, Tensor) for x in tensors)
    usual = usual and all(type(x).__hash__ for x in (packing, algorithm, backend))
    if not (usual and tensors[1] is not None and tensors[1].is_cuda) or is_checked() or in_transform(compiled=True):
        check_inputs(given)
        return choose(given, algorithm, backend)
    gradient, same_key = wants_gradient(*A.tensors().values(), *tensors), getattr(A, "k", None) is tensors[0]
    form = (*map(_described, given), algorithm, backend, gradient, same_key)
    if (run := _known.get(form)) is None:
        check_inputs(given)
        run = choose(given, algorithm, backend)
        if len(_known) >= FORMS:
            _known.clear()
        _known[form] = run
    return run


def _described(x: Any) -> Any:
    """What is looked at of an argument."""
    if isinstance(x, Tensor):
        return x.shape, x.dtype, x.device
    return (type(x), *map(_described, vars(x).values())) if isinstance(x, Transition) else x


def _as_it_is(device: str) -> AbstractContextManager[object]:
    """No autocast; to turn off what is not on takes the host as long as a launch."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _reference(given: Inputs, algorithm: Algorithm) -> tuple[Tensor, Tensor]:
    """In torch alone, in the working dtype."""
    A, k, v, q, state, strength, packing = given
    work = _working_dtype(A, k, v, q, state, strength)
    y_dtype = work if work.is_complex or q is None else v.dtype
    same_key = getattr(A, "k", None) is k
    A, k, v, q = A.to(REAL.get(work, work)), k.to(work), v.to(work), None if q is None else q.to(work)
    if strength is not None:
        v = strength.to(REAL.get(work, work))[..., None] * v
    if same_key:
        k = A.k.to(work)  # type: ignore[attr-defined]
    if isinstance(A, SteppedDiagonal):
        A = A.widen()
    rows, heads = A.leading[0] if packing is None else packing.num_words, A.leading[2]
    shape = (rows, heads, A.shape[-1], v.shape[-1])
    state = torch.zeros(shape, dtype=work, device=v.device) if state is None else state.to(work)
    if not isinstance(A, Householder):
        k, q = for_every_head(k, heads), None if q is None else for_every_head(q, heads)

    if not A.leading[1]:
        read = (v.shape[-1],) if q is not None else shape[2:]
        return v.new_zeros(*A.leading, *read, dtype=y_dtype), state
    if isinstance(algorithm, Chunked) and q is not None:
        y, state = chunked(A, k, v, q, state, packing, algorithm.size, same_key)
    else:
        y, state = _one_by_one(A, k, v, q, state, packing, algorithm)
    return y.to(y_dtype), state


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


def _overwrite_faults(state: Tensor | None, work: torch.dtype, gradient: bool) -> list[str | None]:
    """Why S_T cannot be written into ``state``."""
    if state is None:
        return ["overwrite_state needs a state to write into, got state = None"]
    shared = any(size > 1 and stride == 0 for size, stride in zip(state.shape, state.stride()))
    return [
        None if state.dtype == work else f"state has dtype {state.dtype}, wanted {work} of S_T to overwrite it",
        "state is expanded (several entries in one place), which cannot be overwritten" if shared else None,
        "overwrite_state is for calls without gradients, but an input requires one" if gradient else None,
    ]


def _working_dtype(A: Transition, *tensors: Tensor | None) -> torch.dtype:
    """The dtype of the arithmetic of the reference, and of every state."""
    dtype = torch.promote_types(A.dtype, torch.float32)
    for tensor in tensors:
        if tensor is not None:
            dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype
