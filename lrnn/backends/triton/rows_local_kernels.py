"""The gradients inside each chunk, for all blocks of chunks at the same time.

A block is E chunks; the state before it and the gradient of the state after it are given, those between are made again.
For a decay per state row (DIAGONAL) the gradients of the rows that carry their decays are handed on as they are.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.rows_kernels import plain_dot, row_tile


@triton.jit
def _add(x, y, acc):
    """acc + x y, with x rounded to the dtype of y."""
    return acc + plain_dot(x.to(y.dtype), y)


@triton.jit
def rows_local_bwd_kernel(
    q,
    key,
    read_rows,
    carry,
    scale,
    log_decay,
    factor,
    since,
    until,
    u,
    dr,
    dy,
    starts,
    ends,
    blocks,
    dq,
    dkey,
    dscale,
    dlog_decay,
    d_read_rows,
    d_reads,
    d_system,
    d_carry,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    CQ: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    V: tl.constexpr,
    BV: tl.constexpr,
    E: tl.constexpr,
    DECAY: tl.constexpr,
    DIAGONAL: tl.constexpr,
    SOLVE: tl.constexpr,
    NORMALIZE: tl.constexpr,
):
    """Scalar decays or none: dq, dkey (a number of heads may share them), dscale, dlog_decay. DIAGONAL: dq and dkey are
    those of query_rows and write_rows, beside d_read_rows, d_reads, d_system and d_carry."""
    CT: tl.constexpr = C // RP
    block, g = tl.program_id(0), tl.program_id(1)
    first = tl.load(blocks + 3 * block).to(tl.int64)
    count = tl.load(blocks + 3 * block + 1)
    chunk = tl.load(blocks + 3 * block + 2).to(tl.int64)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    t = tl.arange(0, CQ)
    column = tl.arange(0, BK)
    X = q.dtype.element_ty
    lower = row[:, None] > row[None, :]
    sees = t[:, None] >= token[None, :]

    for j in range(0, tl.minimum(tl.cdiv(count, CT), E)):
        start = first + j * CT
        left = count - j * CT
        valid = (token < left) & (micro < R)
        read = t < tl.minimum(left, CT)
        queries = row_tile(q + start * G * K, t, 0, column, G, g, 1, K, read)
        k = row_tile(key + start * G * R * K, token, micro, column, G, g, R, K, valid)
        dq_sum = tl.zeros([CQ, BK], tl.float32)
        dk_sum = tl.zeros([C, BK], tl.float32)
        for h in range(g * (H // G), (g + 1) * (H // G)):
            dqh = tl.zeros([CQ, BK], tl.float32)
            dw = tl.zeros([C, BK], tl.float32)
            dp = tl.zeros([C, BK], tl.float32)
            dA = tl.zeros([CQ, C], tl.float32)
            dN = tl.zeros([C, C], tl.float32)
            carried = tl.zeros([BK], tl.float32)
            for s in range(0, tl.cdiv(V, BV)):
                value = s * BV + tl.arange(0, BV)
                alive = (value < V)[:, None] & (column < K)[None, :]
                place = ((block.to(tl.int64) * H + h) * V + value[:, None]) * K + column[None, :]
                S = tl.load(starts + place, mask=alive, other=0.0)
                D = tl.load(ends + place, mask=alive, other=0.0)
                for i in range(0, j):  # forward from the block's first state
                    at, rest = first + i * CT, count - i * CT
                    here = (token < rest) & (micro < R)
                    ki = row_tile(key + at * G * R * K, token, micro, column, G, g, R, K, here)
                    w = row_tile(u + at * H * R * V, token, micro, value, H, h, R, V, here)
                    next_S = S.to(tl.float32)
                    if DECAY:
                        next_S *= tl.load(since + (at + CT - 1) * H + h)
                        w = (w * tl.load(until + (at + token) * H + h, mask=here, other=0.0)[:, None]).to(X)
                    if DIAGONAL:
                        whole = tl.load(carry + ((chunk + i) * H + h) * K + column, mask=column < K, other=0.0)
                        next_S *= whole[None, :]
                    S = (next_S + plain_dot(tl.trans(w), ki)).to(X)
                for back in range(j + 1, tl.minimum(tl.cdiv(count, CT), E)):  # back from its last
                    i = tl.minimum(tl.cdiv(count, CT), E) + j - back
                    at, rest = first + i * CT, count - i * CT
                    here, near = (token < rest) & (micro < R), t < tl.minimum(rest, CT)
                    qi = row_tile(q + at * G * K, t, 0, column, G, g, 1, K, near)
                    dyi = row_tile(dy + at * H * V, t, 0, value, H, h, 1, V, near)
                    next_D = D.to(tl.float32)
                    if DECAY:
                        next_D *= tl.load(since + (at + tl.minimum(rest, CT) - 1) * H + h)
                        dyi = (dyi * tl.load(since + (at + t) * H + h, mask=near, other=0.0)[:, None]).to(X)
                    if DIAGONAL:
                        whole = tl.load(carry + ((chunk + i) * H + h) * K + column, mask=column < K, other=0.0)
                        next_D *= whole[None, :]
                    next_D += plain_dot(tl.trans(dyi), qi)
                    if SOLVE:
                        dri = row_tile(dr + at * H * R * V, token, micro, value, H, h, R, V, here)
                        if DIAGONAL:
                            ki = row_tile(read_rows + at * G * R * K, token, micro, column, G, g, R, K, here)
                        else:
                            ki = row_tile(key + at * G * R * K, token, micro, column, G, g, R, K, here)
                            f = tl.load(factor + ((at + token) * H + h) * R + micro, mask=here, other=0.0)
                            dri = (dri * f[:, None]).to(X)
                        next_D += plain_dot(tl.trans(dri), ki)
                    D = next_D.to(X)
                rows = row_tile(u + start * H * R * V, token, micro, value, H, h, R, V, valid)
                dys = row_tile(dy + start * H * V, t, 0, value, H, h, 1, V, read)
                dqh += plain_dot(dys, S)
                dA += plain_dot(dys, tl.trans(rows))
                dw += plain_dot(rows, D)
                if SOLVE:
                    drs = row_tile(dr + start * H * R * V, token, micro, value, H, h, R, V, valid)
                    dp += plain_dot(drs, S)
                    dN += plain_dot(drs, tl.trans(rows))
                if DECAY or DIAGONAL:
                    carried += tl.sum(S.to(tl.float32) * D.to(tl.float32), axis=0)

            if DIAGONAL:
                dq_sum += dqh
                dk_sum += dw
                inside = valid[:, None] & (column < K)[None, :]
                if SOLVE:
                    at = ((start + token) * H + h) * R + micro
                    tl.store(d_read_rows + at[:, None] * K + column[None, :], dp, mask=inside)
                    tl.store(d_system + at[:, None] * C + row[None, :], dN, mask=valid[:, None])
                at = (start + t) * H + h
                tl.store(d_reads + at[:, None] * C + row[None, :], dA, mask=read[:, None])
                tl.store(d_carry + ((chunk + j) * H + h) * K + column, carried, mask=column < K)
            else:
                dA = tl.where(sees & read[:, None], dA, 0.0)
                if DECAY:
                    gates = log_decay + start * H + h
                    per_token = tl.load(gates + t * H, mask=read, other=0.0).to(tl.float64)
                    per_row = tl.load(gates + token * H, mask=valid & (micro == 0), other=0.0).to(tl.float64)
                    g_read, g_row = tl.cumsum(per_token, 0), tl.cumsum(per_row, 0)
                    later = (g_read[:, None] - g_row[None, :]).to(tl.float32)
                    dA *= tl.exp(tl.where(sees, later, 0.0))
                    e_read = tl.load(since + (start + t) * H + h, mask=read, other=0.0)
                    e_row = tl.load(until + (start + token) * H + h, mask=valid, other=0.0)
                    reading = e_read * tl.sum(queries * dqh, axis=1)
                    dqh *= e_read[:, None]
                    dw *= e_row[:, None]
                    ending = tl.sum(k * dw, axis=1)
                    before = (token[:, None] < t[None, :]).to(tl.float32)  # [row j, token t]
                    pairs = dA * plain_dot(queries, tl.trans(k))
                    crossing = tl.dot(pairs, before, input_precision="tf32x3")
                    crossing = tl.where(t[:, None] >= t[None, :], crossing + reading[:, None], 0.0)
                    dg = tl.sum(crossing, axis=0) + tl.exp(tl.sum(per_token, 0).to(tl.float32)) * tl.sum(carried, 0)
                    dg += tl.sum(tl.where(token[:, None] < t[None, :], ending[:, None], 0.0), axis=0)
                dq_sum = _add(dA, k, dq_sum + dqh)
                dk_sum = _add(tl.trans(dA), queries, dk_sum + dw)
                if SOLVE:
                    gram = plain_dot(k, tl.trans(k))
                    given = tl.load(scale + ((start + token) * H + h) * R + micro, mask=valid, other=0.0)
                    strength = given
                    if NORMALIZE:
                        square = tl.sum(tl.where(row[:, None] == row[None, :], gram, 0.0), axis=1)
                        square = tl.where(square > 0, square, float("inf"))
                        strength = given / square
                    dN = tl.where(lower, dN, 0.0)
                    seen = tl.sum(k * dp, axis=1)
                    if DECAY:
                        later = (g_row[:, None] - g_row[None, :]).to(tl.float32)
                        dN *= tl.exp(tl.where(lower, later, 0.0))
                        e_start = tl.exp(g_row.to(tl.float32))
                        seen *= e_start
                        dp *= e_start[:, None]
                    pairs = dN * gram
                    d_strength = seen + tl.sum(pairs, axis=1)
                    if DECAY:
                        pairs *= strength[:, None]
                        crossing = tl.dot(pairs, before, input_precision="tf32x3") + (strength * seen)[:, None]
                        dg += tl.sum(tl.where(token[:, None] >= t[None, :], crossing, 0.0), axis=0)
                    dN *= strength[:, None]
                    dk_sum += dp * strength[:, None]
                    dk_sum = _add(dN, k, dk_sum)
                    dk_sum = _add(tl.trans(dN), k, dk_sum)
                    if NORMALIZE:
                        d_strength /= square
                        dk_sum -= (2 * d_strength * strength)[:, None] * k
                    tl.store(dscale + ((start + token) * H + h) * R + micro, d_strength, mask=valid)
                if DECAY:
                    tl.store(dlog_decay + (start + t) * H + h, dg, mask=read)

        at = ((start + t) * G + g)[:, None] * K + column[None, :]
        tl.store(dq + at, dq_sum.to(dq.dtype.element_ty), mask=read[:, None] & (column < K)[None, :])
        at = (((start + token) * G + g) * R + micro)[:, None] * K + column[None, :]
        tl.store(dkey + at, dk_sum.to(dkey.dtype.element_ty), mask=valid[:, None] & (column < K)[None, :])
