"""The chunked algorithm for everything that is diagonal plus low rank, forward and backward by hand.

M chunk rows (chunks × heads) · C steps · L = C·r micro-rows · K, V. Micro-row j has a key and takes part in the state
as key_j u_jᵀ. With running decays P inside a chunk and the chunk's first state S₀,

    S_t = P_t S₀ + Σ_{j ≤ t} (P_t / P_j) key_j u_jᵀ          u_i = v_i + b_iᵀ (state just before row i)

so u solves one unit lower-triangular system,

    (I - N) u = v + b̂ S₀      N_ij = Σ_k b_ik key_jk (P_i / P_j)_k  for j before i,      b̂ = b P

and with T = (I - N)⁻¹, W = T b̂:   u = T v + W S₀,   y = q̂ S₀ + (Q∘w) u,   S_C = P_C S₀ + k̃ᵀ u.

A reflector is b = -β k; a plain write is b = 0; without any b (Scalar, Diagonal) u = v and nothing is solved.

Source: Bischof & Van Loan, "The WY Representation for Products of Householder Matrices", 1987; Yang et al., arXiv
2406.06484, §3; written here for every structure at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lrnn.recurrence.chunk_decay import Decay, Shape
from lrnn.recurrence.chunk_states import chain, chain_back
from lrnn.recurrence.chunk_weights import inner


def chunk_scan(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    resets: Tensor | None,
    state: Tensor,
    shape: Shape,
) -> tuple[Tensor, Tensor]:
    """Outputs ``[M, C, V]`` and final states from ``q [M, C, K]``, ``key [M, L, K]``, ``v [M, L, V]``.

    Arguments:
        b: ``[M, L, K]``, or None for the key itself (a reflector, whose scale is -β).
        scale: ``[M, L]``, which multiplies b, or None for 1.
        log_decay: ``[M, C]`` or ``[M, C, K]`` or None, <= 0.
        resets: as log_decay, True where the decay is exactly 0, or None.
        state: first states of the rows, ``[alive[0], K, V]``.
    """
    pieces = _pieces(shape.alive, q.shape[1] * q.shape[2])
    sizes = [sum(piece) for piece in pieces]
    splits = [[None] * len(pieces) if x is None else x.split(sizes) for x in (q, key, b, scale, v, log_decay, resets)]
    ys, finals = [], []
    for piece, *tensors in zip(pieces, *splits, strict=True):
        finals.append(state[piece[0] :])
        state = state[: piece[0]]
        y, state, *_ = ChunkScan.apply(*tensors, state, shape._replace(alive=piece))  # type: ignore[misc]
        ys.append(y)
    return torch.cat(ys), torch.cat([state, *reversed(finals)])


PIECE = 2**18
"""Numbers of one tensor that are worked on at a time, so that what is made of them stays in the cache."""


def _pieces(alive: tuple[int, ...], row: int) -> list[tuple[int, ...]]:
    """The depths in groups of about ``PIECE / row`` rows."""
    pieces: list[list[int]] = [[]]
    for count in alive:
        if pieces[-1] and (sum(pieces[-1]) + count) * row > PIECE:
            pieces.append([])
        pieces[-1].append(count)
    return [tuple(piece) for piece in pieces]


class _Rowwise(torch.autograd.Function):
    """A function of chunk rows, for which one more batch axis is only more rows."""

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        n = info.batch_size
        *tensors, shape = inputs
        folded = [
            tensor
            if tensor is None
            else (
                tensor.unsqueeze(1).expand(-1, n, *(-1,) * (tensor.ndim - 1))
                if axis is None
                else tensor.movedim(axis, 1)
            ).flatten(0, 1)
            for tensor, axis in zip(tensors, in_dims, strict=False)
        ]
        outputs = cls.apply(*folded, shape._replace(alive=tuple(count * n for count in shape.alive)))
        unfolded = tuple(x if x is None else x.unflatten(0, (-1, n)) for x in outputs)  # type: ignore[union-attr]
        return unfolded, tuple(None if x is None else 1 for x in unfolded)


def _signed(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Remember the signature that torch inspects at every call, which costs as much as ten small products."""
    forward.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return forward


