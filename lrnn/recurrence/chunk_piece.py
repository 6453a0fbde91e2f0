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

from typing import NamedTuple

import torch
from torch import Tensor

from lrnn.recurrence.chunk_decay import Decay, Shape
from lrnn.recurrence.chunk_states import chain, chain_back
from lrnn.recurrence.chunk_weights import inner


class Rows(NamedTuple):
    """The inputs of some chunks, or their gradients, one row per chunk and head."""

    q: Tensor
    """``[M, C, K]``"""
    key: Tensor
    """``[M, L, K]``"""
    b: Tensor | None
    """``[M, L, K]``, or None for the key itself (a reflector, whose scale is -β)."""
    scale: Tensor | None
    """``[M, L]``, which multiplies b, or None for 1."""
    v: Tensor
    """``[M, L, V]``"""
    log_decay: Tensor | None
    """``[M, C]`` or ``[M, C, K]``, <= 0."""
    resets: Tensor | None
    """As log_decay, True where the decay is exactly 0."""


class Kept(NamedTuple):
    """What the backward needs besides the inputs."""

    read: Tensor
    raw: Tensor | None
    inverse: Tensor | None
    W: Tensor | None
    u: Tensor | None
    start: Tensor


def piece(rows: Rows, state: Tensor, shape: Shape) -> tuple[Tensor, Tensor, Kept]:
    """Outputs ``[M, C, V]`` and the last states of the rows, from their first states ``[alive[0], K, V]``."""
    q, key, b, scale, v, log_decay, resets = rows
    decay = Decay(log_decay, resets, q, key, shape)
    reads, solves = decay.weights()
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
    return y, final, Kept(read, raw, inverse, W, None if W is None else u, start)


def piece_back(rows: Rows, kept: Kept, dy: Tensor, dfinal: Tensor, shape: Shape) -> tuple[Rows, Tensor]:
    """The gradients of the inputs and of the first states."""
    q, key, b, scale, v, log_decay, resets = rows
    read, raw, inverse, W, u, start = kept
    u = v if u is None else u
    decay = Decay(log_decay, resets, q, key, shape)
    reads, solves = decay.weights()
    carry = decay.whole()

    du, dstart = read.mH @ dy, decay.since_start(q).mH @ dy
    dend, dstate = chain_back(du, dstart, W, decay.until_end(key), carry, dfinal, shape.alive)

    dread = dy @ u.mH
    dq, dkey = reads.gradients(dread, q, key)
    dq_start, dkey_end = decay.since_start(dy @ start.mH), decay.until_end(u.conj() @ dend.mT)
    dq, dkey = dq.add_(dq_start), dkey.add_(dkey_end)
    db = dscale = dlog_decay = solved = None
    dv = du
    if log_decay is not None:
        dlog_decay = reads.decay_gradient(dread, q, key, read)
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
        if dlog_decay is not None:
            dlog_decay += solves.decay_gradient(dsolve, left, key, raw)
        if b is None:
            dkey, db = dkey.add_(db), None
    if dlog_decay is not None and carry is not None:
        carried = inner(start, dend).mul_(carry).sum(-1)
        dlog_decay += decay.gradient(inner(q, dq_start), inner(key, dkey_end), carried, solved)
    return Rows(dq, dkey, db, dscale, dv, dlog_decay, None), dstate


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
