"""What happens inside each chunk, for all chunks at the same time; decays are one number per step and head, or none.

C micro-rows of a chunk · CQ reads of it (at least 16, masked) · RP micro-rows of a token, a power of 2.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.inverse_kernels import unit_lower_inverse
from lrnn.backends.triton.rows_kernels import low_part, plain_dot, row_tile


@triton.jit
def rows_prepare_fwd_kernel(
    q,
    key,
    scale,
    log_decay,
    chunks,
    inverse,
    inverse_low,
    reads,
    factor,
    since,
    until,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    CQ: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    DECAY: tl.constexpr,
    SOLVE: tl.constexpr,
    NORMALIZE: tl.constexpr,
    READ: tl.constexpr,
):
    """(I - N)⁻¹ with N_ij = scale_i (key_i·key_j) exp(g_i - g_j), reads A_tj = (q_t·key_j) exp(g_t - g_j), and the
    factors by which a row meets the chunk's first state (scale_i exp g_i) and its last (exp(g_C - g_i))."""
    chunk, h = tl.program_id(0), tl.program_id(1)
    first = tl.load(chunks + 2 * chunk).to(tl.int64)
    count = tl.load(chunks + 2 * chunk + 1)
    hk = h // (H // G)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    valid = (token < count) & (micro < R)
    t = tl.arange(0, CQ)
    read = t < count
    column = tl.arange(0, BK)

    k = row_tile(key + first * G * R * K, token, micro, column, G, hk, R, K, valid)
    if DECAY:
        gates = log_decay + first * H
        g = tl.cumsum(tl.load(gates + token * H + h, mask=valid & (micro == 0), other=0.0).to(tl.float64), 0)
        gq = tl.cumsum(tl.load(gates + t * H + h, mask=read, other=0.0).to(tl.float64), 0)
        total = tl.sum(tl.load(gates + t * H + h, mask=read, other=0.0).to(tl.float64), 0)
        tl.store(since + (first + t) * H + h, tl.exp(gq.to(tl.float32)), mask=read)
        tl.store(until + (first + t) * H + h, tl.exp((total - gq).to(tl.float32)), mask=read)

    if SOLVE:
        gram = plain_dot(k, tl.trans(k))
        strength = tl.load(scale + ((first + token) * H + h) * R + micro, mask=valid, other=0.0)
        if NORMALIZE:
            square = tl.sum(tl.where(row[:, None] == row[None, :], gram, 0.0), axis=1)
            strength = tl.where(square > 0, strength / tl.where(square > 0, square, 1.0), 0.0)
        N = tl.where(row[:, None] > row[None, :], gram * strength[:, None], 0.0)
        if DECAY:
            later = (g[:, None] - g[None, :]).to(tl.float32)
            N *= tl.exp(tl.where(row[:, None] > row[None, :], later, 0.0))
            strength *= tl.exp(g.to(tl.float32))
        X = unit_lower_inverse(N, C)
        place = (first * H + h) * R * C + ((token * H * R + micro) * C)[:, None] + row[None, :]
        high = X.to(inverse.dtype.element_ty)
        tl.store(inverse + place, high, mask=valid[:, None])
        if inverse.dtype.element_ty != tl.float32:
            tl.store(inverse_low + place, low_part(X, high), mask=valid[:, None])
        tl.store(factor + ((first + token) * H + h) * R + micro, strength, mask=valid)

    if READ:
        queries = row_tile(q + first * G * K, t, 0, column, G, hk, 1, K, read)
        A = plain_dot(queries, tl.trans(k))
        sees = t[:, None] >= token[None, :]
        if DECAY:
            A *= tl.exp(tl.where(sees, (gq[:, None] - g[None, :]).to(tl.float32), 0.0))
        A = tl.where(sees, A, 0.0).to(reads.dtype.element_ty)
        tl.store(reads + (first * H + h) * C + (t * H * C)[:, None] + row[None, :], A, mask=read[:, None])
