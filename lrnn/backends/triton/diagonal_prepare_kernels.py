"""What happens inside each chunk where every state row has a decay of its own, forward and backward.

C micro-rows of a chunk · RP micro-rows of a token, a power of 2 · BK a tile of K. Row i is a micro-row of a token, and
g its decays' running sum. The weight exp(g_i - g_j)_k of a pair of rows is a vector, and exp(-g_j) would overflow.

So pairs are sorted by level: a pair of level s lies in two neighboring blocks of 2ˢ tokens, the second of them odd. The
border between the two lies between the rows, so with g at the border,

    exp(g_i - g_j) = exp(g_i - border) · exp(border - g_j)

with both factors <= 1, and all pairs of a level are one product of matrices. On each level a row lies in an odd block
or in an even one, so it needs one exponential, exp(-|g - border|). Running sums are in float64: beside resets,
thousands are subtracted from thousands. The gradient of a log decay is the sum of what crosses it on the way to a
border, again a product of matrices, and never a difference of large sums.

Source: Yang et al., arXiv 2312.06635, §4.3, has the border between blocks of one size; here it is at every power of 2.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.inverse_kernels import unit_lower_inverse
from lrnn.backends.triton.rows_kernels import low_part, plain_dot, row_tile


@triton.jit
def _near(g, ahead, token, level, RP: tl.constexpr, C: tl.constexpr, BK: tl.constexpr):
    """exp(-|ahead - border|): each row's weight to the border of its level, where g is the running sum of all rows."""
    last = (((token >> level) | 1) << level) * RP - 1  # the last row of an even block or before an odd one
    border = tl.gather(g, tl.broadcast_to(last[:, None], [C, BK]), 0)
    return tl.exp(-tl.abs(ahead - border).to(tl.float32))


@triton.jit
def _at_row(x, row, C: tl.constexpr, BK: tl.constexpr):
    """x ``[C, BK]`` at other rows, and 0 where there is none."""
    there = (row >= 0) & (row < C)
    found = tl.gather(x, tl.broadcast_to(tl.where(there, row, 0)[:, None], [C, BK]), 0)
    return tl.where(there[:, None], found, 0.0)


@triton.jit
def _crosses(token, level, OWN: tl.constexpr):
    """Whose decays lie between row i and the border of its level, [m, i]; OWN: those of the row's own token too."""
    odd = (((token >> level) & 1) == 1)[None, :]
    block = (token[:, None] >> level) == (token[None, :] >> level)
    if OWN:
        return block & (odd ^ (token[:, None] > token[None, :]))
    return block & (token[:, None] != token[None, :]) & (odd ^ (token[:, None] > token[None, :]))


@triton.jit
def _meets(token, level):
    """The pairs of a level, [i, j]."""
    odd = ((token >> level) & 1) == 1
    return odd[:, None] & ((token[:, None] >> level) == (token[None, :] >> level) + 1)


@triton.jit
def _square(key, token, micro, G, g, R: tl.constexpr, K: tl.constexpr, BK: tl.constexpr, C: tl.constexpr, valid):
    """keyᵀkey of each row."""
    square = tl.zeros([C], tl.float32)
    for c in range(0, tl.cdiv(K, BK)):
        k = row_tile(key, token, micro, c * BK + tl.arange(0, BK), G, g, R, K, valid).to(tl.float32)
        square += tl.sum(k * k, axis=1)
    return square


@triton.jit
def _inverse_of(square):
    """1 / square, and 0 for 0."""
    return tl.where(square > 0, 1.0 / tl.where(square > 0, square, 1.0), 0.0)


@triton.jit
def _store_two(high_rows, low_rows, at, x, mask):
    """x as the number of the output's dtype next to it, and what that leaves."""
    high = x.to(high_rows.dtype.element_ty)
    tl.store(high_rows + at, high, mask=mask)
    if high_rows.dtype.element_ty != tl.float32:
        tl.store(low_rows + at, low_part(x, high), mask=mask)


