"""What happens inside each chunk, for all chunks at the same time; decays are one number per step and head, or none.

C micro-rows of a chunk · CQ reads of it (at least 16, masked) · RP micro-rows of a token, a power of 2.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.inverse_kernels import corners, inverse_of_blocks, merged
from lrnn.backends.triton.rows_kernels import (
    decay_plane,
    exact_product,
    exp_of_difference,
    exp_of_differences,
    in_two,
    log_decays,
    low_part,
    micro_rows,
    plain_dot,
    reads_inside,
    row_tile,
    rows_inside,
)


@triton.jit(do_not_specialize=["tokens", "words", "per_word", "begin", "per_piece", "per_run", "H", "G"])
def rows_prepare_fwd_kernel(
    q,
    key,
    beta,
    log_decay,
    chunks,
    inverse,
    reads,
    factor,
    decays,
    tokens,
    words,
    per_word,
    begin,
    per_piece,
    per_run,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    CQ: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    FULL: tl.constexpr,
    DECAY: tl.constexpr,
    SOLVE: tl.constexpr,
    NORMALIZE: tl.constexpr,
    WEIGH: tl.constexpr,
    HEADS: tl.constexpr,
    AGAIN: tl.constexpr,
):
    """(I - N)⁻¹ with N_ij = -beta_i (key_i·key_j) exp(g_i - g_j), reads A_tj = (q_t·key_j) exp(g_t - g_j), and the
    factors by which a row meets the chunk's first state (-beta_i exp g_i) and its last (exp(g_C - g_i)).

    WEIGH: beta is what writes are multiplied by, and so are the reads of row j and its factor to the last state, which
    is without it in plane 3.
    HEADS: that share keys and that a program takes, one after the other.
    AGAIN: in the backward, only of the chunks of a piece, and only the reads, chunk by chunk; words have ``per_word``
    chunks, and each run of them ``per_run``.
    """
    chunk, first_head = tl.program_id(0), tl.program_id(1) * HEADS
    made = chunk.to(tl.int64) * (C // RP)
    if AGAIN:
        run = chunk // per_piece
        chunk = run % words * per_word + run // words * per_run + begin + chunk % per_piece
    first = tl.load(chunks + 2 * chunk).to(tl.int64)
    if not AGAIN:
        made = first
    count = tl.load(chunks + 2 * chunk + 1)
    hk = first_head // (H // G)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    valid = rows_inside(token, micro, count, R, FULL)
    t = tl.arange(0, CQ)
    read = reads_inside(t, count, FULL)
    column = tl.arange(0, BK)

    S: tl.constexpr = C // 2
    Y: tl.constexpr = key.dtype.element_ty
    if DECAY and not AGAIN:
        _sum_decays(log_decay, beta, decays, tokens, first, first_head, t, read, H, HEADS, WEIGH, Y)
        tl.debug_barrier()  # what other threads stored is there
    if HEADS > 1:
        alike = _reads(q, key, first, hk, t, token, micro, column, read, valid, G, R, K)

    for n in range(HEADS):
        h = first_head + n
        if DECAY:
            gq, gq_low, g, g_low = log_decays(decays, first, token, t, tokens, H, h, valid, read, Y, WEIGH)

        if SOLVE:
            keys = key + (first * G + hk) * R * K
            strength = -tl.load(beta + ((first + token) * H + h) * R + micro, mask=valid, other=0.0).to(tl.float32)
            N = _products(keys, 0, 1, 0, 1, 16, C // 16, count, G * R * K, R, RP, K, BK)
            i = tl.arange(0, 16)
            if NORMALIZE:
                square = tl.reshape(tl.sum(tl.where((i[:, None] == i[None, :])[None], N, 0.0), axis=2), [C])
                strength = tl.where(square > 0, strength / tl.where(square > 0, square, 1.0), 0.0)
            g_row, g_row_low = strength, strength
            if DECAY:
                g_row, g_row_low = g, g_low
            N = _weighted(N, strength, g_row, g_row_low, 0, 1, 0, 1, 16, C // 16, DECAY, Y)
            X = inverse_of_blocks(tl.where((i[:, None] > i[None, :])[None], N, 0.0), Y)
            if C == 64:
                N = _products(keys, 1, 2, 0, 2, 16, 2, count, G * R * K, R, RP, K, BK)
                X = merged(X, _weighted(N, strength, g_row, g_row_low, 1, 2, 0, 2, 16, 2, DECAY, Y), Y)
            place = inverse + (first * H + h) * R * C
            place_low = place + tokens.to(tl.int64) * H * R * C
            if C == 16:
                _store_block(place, place_low, X, 0, 0, 16, C, count, H, R, RP)
            else:
                N = _products(keys, 1, 2, 0, 2, S, 1, count, G * R * K, R, RP, K, BK)
                N = _weighted(N, strength, g_row, g_row_low, 1, 2, 0, 2, S, 1, DECAY, Y)
                above, below, corner = corners(X, N, Y)
                _store_block(place, place_low, above, 0, 0, S, C, count, H, R, RP)
                _store_block(place, place_low, tl.zeros_like(above), 0, 1, S, C, count, H, R, RP)
                _store_block(place, place_low, corner, 1, 0, S, C, count, H, R, RP)
                _store_block(place, place_low, below, 1, 1, S, C, count, H, R, RP)
            if DECAY:
                since = decay_plane(decays, 0, tokens, H, h) + first
                strength *= tl.load(since + token, mask=valid, other=0.0)
            along = h.to(tl.int64) * tokens + first
            tl.store(factor + along * R + micro_rows(row, R, RP), strength, mask=valid)

        if HEADS == 1:
            alike = _reads(q, key, first, hk, t, token, micro, column, read, valid, G, R, K)
        A = alike
        sees = t[:, None] >= token[None, :]
        if DECAY:
            A *= exp_of_difference(gq, gq_low, g, g_low, Y)
        if WEIGH:
            A *= tl.load(beta + (first + token) * H + h, mask=valid, other=0.0).to(tl.float32)[None, :]
        A = tl.where(sees, A, 0.0).to(reads.dtype.element_ty)
        tl.store(reads + (made * H + h) * C + (t * H * C)[:, None] + row[None, :], A, mask=read[:, None])


@triton.jit
def _sum_decays(
    log_decay,
    beta,
    decays,
    tokens,
    first,
    first_head,
    t,
    read,
    H,
    HEADS: tl.constexpr,
    WEIGH: tl.constexpr,
    Y: tl.constexpr,
):
    """What decays lead to, of a chunk of HEADS heads: see :func:`decay_plane`."""
    n = tl.arange(0, triton.next_power_of_2(HEADS))
    h, there = (first_head + n)[:, None], (n < HEADS)[:, None] & read[None, :]
    at, along = (first + t)[None, :] * H + h, first + t[None, :]
    logs = tl.load(log_decay + at, mask=there, other=0.0).to(tl.float64)
    total, logs = tl.sum(logs, 1), tl.cumsum(logs, 1)
    g, g_low = in_two(logs)
    tl.store(decay_plane(decays, 0, tokens, H, h) + along, tl.exp(logs.to(tl.float32)), mask=there)
    to_end = tl.exp((total[:, None] - logs).to(tl.float32))
    if WEIGH:
        tl.store(decay_plane(decays, 3, tokens, H, h) + along, to_end, mask=there)
        to_end *= tl.load(beta + at, mask=there, other=0.0).to(tl.float32)
    tl.store(decay_plane(decays, 1, tokens, H, h) + along, to_end, mask=there)
    tl.store(decay_plane(decays, 2, tokens, H, h) + along, g, mask=there)
    if Y != tl.bfloat16:
        tl.store(decay_plane(decays, 4 if WEIGH else 3, tokens, H, h) + along, g_low, mask=there)


@triton.jit
def _reads(
    q,
    key,
    first,
    hk,
    t,
    token,
    micro,
    column,
    read,
    valid,
    G,
    R: tl.constexpr,
    K: tl.constexpr,
):
    """Products of queries and keys, ``[t, row]``."""
    k = row_tile(key + first * G * R * K, token, micro, column, G, hk, R, K, valid)
    queries = row_tile(q + first * G * K, t, 0, column, G, hk, 1, K, read)
    return plain_dot(queries, tl.trans(k))


@triton.jit
def _products(
    keys,
    FROM: tl.constexpr,
    STEP: tl.constexpr,
    TO: tl.constexpr,
    STEP_TO: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    count,
    stride,
    R: tl.constexpr,
    RP: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
):
    """Products of the keys of blocks of S rows, P of them: of blocks FROM, FROM + STEP, … with TO, TO + STEP_TO, …"""
    later = _keys_of(keys, FROM, STEP, S, P, count, stride, R, RP, K, BK)
    earlier = later
    if FROM != TO:
        earlier = _keys_of(keys, TO, STEP_TO, S, P, count, stride, R, RP, K, BK)
    if P == 1:
        products = exact_product(tl.reshape(later, [S, BK]), tl.trans(tl.reshape(earlier, [S, BK])))
        products = tl.reshape(products, [1, S, S])
    else:
        products = exact_product(later, tl.permute(earlier, [0, 2, 1]))
    return products


@triton.jit
def _keys_of(
    keys,
    FROM: tl.constexpr,
    STEP: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    count,
    stride,
    R: tl.constexpr,
    RP: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
):
    """Keys of every STEP-th block of S rows, ``[P, S, BK]``."""
    row = (FROM + STEP * tl.arange(0, P))[:, None] * S + tl.arange(0, S)[None, :]
    token, micro = row // RP, row % RP
    valid = (token < count) & (micro < R)
    column = tl.arange(0, BK)[None, None, :]
    at = (token * stride + micro * K)[:, :, None] + column
    return tl.load(keys + at, mask=valid[:, :, None] & (column < K), other=0.0)


@triton.jit
def _weighted(
    N,
    strength,
    g,
    g_low,
    FROM: tl.constexpr,
    STEP: tl.constexpr,
    TO: tl.constexpr,
    STEP_TO: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    DECAY: tl.constexpr,
    Y: tl.constexpr,
):
    """Blocks of :func:`_products` times strength_i exp(g_i - g_j)."""
    N *= _of_blocks(strength, FROM, STEP, S, P)[:, :, None]
    if DECAY:
        later, earlier = _of_blocks(g, FROM, STEP, S, P), _of_blocks(g, TO, STEP_TO, S, P)
        later_low, earlier_low = later, earlier
        if Y != tl.bfloat16:
            later_low, earlier_low = _of_blocks(g_low, FROM, STEP, S, P), _of_blocks(g_low, TO, STEP_TO, S, P)
        N *= exp_of_differences(later, later_low, earlier, earlier_low, Y)
    return N


@triton.jit
def _of_blocks(x, FROM: tl.constexpr, STEP: tl.constexpr, S: tl.constexpr, P: tl.constexpr):
    """Entries ``[P, S]`` of a vector that belong to every STEP-th block, the even or the odd ones where STEP is 2."""
    if STEP == 1:
        picked = tl.reshape(x, [P, S])
    else:
        even, odd = tl.split(tl.permute(tl.reshape(x, [P, 2, S]), [0, 2, 1]))
        picked = even if FROM == 0 else odd
    return picked


@triton.jit
def _store_block(
    base,
    base_low,
    X,
    I: tl.constexpr,
    J: tl.constexpr,
    S: tl.constexpr,
    C: tl.constexpr,
    count,
    H,
    R: tl.constexpr,
    RP: tl.constexpr,
):
    """Block I, J of an inverse, as one number or two."""
    row = I * S + tl.arange(0, S)
    token, micro = row // RP, row % RP
    valid = ((token < count) & (micro < R))[:, None]
    place = ((token * H * R + micro) * C)[:, None] + (J * S + tl.arange(0, S))[None, :]
    X = tl.reshape(X, [S, S])
    high = X.to(base.dtype.element_ty)
    tl.store(base + place, high, mask=valid)
    if base.dtype.element_ty != tl.float32:
        tl.store(base_low + place, low_part(X, high), mask=valid)
