"""Diagonal plus low rank, real or complex, in the terms of the chunked kernels.

Signs and phases go into keys and values by the gauge of :mod:`lrnn.recurrence.gauge`, so what is left decays by
numbers in [0, 1]; a reset is a log decay of -300. A complex recurrence is then a real one of twice the size: with the
state S = X + iY, held as

    [[X, Y], [Y, -X]]        the columns of S, and those of -iS

a complex write k vᵀ is two real ones, of the keys [Re k, Im k] and [-Im k, Re k] with the values [Re v, Im v] and
[Im v, -Re v], and one real read by [Re q, -Im q] gives [Re y, Im y]; a rank-one term a bᵀ is two in the same way.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from lrnn.backends.triton.rows import scan_rows
from lrnn.recurrence.gauge import remove_signs
from lrnn.recurrence.grouped_keys import for_every_head
from lrnn.recurrence.packing import Packing
from lrnn.transition import DPLR, ComplexDiagonal, Diagonal, Householder, Scalar, SteppedDiagonal, Transition

RESET = -300.0
"""The log decay that stands for a decay of 0: its exponential is 0, and sums of few such keep the others' digits."""


class Micro(NamedTuple):
    """The rows of every step, ``[B, T, H, r, …]``, or ``[B, T, H, …]`` of one row, and how they act, as ``scan_rows``
    has them."""

    key: Tensor
    b: Tensor | None
    beta: Tensor | None
    v: Tensor
    group: int