@triton.jit
def diagonal_prepare_fwd_kernel(
    q,
    key,
    b,
    scale,
    log_decay,
    chunks,
    inverse,
    inverse_low,
    reads,
    read_rows,
    read_low,
    write_rows,
    write_low,
    query_rows,
    carry,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    LEVELS: tl.constexpr,
    GROUP: tl.constexpr,
    OWN: tl.constexpr,
    SOLVE: tl.constexpr,
    HAS_B: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    NORMALIZE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """(I - N)⁻¹ with N_ij = scale_i Σ_k b_ik key_jk exp(g_i - g_j)_k, reads A_tj = Σ_k q_tk key_jk exp(g_t - g_j)_k,
    and the rows that meet the chunk's first state (scale b exp(g), q exp(g)) and its last (key exp(g_C - g))."""
    chunk, h = tl.program_id(0).to(tl.int64), tl.program_id(1)
    first = tl.load(chunks + 2 * chunk).to(tl.int64)
    count = tl.load(chunks + 2 * chunk + 1)
    hk = h // (H // G)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    valid = (token < count) & (micro < R)
    read = valid & (micro == 0)
    team = (token * R + micro) // GROUP
    sees = team[None, :] < team[:, None]
    together = token[None, :] == token[:, None]
    X = key.dtype.element_ty

    if SOLVE:
        strength = tl.full([C], 1.0, tl.float32)
        if HAS_SCALE:
            strength = tl.load(scale + ((first + token) * H + h) * R + micro, mask=valid, other=0.0)
        if NORMALIZE:
            strength *= _inverse_of(_square(key + first * G * R * K, token, micro, G, hk, R, K, BK, C, valid))
        N = tl.zeros([C, C], tl.float32)
    A = tl.zeros([C, C], tl.float32)

    for c in range(0, tl.cdiv(K, BK)):
        column = c * BK + tl.arange(0, BK)
        k = row_tile(key + first * G * R * K, token, micro, column, G, hk, R, K, valid).to(tl.float32)
        queries = row_tile(q + first * G * K, token, 0, column, G, hk, 1, K, read).to(tl.float32)
        own = row_tile(log_decay + first * H * K, token, 0, column, H, h, 1, K, valid).to(tl.float64)
        steps = tl.where((micro == 0)[:, None], own, 0.0)
        g, whole = tl.cumsum(steps, 0), tl.sum(steps, 0)
        if SOLVE:
            left = k
            if HAS_B:
                left = row_tile(b + first * G * R * K, token, micro, column, G, hk, R, K, valid).to(tl.float32)
            left *= strength[:, None]

        inside = (column < K)[None, :]
        since = tl.exp(g.to(tl.float32))
        at = ((first + token) * H + h)[:, None] * K + column[None, :]
        tl.store(query_rows + at, (queries * since).to(X), mask=read[:, None] & inside)
        at = (((first + token) * H + h) * R + micro)[:, None] * K + column[None, :]
        until = tl.exp((whole[None, :] - g).to(tl.float32))
        _store_two(write_rows, write_low, at, k * until, valid[:, None] & inside)
        if SOLVE:
            if not OWN:
                since = tl.exp((g - own).to(tl.float32))
            _store_two(read_rows, read_low, at, left * since, valid[:, None] & inside)
        tl.store(carry + (chunk * H + h) * K + column, tl.exp(whole.to(tl.float32)), mask=column < K)

        if RP == 1:
            A += tl.where(together, tl.sum(queries * k, axis=1)[:, None], 0.0)
        else:
            A += tl.where(together, plain_dot(queries.to(X), tl.trans(k.to(X))), 0.0)
            if SOLVE and OWN:
                N += tl.where(together & sees, tl.dot(left, tl.trans(k), input_precision=PRECISION), 0.0)
        for level in range(0, LEVELS):
            meets = _meets(token, level)
            near = _near(g, g, token, level, RP, C, BK)
            right = k * near
            A += tl.where(meets, plain_dot((queries * near).to(X), tl.trans(right.to(X))), 0.0)
            if SOLVE:
                if not OWN:
                    near = _near(g, g - own, token, level, RP, C, BK)
                rows = left * near
                N += tl.where(meets & sees, tl.dot(rows, tl.trans(right), input_precision=PRECISION), 0.0)

    at = ((first + token) * H + h)[:, None] * C + row[None, :]
    tl.store(reads + at, A.to(X), mask=read[:, None])
    if SOLVE:
        at = (((first + token) * H + h) * R + micro)[:, None] * C + row[None, :]
        _store_two(inverse, inverse_low, at, unit_lower_inverse(N, C, X), valid[:, None])


@triton.jit
def _rounded(x, PRECISION: tl.constexpr):
    """x as a product will take it."""
    if PRECISION == "bf16":
        return x.to(tl.bfloat16)
    else:
        return x


@triton.jit
def _product(x, y, PRECISION: tl.constexpr):
    """x y of two float32, rounded to bfloat16 before or as the name of a precision says."""
    if PRECISION == "bf16":
        return tl.dot(x.to(tl.bfloat16), y.to(tl.bfloat16))
    else:
        return tl.dot(x, y, input_precision=PRECISION)


@triton.jit
def _crossing(crosses, contribution, PRECISION: tl.constexpr):
    """At each row m, the contributions of the rows i that cross it, [m, i].

    Not in tf32 for bfloat16: there the assembler of CUDA 12.8 reads operands from where they are not.
    """
    if PRECISION == "bf16":
        return tl.dot(crosses.to(tl.bfloat16), contribution.to(tl.bfloat16))
    else:
        return tl.dot(crosses.to(tl.float32), contribution, input_precision=PRECISION)


@triton.jit
def _add_head(
    h,
    dq_sum,
    dk_sum,
    db_sum,
    k,
    queries,
    unscaled,
    per_square,
    chunk,
    first,
    count,
    tile,
    scale,
    log_decay,
    d_read_rows,
    d_write_rows,
    d_query_rows,
    d_reads,
    d_system,
    d_carry,
    d_strength,
    dlog_decay,
    TOKENS,
    H,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    LEVELS: tl.constexpr,
    GROUP: tl.constexpr,
    OWN: tl.constexpr,
    SOLVE: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The gradients of q, key and b with those of one head added; the others are stored."""
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    valid = (token < count) & (micro < R)
    read = valid & (micro == 0)
    team = (token * R + micro) // GROUP
    sees = (team[None, :] < team[:, None]) & valid[:, None] & valid[None, :]
    column = tile * BK + tl.arange(0, BK)
    inside = (column < K)[None, :]

    own = row_tile(log_decay + first * H * K, token, 0, column, H, h, 1, K, valid).to(tl.float64)
    steps = tl.where((micro == 0)[:, None], own, 0.0)
    g, total = tl.cumsum(steps, 0), tl.sum(steps, 0)
    since, until = tl.exp(g.to(tl.float32)), tl.exp((total[None, :] - g).to(tl.float32))
    d_query = row_tile(d_query_rows + first * H * K, token, 0, column, H, h, 1, K, read) * since
    d_write = row_tile(d_write_rows + first * H * R * K, token, micro, column, H, h, R, K, valid) * until
    dq_sum += d_query
    dk_sum += d_write
    whole = tl.load(d_carry + (chunk * H + h) * K + column, mask=column < K, other=0.0)
    whole *= tl.exp(total.to(tl.float32))
    dg = whole[None, :] + _at_row(tl.cumsum(k * d_write, 0), token * RP - 1, C, BK)
    started = queries * d_query
    at = ((first + token) * H + h)[:, None] * C + row[None, :]
    dA = _rounded(tl.load(d_reads + at, mask=read[:, None] & valid[None, :], other=0.0), PRECISION)
    if SOLVE:
        strength = per_square
        if HAS_SCALE:
            strength *= tl.load(scale + ((first + token) * H + h) * R + micro, mask=valid, other=0.0)
        left = unscaled * strength[:, None]
        d_left = row_tile(d_read_rows + first * H * R * K, token, micro, column, H, h, R, K, valid)
        if OWN:
            d_left *= since
            started += left * d_left
        else:
            d_left *= tl.exp((g - own).to(tl.float32))
            dg += _at_row(tl.cumsum(left * d_left, 0, reverse=True), (token + 1) * RP, C, BK)
        at = (((first + token) * H + h) * R + micro)[:, None] * C + row[None, :]
        dN = _rounded(tl.load(d_system + at, mask=sees, other=0.0), PRECISION)
    dg += tl.cumsum(started, 0, reverse=True)

    if RP == 1:
        diagonal = tl.load(d_reads + ((first + token) * H + h) * C + row, mask=read, other=0.0)[:, None]
        dq_sum += diagonal * k
        dk_sum += diagonal * queries
    else:
        together = token[None, :] == token[:, None]
        here = tl.where(together, dA, 0.0)
        dq_sum += _product(here, k, PRECISION)
        dk_sum += _product(tl.trans(here), queries, PRECISION)
        if SOLVE and OWN:
            here = tl.where(together, dN, 0.0)
            d_left += _product(here, k, PRECISION)
            dk_sum += _product(tl.trans(here), left, PRECISION)

    for level in range(0, LEVELS):
        meets = _meets(token, level)
        crosses = _crosses(token, level, True)
        near = _near(g, g, token, level, RP, C, BK)
        right = k * near
        pairs = tl.where(meets, dA, 0.0)
        dx = _product(pairs, right, PRECISION) * near
        dq_sum += dx
        d_right = _product(tl.trans(pairs), queries * near, PRECISION)
        crossing = dx * queries
        if SOLVE:
            pairs = tl.where(meets, dN, 0.0)
            if OWN:
                near_left = near
            else:
                near_left = _near(g, g - own, token, level, RP, C, BK)
            dx = _product(pairs, right, PRECISION) * near_left
            d_left += dx
            d_right += _product(tl.trans(pairs), left * near_left, PRECISION)
            if OWN:
                crossing += dx * left
            else:
                dg += _crossing(_crosses(token, level, False), dx * left, PRECISION)
        d_right *= near
        dk_sum += d_right
        dg += _crossing(crosses, crossing + d_right * k, PRECISION)

    at = ((first + token) * H + h)[:, None] * K + column[None, :]
    tl.store(dlog_decay + at, dg, mask=read[:, None] & inside)
    if SOLVE:
        db_sum += d_left * strength[:, None]
        if HAS_SCALE:
            at = ((tile.to(tl.int64) * TOKENS + first + token) * H + h) * R + micro
            tl.store(d_strength + at, tl.sum(d_left * unscaled, axis=1), mask=valid)
    return dq_sum, dk_sum, db_sum


@triton.jit
def diagonal_prepare_bwd_kernel(
    q,
    key,
    b,
    scale,
    log_decay,
    chunks,
    d_read_rows,
    d_write_rows,
    d_query_rows,
    d_reads,
    d_system,
    d_carry,
    dq,
    dkey,
    db,
    d_strength,
    dlog_decay,
    TOKENS,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    HEADS: tl.constexpr,
    LEVELS: tl.constexpr,
    GROUP: tl.constexpr,
    OWN: tl.constexpr,
    SOLVE: tl.constexpr,
    HAS_B: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    NORMALIZE: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """The gradients of q, key, b and log_decay for a tile of K, summed over the heads that share a key, and this tile's
    part of the gradient of what multiplies b. Another kernel makes of it those of scale and, normalized, of the key."""
    chunk, hk, tile = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    first = tl.load(chunks + 2 * chunk).to(tl.int64)
    count = tl.load(chunks + 2 * chunk + 1)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    valid = (token < count) & (micro < R)
    read = valid & (micro == 0)
    column = tile * BK + tl.arange(0, BK)
    inside = (column < K)[None, :]

    k = row_tile(key + first * G * R * K, token, micro, column, G, hk, R, K, valid).to(tl.float32)
    queries = row_tile(q + first * G * K, token, 0, column, G, hk, 1, K, read).to(tl.float32)
    dq_sum = tl.zeros([C, BK], tl.float32)
    dk_sum = tl.zeros([C, BK], tl.float32)
    db_sum = tl.zeros([C, BK], tl.float32)
    per_square = tl.full([C], 1.0, tl.float32)
    if NORMALIZE:
        per_square = _inverse_of(_square(key + first * G * R * K, token, micro, G, hk, R, K, BK, C, valid))
    unscaled = k
    if HAS_B:
        unscaled = row_tile(b + first * G * R * K, token, micro, column, G, hk, R, K, valid).to(tl.float32)

    if HEADS == 1:  # a loop would keep in registers whatever does not change in it
        dq_sum, dk_sum, db_sum = _add_head(
            hk,
            dq_sum,
            dk_sum,
            db_sum,
            k,
            queries,
            unscaled,
            per_square,
            chunk,
            first,
            count,
            tile,
            scale,
            log_decay,
            d_read_rows,
            d_write_rows,
            d_query_rows,
            d_reads,
            d_system,
            d_carry,
            d_strength,
            dlog_decay,
            TOKENS,
            H,
            R,
            RP,
            C,
            K,
            BK,
            LEVELS,
            GROUP,
            OWN,
            SOLVE,
            HAS_SCALE,
            PRECISION,
        )
    else:
        for h in range(hk * HEADS, (hk + 1) * HEADS):
            dq_sum, dk_sum, db_sum = _add_head(
                h,
                dq_sum,
                dk_sum,
                db_sum,
                k,
                queries,
                unscaled,
                per_square,
                chunk,
                first,
                count,
                tile,
                scale,
                log_decay,
                d_read_rows,
                d_write_rows,
                d_query_rows,
                d_reads,
                d_system,
                d_carry,
                d_strength,
                dlog_decay,
                TOKENS,
                H,
                R,
                RP,
                C,
                K,
                BK,
                LEVELS,
                GROUP,
                OWN,
                SOLVE,
                HAS_SCALE,
                PRECISION,
            )

    at = ((first + token) * G + hk)[:, None] * K + column[None, :]
    tl.store(dq + at, dq_sum.to(dq.dtype.element_ty), mask=read[:, None] & inside)
    at = (((first + token) * G + hk) * R + micro)[:, None] * K + column[None, :]
    if SOLVE:
        if HAS_B:
            tl.store(db + at, db_sum.to(db.dtype.element_ty), mask=valid[:, None] & inside)
        else:
            dk_sum += db_sum
    tl.store(dkey + at, dk_sum.to(dkey.dtype.element_ty), mask=valid[:, None] & inside)


@triton.jit
def diagonal_prepare_scale_bwd_kernel(
    key,
    scale,
    d_strength,
    dkey_rest,
    dscale,
    dkey,
    ROWS,
    H,
    G,
    TILES: tl.constexpr,
    R: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """What multiplies b is scale / keyᵀkey: the gradient of scale, and the rest of the key's."""
    row = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    token, g, micro = row // (G * R), row // R % G, row % R
    valid = row < ROWS
    square = _square(key, row, 0, 1, 0, 1, K, BK, BLOCK, valid)
    per_square = _inverse_of(square)
    per_tile = (tl.zeros([BLOCK], tl.int64) + ROWS // G) * H
    d_square = tl.zeros([BLOCK], tl.float32)
    for h in range(0, H // G):
        at = (token * H + g * (H // G) + h) * R + micro
        total = tl.zeros([BLOCK], tl.float32)
        for part in range(0, TILES):
            total += tl.load(d_strength + part * per_tile + at, mask=valid, other=0.0)
        total *= per_square
        tl.store(dscale + at, total, mask=valid)
        d_square -= total * tl.load(scale + at, mask=valid, other=0.0) * per_square
    for c in range(0, tl.cdiv(K, BK)):
        column = c * BK + tl.arange(0, BK)
        at = row[:, None] * K + column[None, :]
        inside = valid[:, None] & (column < K)[None, :]
        k = tl.load(key + at, mask=inside, other=0.0).to(tl.float32)
        rest = tl.load(dkey_rest + at, mask=inside, other=0.0)
        tl.store(dkey + at, (rest + 2 * d_square[:, None] * k).to(dkey.dtype.element_ty), mask=inside)
