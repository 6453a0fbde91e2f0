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

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.recurrence.chunk_decay import Decay, Shape
from lrnn.recurrence.chunk_states import chain, chain_back


def chunk_scan(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    strength: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    resets: Tensor | None,
    state: Tensor,
    shape: Shape,
) -> tuple[Tensor, Tensor]:
    """Outputs ``[M, C, V]`` and final states from ``q [M, C, K]``, ``key [M, L, K]``, ``v [M, L, V]``.

    Arguments:
        b: ``[M, L, K]`` or None.
        strength: ``[M, L]`` or None; b = -strength · key, the reflectors.
        log_decay: ``[M, C]`` or ``[M, C, K]`` or None, <= 0.
        resets: as log_decay, True where the decay is exactly 0, or None.
        state: first states of the rows, ``[alive[0], K, V]``.
    """
    g = None if log_decay is None else log_decay.to(torch.float64).cumsum(1)
    z = None if resets is None else resets.cumsum(1)
    pieces = _pieces(shape.alive, q.shape[1] * q.shape[2])
    sizes = [sum(piece) for piece in pieces]
    splits = [[None] * len(pieces) if x is None else x.split(sizes) for x in (q, key, b, strength, v, g, z)]
    ys, finals = [], []
    for piece, *tensors in zip(pieces, *splits, strict=True):
        finals.append(state[piece[0] :])
        state = state[: piece[0]]
        y, state, *_ = ChunkScan.apply(*tensors, state, shape._replace(alive=piece))  # type: ignore[misc]
        ys.append(y)
    return torch.cat(ys), torch.cat([state, *reversed(finals)])


PIECE = 2**17
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


class ChunkScan(_Rowwise):
    """:func:`chunk_scan` with its backward; the states between chunks and the solved rows are kept, T·(K·V/C + V)."""

    @staticmethod
    def forward(
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        strength: Tensor | None,
        v: Tensor,
        g: Tensor | None,
        z: Tensor | None,
        state: Tensor,
        shape: Shape,
    ) -> tuple[Tensor | None, ...]:
        b = _reflectors(b, strength, key)
        decay = Decay(g, z, q, key, shape)
        reads, solves = decay.weights(b is not None)
        read = reads.product(q, key)
        if b is None:
            inverse, W, u = None, None, v
        else:
            assert solves is not None
            inverse = invert_unit_lower(solves.product(b, key))
            W = inverse @ decay.since_start_micro(b)
            u = inverse @ v
        start, final = chain(u, W, decay.until_end(key), decay.whole(), state, shape.alive)
        y = torch.baddbmm(decay.since_start(q) @ start, read, u)
        return y, final, read, inverse, W, None if b is None else u, start

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        *tensors, _state, ctx.shape = inputs
        _y, _final, *kept = output
        ctx.mark_non_differentiable(*(tensor for tensor in kept if tensor is not None))
        ctx.save_for_backward(*tensors, *kept)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        dy, dfinal = gradients[:2]
        dq, dkey, db, dstrength, dv, dg, dstate = ChunkScanBackward.apply(dy, dfinal, *ctx.saved_tensors, ctx.shape)
        return dq, dkey, db, dstrength, dv, dg, None, dstate, None


class ChunkScanBackward(_Rowwise):
    """The gradients of :class:`ChunkScan`; they have none themselves."""

    @staticmethod
    def forward(
        dy: Tensor,
        dfinal: Tensor,
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        strength: Tensor | None,
        v: Tensor,
        g: Tensor | None,
        z: Tensor | None,
        read: Tensor,
        inverse: Tensor | None,
        W: Tensor | None,
        u: Tensor | None,
        start: Tensor,
        shape: Shape,
    ) -> tuple[Tensor | None, ...]:
        b = _reflectors(b, strength, key)
        u = v if u is None else u
        decay = Decay(g, z, q, key, shape)
        reads, solves = decay.weights(b is not None)
        carry = decay.whole()

        du, dstart = read.mH @ dy, decay.since_start(q).mH @ dy
        dend, dstate = chain_back(du, dstart, W, decay.until_end(key), carry, dfinal, shape.alive)

        dq, dkey = reads.gradients(dy @ u.mH, q, key)
        dq = dq + decay.since_start(dy @ start.mH)
        dkey_end = decay.until_end(u.conj() @ dend.mT)
        dkey = dkey + dkey_end
        db, dv, dstrength, dg = None, du, None, None
        if b is not None:
            assert inverse is not None
            assert solves is not None
            dv = inverse.mH @ du
            db, dkey_solve = solves.gradients(dv @ u.mH, b, key)
            db = db + decay.since_start_micro(dv @ start.mH)
            dkey = dkey + dkey_solve
        if g is not None:
            # every weight is exp(g_i - g_j): a row in exp(g_i) sends Σ x·dx to g_i, one in exp(-g_j) sends -Σ x·dx
            flat = g.ndim == 2
            dg = decay.per_step(_inner(q, dq, flat), -_inner(key, dkey, flat))
            if b is not None:
                dg = dg + decay.per_step_solve(_inner(b, db, flat))
            last = _inner(key, dkey_end, flat).sum(1) + _carried(start, dend, carry, flat)
            dg = dg + pad(last[:, None], (0, 0) * (g.ndim - 2) + (g.shape[1] - 1, 0))
            dg = dg.to(g.dtype)
        if strength is not None:
            assert db is not None
            dstrength = -_inner(key, db, flat=True)
            dkey = dkey - strength[..., None] * db
            db = None
        return dq, dkey, db, dstrength, dv, dg, dstate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        raise NotImplementedError("Chunked has no second derivative; use algorithm=Sequential() for one")


def _reflectors(b: Tensor | None, strength: Tensor | None, key: Tensor) -> Tensor | None:
    return b if strength is None else key * -strength[..., None]


def invert_unit_lower(N: Tensor) -> Tensor:
    """(I - N)⁻¹ for strictly lower-triangular N."""
    identity = torch.eye(N.shape[-1], dtype=N.dtype, device=N.device).expand(N.shape)
    return torch.linalg.solve_triangular(-N, identity, upper=False, unitriangular=True)


def _inner(x: Tensor, dx: Tensor | None, flat: bool) -> Tensor:
    """Σ x·dx over state rows for a scalar decay, for each of them for a diagonal one."""
    assert dx is not None
    product = (x.conj() * dx).real if x.is_complex() else x * dx
    return product.sum(-1) if flat else product


def _carried(start: Tensor, dend: Tensor, carry: Tensor | None, flat: bool) -> Tensor:
    """What the decayed first state sends to the last exponent."""
    assert carry is not None
    inner = (start.conj() * dend).real if start.is_complex() else start * dend
    return inner.sum((1, 2)) * carry[:, 0, 0] if flat else inner.sum(2) * carry[:, :, 0]