def scan(
    A: Transition,
    k: Tensor,
    v: Tensor,
    q: Tensor,
    state: Tensor | None,
    strength: Tensor | None,
    packing: Packing | None,
    complex: bool,
) -> tuple[Tensor, Tensor]:
    """y and the last states; ``state`` is float32, or complex64 if anything is complex; None is 0.

    ``strength``, of a real :class:`Scalar`, or beta itself where ``k`` is that of the reflectors, multiplies what is
    written.
    """
    same_key = getattr(A, "k", None) is k
    if isinstance(A, DPLR) and not A.rank:
        A = A.decay
    work = torch.complex64 if complex else _one_dtype(A, k, v, q)
    out = work if complex else v.dtype
    A, k, v, q = _in(work, A), _as(work, k), _as(work, v), _as(work, q)
    if same_key:
        k = A.k  # type: ignore[attr-defined]

    decay = A.decay if isinstance(A, Householder | DPLR) else A
    turn = None
    turns = isinstance(decay, ComplexDiagonal) or getattr(decay, "sign", None) is not None
    if not isinstance(A, Householder) and (turns or isinstance(A, DPLR) or k.shape[2] != q.shape[2]):
        k, q = (for_every_head(x, A.leading[2]) for x in (k, q))  # heads turn, and write, each in its own way
    if state is None and (turns or complex):
        words = A.leading[0] if packing is None else packing.num_words
        shape = (words, A.leading[2], A.shape[-1], v.shape[-1])
        state = torch.zeros(shape, dtype=work if complex else torch.float32, device=v.device)
    if turns:
        assert state is not None
        A, k, v, q, state, turn = remove_signs(A, k, v, q, state, packing, same_key)
    micro, log_decay = _micro(A, k, v, same_key), _log_decay(A)
    weighs = strength is not None and isinstance(A, Scalar)
    if strength is not None and weighs:
        micro = micro._replace(beta=strength[..., None])
    if complex:
        assert state is not None
        micro, log_decay, q, state = _in_pairs(micro, log_decay, q, state)
    y, final = scan_rows(
        q,
        *micro[:4],
        log_decay,
        state,
        group=micro.group,
        sees_own_decay=not isinstance(A, DPLR),
        normalize=isinstance(A, Householder) and A.normalize,
        erases=not weighs,
        writes=strength is not None and not weighs,
        lengths=None if packing is None else packing.lengths,
    )
    if complex:
        y = torch.complex(*y.chunk(2, dim=-1))
        final = torch.complex(*final[..., : final.shape[-2] // 2, :].chunk(2, dim=-1))
    return _as(out, y), final if turn is None else final * turn


def _one_dtype(A: Transition, *tensors: Tensor) -> torch.dtype:
    """The narrowest dtype that holds all keys, values and low-rank terms."""
    dtypes = {x.dtype for x in (*tensors, *(getattr(A, name) for name in ("k", "a", "b") if hasattr(A, name)))}
    return reduce(torch.promote_types, dtypes)


def _as(dtype: torch.dtype, x: Tensor) -> Tensor:
    """x in a dtype; to ask it to be what it is takes the host as long as to make a tensor."""
    return x if x.dtype == dtype else x.to(dtype)


def _in(work: torch.dtype, A: Transition) -> Transition:
    """Keys, low-rank terms and signs in the dtype of the kernel, and decays in float32."""
    real, full = torch.float32 if work.is_complex else work, torch.float32
    match A:
        case Householder():
            decay = None if A.decay is None else _in(work, A.decay)
            k = _as(work, A.k)
            return A if k is A.k and decay is A.decay else replace(A, k=k, decay=decay)
        case DPLR():
            return replace(A, decay=_in(work, A.decay), a=_as(work, A.a), b=_as(work, A.b))
        case ComplexDiagonal():
            return replace(A, log_decay=_as(full, A.log_decay), phase=_as(full, A.phase))
        case Scalar():
            sign = None if A.sign is None else _as(real, A.sign)
            log_decay = _as(full, A.log_decay)
            return A if log_decay is A.log_decay and sign is A.sign else replace(A, log_decay=log_decay, sign=sign)
        case SteppedDiagonal():
            return A.to(full).widen()
        case Diagonal():
            return Diagonal(log_decay=_as(full, A.log_decay), sign=None if A.sign is None else _as(real, A.sign))
    raise TypeError(f"{type(A).__name__} is not diagonal plus low rank")


def _log_decay(A: Transition) -> Tensor | None:
    """``[B, T, H]`` or ``[B, T, H, K]``; None where nothing decays."""
    decay = A.decay if isinstance(A, Householder | DPLR) else A
    if decay is None:
        return None
    assert isinstance(decay, Scalar | Diagonal)
    log_decay = decay.log_decay
    if decay.sign is not None:  # after the gauge, 1 or 0
        log_decay = log_decay.masked_fill(decay.sign == 0, RESET)
    if isinstance(A, DPLR) and isinstance(decay, Scalar):
        log_decay = log_decay[..., None].expand(decay.shape)
    return log_decay


def _micro(A: Transition, k: Tensor, v: Tensor, same_key: bool) -> Micro:
    """What every step does, as in :mod:`lrnn.recurrence.chunked`; kᵀk is left to the kernel."""
    match A:
        case Householder() if same_key:  # a reflector and its write share a row
            return Micro(A.k, None, A.beta, v, 1)
        case Householder():  # one after the other: a row without a value, and one without a strength
            return Micro(
                key=torch.stack([A.k, k], dim=4).flatten(3, 4),
                b=None,
                beta=torch.stack([A.beta, torch.zeros_like(A.beta)], dim=4).flatten(3, 4),
                v=torch.stack([torch.zeros_like(v), v], dim=4).flatten(3, 4),
                group=1,
            )
        case DPLR():
            k, v = k[..., None, :], v[..., None, :]
            return Micro(
                key=torch.cat([A.a, k], dim=3),
                b=torch.cat([A.b, torch.zeros_like(k)], dim=3),
                beta=None,
                v=torch.cat([v.new_zeros(*v.shape[:3], A.rank, v.shape[-1]), v], dim=3),
                group=A.rank + 1,
            )
    return Micro(k, None, None, v, 1)


def _in_pairs(
    micro: Micro, log_decay: Tensor | None, q: Tensor, state: Tensor
) -> tuple[Micro, Tensor | None, Tensor, Tensor]:
    """The complex recurrence with positive decays as a real one of twice the size."""
    key, b, v = (None if x is None else x.to(state.dtype) for x in (micro.key, micro.b, micro.v))
    assert key is not None
    assert v is not None
    if v.ndim == 4:
        key, v = key.unsqueeze(3), v.unsqueeze(3)
    q = q.to(state.dtype)
    key = torch.stack([torch.cat([key.real, key.imag], -1), torch.cat([-key.imag, key.real], -1)], dim=4).flatten(3, 4)
    v = torch.stack([torch.cat([v.real, v.imag], -1), torch.cat([v.imag, -v.real], -1)], dim=4).flatten(3, 4)
    if b is not None:
        b = torch.stack([torch.cat([b.real, -b.imag], -1), torch.cat([b.imag, b.real], -1)], dim=4).flatten(3, 4)
    if log_decay is not None and log_decay.ndim == 4:
        log_decay = torch.cat([log_decay, log_decay], dim=-1)
    X, Y = state.real, state.imag
    return (
        Micro(key, b, None, v, 2 * micro.group),
        log_decay,
        torch.cat([q.real, -q.imag], dim=-1),
        torch.cat([torch.cat([X, Y], dim=-1), torch.cat([Y, -X], dim=-1)], dim=-2),
    )