class ChunkScan(_Rowwise):
    """:func:`chunk_scan` with its backward; the states between chunks and the solved rows are kept, T·(K·V/C + V)."""

    @staticmethod
    @_signed
    def forward(
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        scale: Tensor | None,
        v: Tensor,
        log_decay: Tensor | None,
        resets: Tensor | None,
        state: Tensor,
        shape: Shape,
    ) -> tuple[Tensor | None, ...]:
        decay = Decay(log_decay, resets, q, key, shape)
        reads, solves = decay.weights(shape.solves)
        read = reads.product(q, key)
        raw = inverse = W = None
        u = v
        if solves is not None:
            left = key if b is None else b
            raw = solves.product(left, key)
            inverse = invert_unit_lower(_scaled(raw, scale, -1), exact=key.shape[1] > key.shape[2])
            W = _scaled(inverse, scale, -2) @ decay.since_start_micro(left)
            u = inverse @ v
        start, final = chain(u, W, decay.until_end(key), decay.whole(), state, shape.alive)
        y = decay.read_start(q, start).baddbmm_(read, u)
        return y, final, read, raw, inverse, W, None if W is None else u, start

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        *tensors, _state, ctx.shape = inputs
        _y, _final, *kept = output
        ctx.mark_non_differentiable(*(tensor for tensor in kept if tensor is not None))
        ctx.save_for_backward(*tensors, *kept)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        dy, dfinal = gradients[:2]
        dq, dkey, db, dscale, dv, dlog_decay, dstate = ChunkScanBackward.apply(
            dy, dfinal, *ctx.saved_tensors, ctx.shape
        )
        return dq, dkey, db, dscale, dv, dlog_decay, None, dstate, None


class ChunkScanBackward(_Rowwise):
    """The gradients of :class:`ChunkScan`; they have none themselves."""

    @staticmethod
    @_signed
    def forward(
        dy: Tensor,
        dfinal: Tensor,
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        scale: Tensor | None,
        v: Tensor,
        log_decay: Tensor | None,
        resets: Tensor | None,
        read: Tensor,
        raw: Tensor | None,
        inverse: Tensor | None,
        W: Tensor | None,
        u: Tensor | None,
        start: Tensor,
        shape: Shape,
    ) -> tuple[Tensor | None, ...]:
        u = v if u is None else u
        decay = Decay(log_decay, resets, q, key, shape)
        reads, solves = decay.weights(shape.solves)
        carry = decay.whole()

        du, dstart = read.mH @ dy, decay.since_start(q).mH @ dy
        dend, dstate = chain_back(du, dstart, W, decay.until_end(key), carry, dfinal, shape.alive)

        dread = dy @ u.mH
        dq, dkey = reads.gradients(dread, q, key)
        dq_start, dkey_end = decay.since_start(dy @ start.mH), decay.until_end(u.conj() @ dend.mT)
        dq, dkey = dq.add_(dq_start), dkey.add_(dkey_end)
        db = dscale = dlog_decay = None
        dv = du
        crossing = [inner(q, dq_start), inner(key, dkey_end)] if log_decay is not None else []
        inside = [] if log_decay is None else [reads.decay_gradient(dread, q, key, read)]
        if solves is not None and raw is not None and inverse is not None:
            left = key if b is None else b
            dv = inverse.mH @ du
            dsolve = dv @ u.mH
            if scale is not None:
                dscale = inner(raw, dsolve).sum(-1)
                dsolve *= scale[..., None]
            db, dkey_solve = solves.gradients(dsolve, left, key)
            dkey.add_(dkey_solve)
            db_start = decay.since_start_micro(dv @ start.mH)
            solved = inner(left, db_start)
            if scale is not None and dscale is not None:
                dscale += solved.sum(-1)
                solved, db_start = solved * scale[..., None], db_start * scale[..., None]
            db.add_(db_start)
            if log_decay is not None:
                crossing.append(solved)
                inside.append(solves.decay_gradient(dsolve, left, key, raw))
            if b is None:
                dkey, db = dkey.add_(db), None
        if log_decay is not None and carry is not None:
            crossing.append(inner(start, dend).mul_(carry).sum(-1))
            if log_decay.ndim == 2:  # one decay multiplies every state row
                crossing = [x.sum(-1) for x in crossing]
            dlog_decay = decay.gradient(*crossing)
            for part in inside:
                dlog_decay += part
        return dq, dkey, db, dscale, dv, dlog_decay, dstate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        raise NotImplementedError("Chunked has no second derivative; use algorithm=Sequential() for one")


def _scaled(x: Tensor, scale: Tensor | None, axis: int) -> Tensor:
    """x ``[M, L, …]`` with its rows (axis -1) or columns (axis -2) multiplied by scale ``[M, L]``."""
    if scale is None:
        return x
    return x * (scale if x.ndim == 2 else scale.unsqueeze(axis))


def invert_unit_lower(N: Tensor, exact: bool) -> Tensor:
    """(I - N)⁻¹ for strictly lower-triangular N.

    More rows than the state has are dependent, and the inverse of many reflections among few directions is worth
    double precision: without it the state loses 3 to 4 times as much.
    """
    wide = torch.promote_types(N.dtype, torch.float64) if exact else N.dtype
    identity = torch.eye(N.shape[-1], dtype=wide, device=N.device).expand(N.shape)
    return torch.linalg.solve_triangular(-N.to(wide), identity, upper=False, unitriangular=True).to(N.dtype)
