"""The chain of states from chunk to chunk, all that is sequential, forward and backward.

One program walks a segment of a word with a slice of the state's columns, held transposed, Sᵀ [BV, BK], in registers:
all products of the chain then have a left factor that is in registers and a right factor that comes from memory as it
is. The three products on the state's path, read_rows S, T r and write_rowsᵀ u, take their left factor in float32 as two
numbers of the inputs' dtype; see :mod:`lrnn.backends.triton.rows_kernels`.

    r = v + f ∘ (key S₀)     u = T r     y = e ∘ (q S₀) + A u     S_C = P S₀ + keyᵀ (e' ∘ u)

with f, e, e' one number per row, or, for a decay per state row (DIAGONAL), rows that carry their decays.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.early_kernels import begin_early
from lrnn.backends.triton.rows_kernels import (
    decay_plane,
    exact_dot,
    exact_dot_of_two,
    micro_rows,
    plain_dot,
    reads_inside,
    rows_inside,
    rows_of,
    states_of,
    store_tile,
    tile_at,
    two_terms,
)


@triton.jit(do_not_specialize=["tokens", "all_chunks", "begin", "ending", "H", "G"])
def rows_chain_fwd_kernel(
    q,
    read_rows,
    read_low,
    write_rows,
    write_low,
    carry,
    v,
    inverse,
    reads,
    factor,
    decays,
    state,
    segments,
    y,
    u,
    starts,
    final,
    products,
    tokens,
    all_chunks,
    begin,
    ending,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    CQ: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    FULL: tl.constexpr,
    V: tl.constexpr,
    BV: tl.constexpr,
    DECAY: tl.constexpr,
    DIAGONAL: tl.constexpr,
    SOLVE: tl.constexpr,
    READ: tl.constexpr,
    SAVE: tl.constexpr,
    SUMMARY: tl.constexpr,
    STAGES: tl.constexpr,
):
    """The segments from ``begin`` on; ``final`` has the states after those from ``ending`` on. SUMMARY: what they do to
    any state: from 0 with their writes, in ``final``, and in ``products`` without them from each column of I, or where
    no system is solved what multiplies each state row."""
    CT: tl.constexpr = C // RP
    slice_of_v, segment, h = tl.program_id(0), begin + tl.program_id(1), tl.program_id(2)
    first = tl.load(segments + 3 * segment)
    count = tl.load(segments + 3 * segment + 1)
    chunk = tl.load(segments + 3 * segment + 2)
    hk = h // (H // G)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    own = micro_rows(row, R, RP)
    t = tl.arange(0, CQ)
    column = tl.arange(0, BK)
    value = slice_of_v * BV + tl.arange(0, BV)
    alive = (value < V)[:, None] & (column < K)[None, :]
    X = v.dtype.element_ty

    end = first + count  # what lies behind the segment reads as 0 and is not written
    keys = rows_of(write_rows, end, G, R, K, CT, RP, BK)
    values = rows_of(v, end, H, R, V, CT, RP, BV)
    if SOLVE:
        inverses = rows_of(inverse, end, H, R, C, CT, RP, C)
        lows = inverses
        if X != tl.float32:
            lows = rows_of(inverse + tokens.to(tl.int64) * H * R * C, end, H, R, C, CT, RP, C)
    if DIAGONAL:
        keys_low = keys
        if X != tl.float32:
            keys_low = rows_of(write_low, end, G, R, K, CT, RP, BK)
        if SOLVE:
            seeing = rows_of(read_rows, end, G, R, K, CT, RP, BK)
            seeing_low = seeing
            if X != tl.float32:
                seeing_low = rows_of(read_low, end, G, R, K, CT, RP, BK)
    if READ:
        queries = rows_of(q, end, G, 1, K, CQ, 1, BK)
        reading = rows_of(reads, end, H, 1, C, CQ, 1, C)
        if CQ == CT:
            outputs = rows_of(y, end, H, 1, V, CT, 1, BV)
    if SAVE:
        states = states_of(starts, all_chunks * H, V, K, BV, BK)
        if SOLVE:
            solved = rows_of(u, end, H, R, V, CT, RP, BV)

    if SUMMARY:
        unit = (value - tl.cdiv(V, BV) * BV)[:, None] == column[None, :]
        S = tl.where(unit & (slice_of_v >= tl.cdiv(V, BV)), 1.0, tl.zeros([BV, BK], tl.float32))
        fading = tl.full([BK], 1.0, tl.float32)
    else:
        S = first_state(state, ((segment * H + h).to(tl.int64) * K + column[None, :]) * V + value[:, None], alive)

    since = decay_plane(decays, 0, tokens, H, h)
    until = decay_plane(decays, 1, tokens, H, h)
    for c in tl.range(0, tl.cdiv(count, CT), num_stages=STAGES):
        at = first + c * CT
        start = at.to(tl.int64)
        left = count - c * CT
        valid = rows_inside(token, micro, left, R, FULL)
        # all tiles at once: they arrive at one barrier, while the chunk before is worked on
        k = tile_at(keys, hk, at, 0, CT, RP, BK)
        v_tile = tile_at(values, h, at, slice_of_v * BV, CT, RP, BV)
        if SOLVE:
            T = tile_at(inverses, h, at, 0, CT, RP, C)
            T_low = T
            if X != tl.float32:
                T_low = tile_at(lows, h, at, 0, CT, RP, C)
        if DIAGONAL:
            k_low = k
            if X != tl.float32:
                k_low = tile_at(keys_low, hk, at, 0, CT, RP, BK)
            if SOLVE:
                b = tile_at(seeing, hk, at, 0, CT, RP, BK)
                b_low = b
                if X != tl.float32:
                    b_low = tile_at(seeing_low, hk, at, 0, CT, RP, BK)
        if READ:
            q_tile = tile_at(queries, hk, at, 0, CQ, 1, BK)
            A = tile_at(reading, h, at, 0, CQ, 1, C)

        S_high, S_low = two_terms(S, X)
        u_t = tl.trans(v_tile).to(tl.float32)
        if SOLVE:
            if DIAGONAL:
                u_t = exact_dot_of_two(S_high, S_low, tl.trans(b), tl.trans(b_low), u_t)
            else:
                f = tl.load(factor + (h.to(tl.int64) * tokens + start) * R + own, mask=valid, other=0.0)
                u_t += f[None, :] * exact_dot(S_high, S_low, tl.trans(k), tl.zeros([BV, C], tl.float32))
        # a tile is stored beside the products that follow: the next store waits for it
        if SAVE:
            states.store([(chunk + c) * H + h, slice_of_v * BV, 0], tl.reshape(S_high, [1, BV, BK]))
        if READ:
            y_t = plain_dot(S_high, tl.trans(q_tile))
        if SOLVE:
            r_high, r_low = two_terms(u_t, X)
            u_t = exact_dot_of_two(r_high, r_low, tl.trans(T), tl.trans(T_low), tl.zeros([BV, C], tl.float32))
        u_high, u_low = two_terms(u_t, X)
        u_tile = tl.trans(u_high)
        if READ:
            read = reads_inside(t, tl.minimum(left, CT), FULL)
            if DECAY:
                y_t *= tl.load(since + start + t, mask=read, other=0.0)[None, :]
            y_t += plain_dot(u_high, tl.trans(A))
            if CQ == CT:
                store_tile(outputs, h, at, slice_of_v * BV, tl.trans(y_t.to(X)), CT, 1, BV)
            else:  # the tile has tokens of the next chunk
                to = (start * H + h) * V + (t * H * V)[:, None] + value[None, :]
                tl.store(y + to, tl.trans(y_t.to(X)), mask=read[:, None] & (value < V)[None, :])
        if DECAY:
            u_t *= tl.load(until + start + token, mask=valid, other=0.0)[None, :]
            whole = tl.load(since + start + tl.minimum(left, CT) - 1)
            S *= whole
            u_high, u_low = two_terms(u_t, X)
        if DIAGONAL:
            whole = tl.load(carry + ((chunk + c).to(tl.int64) * H + h) * K + column, mask=column < K, other=0.0)
        if SUMMARY and (DECAY or DIAGONAL):
            fading *= whole
        if DIAGONAL:
            S = exact_dot_of_two(u_high, u_low, k, k_low, S * whole[None, :])
        elif SOLVE or DECAY:
            S = exact_dot(u_high, u_low, k, S)
        else:
            S += plain_dot(u_high, k)
        if SAVE and SOLVE:
            store_tile(solved, h, at, slice_of_v * BV, u_tile, CT, RP, BV)

    if SUMMARY:
        here = ((segment - ending) * H + h).to(tl.int64)
        inside = (column < K)[None, :]
        tl.store(final + (here * V + value[:, None]) * K + column[None, :], S, mask=(value < V)[:, None] & inside)
        if SOLVE:
            row = value - tl.cdiv(V, BV) * BV
            to = products + (here * K + row[:, None]) * K + column[None, :]
            tl.store(to, S, mask=((row >= 0) & (row < K))[:, None] & inside)
        else:
            tl.store(products + here * K + column, fading, mask=(column < K) & (slice_of_v + 0 * column == 0))
    elif segment >= ending:
        place = (((segment - ending) * H + h).to(tl.int64) * K + column[None, :]) * V + value[:, None]
        tl.store(final + place, S, mask=alive)


@triton.jit(do_not_specialize=["tokens", "all_chunks", "begin", "per_piece", "from_segment", "H", "G"])
def rows_chain_bwd_kernel(
    q,
    read_rows,
    read_low,
    write_rows,
    write_low,
    carry,
    dy,
    inverse,
    reads,
    factor,
    decays,
    dfinal,
    segments,
    dr,
    ends,
    dstate,
    tokens,
    all_chunks,
    begin,
    per_piece,
    from_segment,
    H,
    G,
    R: tl.constexpr,
    RP: tl.constexpr,
    C: tl.constexpr,
    CQ: tl.constexpr,
    K: tl.constexpr,
    BK: tl.constexpr,
    FULL: tl.constexpr,
    V: tl.constexpr,
    BV: tl.constexpr,
    DECAY: tl.constexpr,
    DIAGONAL: tl.constexpr,
    SOLVE: tl.constexpr,
    SUMMARY: tl.constexpr,
    PIECES: tl.constexpr,
    STAGES: tl.constexpr,
):
    """From the last chunk to the first: du = Aᵀ dy + e' ∘ (key dS), dr = Tᵀ du, and dS of the chunk's first state.

    The segments from ``from_segment`` on. SUMMARY: dS at the segment's start where it is 0 at its end, without writing
    anything else. PIECES: only the chunks from ``begin`` on, ``per_piece`` of each segment, whose gradients of states
    lie segment by segment.
    """
    CT: tl.constexpr = C // RP
    slice_of_v, segment, h = tl.program_id(0), from_segment + tl.program_id(1), tl.program_id(2)
    first = tl.load(segments + 3 * segment)
    count = tl.load(segments + 3 * segment + 1)
    chunk = tl.load(segments + 3 * segment + 2)
    hk = h // (H // G)
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    own = micro_rows(row, R, RP)
    t = tl.arange(0, CQ)
    column = tl.arange(0, BK)
    value = slice_of_v * BV + tl.arange(0, BV)
    alive = (value < V)[:, None] & (column < K)[None, :]
    X = dy.dtype.element_ty
    place = ((segment * H + h).to(tl.int64) * K + column[None, :]) * V + value[:, None]
    if SUMMARY:
        D = tl.zeros([BV, BK], tl.float32)
    else:
        D = first_state(dfinal, place, alive)

    end = first + count  # what lies behind the segment reads as 0 and is not written
    keys = rows_of(write_rows, end, G, R, K, CT, RP, BK)
    queries = rows_of(q, end, G, 1, K, CQ, 1, BK)
    reading = rows_of(reads, end, H, 1, C, CQ, 1, C)
    outputs = rows_of(dy, end, H, 1, V, CQ, 1, BV)
    if SOLVE:
        inverses = rows_of(inverse, end, H, R, C, CT, RP, C)
        lows = inverses
        if X != tl.float32:
            lows = rows_of(inverse + tokens.to(tl.int64) * H * R * C, end, H, R, C, CT, RP, C)
    if DIAGONAL:
        keys_low = keys
        if X != tl.float32:
            keys_low = rows_of(write_low, end, G, R, K, CT, RP, BK)
        if SOLVE:
            seeing = rows_of(read_rows, end, G, R, K, CT, RP, BK)
            seeing_low = seeing
            if X != tl.float32:
                seeing_low = rows_of(read_low, end, G, R, K, CT, RP, BK)

    last = tl.minimum(tl.cdiv(count, CT), begin + per_piece)
    slot = chunk
    if PIECES:
        slot = (segment - from_segment) * per_piece - begin
    if not SUMMARY:
        states = states_of(ends, all_chunks * H, V, K, BV, BK)
        residuals = rows_of(dr, end, H, R, V, CT, RP, BV)
    since = decay_plane(decays, 0, tokens, H, h)
    until = decay_plane(decays, 1, tokens, H, h)
    for step in tl.range(0, last - begin, num_stages=STAGES):
        c = last - 1 - step
        at = first + c * CT
        start = at.to(tl.int64)
        left = count - c * CT
        valid = rows_inside(token, micro, left, R, FULL)
        read = reads_inside(t, tl.minimum(left, CT), FULL)
        k = tile_at(keys, hk, at, 0, CT, RP, BK)
        dy_tile = tile_at(outputs, h, at, slice_of_v * BV, CQ, 1, BV)
        A = tile_at(reading, h, at, 0, CQ, 1, C)
        q_tile = tile_at(queries, hk, at, 0, CQ, 1, BK)
        if SOLVE:
            T = tile_at(inverses, h, at, 0, CT, RP, C)
            T_low = T
            if X != tl.float32:
                T_low = tile_at(lows, h, at, 0, CT, RP, C)
        if DIAGONAL:
            k_low = k
            if X != tl.float32:
                k_low = tile_at(keys_low, hk, at, 0, CT, RP, BK)
            if SOLVE:
                b = tile_at(seeing, hk, at, 0, CT, RP, BK)
                b_low = b
                if X != tl.float32:
                    b_low = tile_at(seeing_low, hk, at, 0, CT, RP, BK)

        D_high, D_low = two_terms(D, X)
        if DIAGONAL:
            du_t = exact_dot_of_two(D_high, D_low, tl.trans(k), tl.trans(k_low), tl.zeros([BV, C], tl.float32))
            whole = tl.load(carry + ((chunk + c).to(tl.int64) * H + h) * K + column, mask=column < K, other=0.0)
            D *= whole[None, :]
        else:
            du_t = exact_dot(D_high, D_low, tl.trans(k), tl.zeros([BV, C], tl.float32))
        if not SUMMARY:
            states.store([(slot + c) * H + h, slice_of_v * BV, 0], tl.reshape(D_high, [1, BV, BK]))
        dy_t = tl.trans(dy_tile)
        if CQ > CT:  # the tokens of the next chunk
            dy_t = tl.where(read[None, :], dy_t, 0.0).to(X)
        dread_t = dy_t
        if DECAY:
            du_t *= tl.load(until + start + token, mask=valid, other=0.0)[None, :]
            D *= tl.load(since + start + tl.minimum(left, CT) - 1)
            dread_t = (dy_t * tl.load(since + start + t, mask=read, other=0.0)[None, :]).to(X)
        du_t += plain_dot(dy_t, A)
        D += plain_dot(dread_t, q_tile)
        if SOLVE:
            du_high, du_low = two_terms(du_t, X)
            du_t = exact_dot_of_two(du_high, du_low, T, T_low, tl.zeros([BV, C], tl.float32))
            if DIAGONAL:
                dr_high, dr_low = two_terms(du_t, X)
                D = exact_dot_of_two(dr_high, dr_low, b, b_low, D)
            else:
                f = tl.load(factor + (h.to(tl.int64) * tokens + start) * R + own, mask=valid, other=0.0)
                dr_high, dr_low = two_terms(du_t * f[None, :], X)
                D = exact_dot(dr_high, dr_low, k, D)
        if not SUMMARY:
            store_tile(residuals, h, at, slice_of_v * BV, tl.trans(du_t.to(X)), CT, RP, BV)

    if SUMMARY:
        place = ((segment * H + h).to(tl.int64) * V + value[:, None]) * K + column[None, :]
    tl.store(dstate + place, D, mask=alive)


@triton.jit
def first_state(state, place, alive):
    """What is there, or 0 where nothing is."""
    S = tl.zeros(place.shape, tl.float32)
    if state is not None:
        S = tl.load(state + place, mask=alive, other=0.0)
    return S


@triton.jit(do_not_specialize=["begin", "count", "skipped", "words", "H"])
def rows_combine_kernel(
    writes,
    products,
    state,
    states,
    begin,
    count,
    skipped,
    words,
    H,
    K: tl.constexpr,
    BK: tl.constexpr,
    V: tl.constexpr,
    BV: tl.constexpr,
    SOLVE: tl.constexpr,
    REVERSE: tl.constexpr,
    EARLY: tl.constexpr,
):
    """The states before the segments of a word (in REVERSE, after them), from ``begin`` on, over so many of them, one
    after the other.

    ``writes`` [segments, H, V, K] are transposed, and where a system is solved so are the products of the transitions,
    ``products`` [segments, H, K, K]; else [segments, H, 1, K] have what multiplies each state row. Both begin behind
    the segments ``skipped``.
    """
    if EARLY:
        begin_early()
    slice_of_v, word, h = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    column = tl.arange(0, BK)
    value = slice_of_v * BV + tl.arange(0, BV)
    alive = (value < V)[:, None] & (column < K)[None, :]
    of_state = column[None, :] * V + value[:, None]
    S = first_state(state, (word * H + h).to(tl.int64) * K * V + of_state, alive)
    for step in range(0, count):
        place = begin + step
        if REVERSE:
            place = begin - step
        segment = place * words + word
        tl.store(states + (segment * H + h).to(tl.int64) * K * V + of_state, S, mask=alive)
        here = ((segment - skipped) * H + h).to(tl.int64)
        if SOLVE:
            i = tl.arange(0, BK)
            inside = (i < K)[:, None] & (column < K)[None, :]
            M = tl.load(products + (here * K + i[:, None]) * K + column[None, :], mask=inside, other=0.0)
            if REVERSE:
                M = tl.trans(M)
            S = tl.dot(S, M, input_precision="tf32x3")
        else:
            S *= tl.load(products + here * K + column, mask=column < K, other=0.0)[None, :]
        S += tl.load(writes + (here * V + value[:, None]) * K + column[None, :], mask=alive, other=0.0)
    end = begin + count
    if REVERSE:
        end = begin - count
    tl.store(states + ((end * words + word) * H + h).to(tl.int64) * K * V + of_state, S, mask=alive)


@triton.jit(do_not_specialize=["count"])
def rows_copy_kernel(x, to, count, SIZE: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    tl.store(to + place, tl.load(x + place, mask=place < count), mask=place < count)
