"""The gradients inside each chunk, for all chunks at the same time: those of queries, of keys, of decays.

A program takes one chunk and one group of heads after the other, and of each head one slice of the state's columns
after the other, so that the next tiles arrive while it computes. What it needs of the rest of the word are the state
before the chunk and the gradient of the state after it. For a decay per state row (DIAGONAL) the gradients of the rows
that carry their decays are handed on as they are.

Words of ``length`` tokens are cut every ``run`` tokens. Of each of these, ``per_piece`` chunks are here: of the first
of each of the ``words``, from its token ``begin`` on, then of the second of each, and so on. If the states before them
are ``repeated`` they lie in this order, too. Chunks of PACKED words are in a table. HEADS heads share a key.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.early_kernels import begin_early
from lrnn.backends.triton.rows_kernels import (
    decay_plane,
    exp_of_difference,
    log_decays,
    plain_dot,
    reads_inside,
    rows_inside,
    rows_of,
    states_of,
    tile_at,
)

INTEGERS = [
    "tokens", "words", "length", "run", "begin", "per_piece", "num_chunks", "repeated", "all_chunks", "H", "G",
]  # fmt: skip
"""Taken as they come by both kernels, and by that for Hopper; see :class:`lrnn.backends.triton.launch.Launch`."""


@triton.jit
def _place(chunks, chunk, words, length, run, begin, per_piece, repeated, CT: tl.constexpr, PACKED: tl.constexpr):
    """First token, tokens and number among the states before chunks, of a chunk of this piece."""
    if PACKED:
        at = tl.load(chunks + 2 * chunk)
        left = tl.load(chunks + 2 * chunk + 1)
        slot = chunk
    else:
        word = chunk // per_piece % words
        within = begin + chunk // per_piece // words * run + chunk % per_piece * CT
        at = word * length + within
        left = tl.minimum(length - within, CT)
        slot = word * tl.cdiv(length, CT) + within // CT
        if repeated != 0:
            slot = chunk
    return at, left, slot


@triton.jit
def _state_tile(states, slot, H, h, s, BV: tl.constexpr, BK: tl.constexpr):
    """Columns of a state, transposed ``[BV, BK]``."""
    return tl.reshape(states.load([slot * H + h, s * BV, 0]), [BV, BK])


@triton.jit(do_not_specialize=INTEGERS)
def rows_queries_bwd_kernel(
    q,
    key,
    beta,
    decays,
    u,
    dy,
    starts,
    chunks,
    dq,
    d_reads,
    crossing,
    tokens,
    words,
    length,
    run,
    begin,
    per_piece,
    num_chunks,
    repeated,
    all_chunks,
    H,
    G,
    HEADS: tl.constexpr,
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
    WEIGH: tl.constexpr,
    PACKED: tl.constexpr,
    STAGES: tl.constexpr,
):
    """dq = (e ∘ dy) Sᵀ + dA key, with dA = dy uᵀ ∘ exp(g_t - g_j); DIAGONAL: that of query_rows, and d_reads = dA.

    WEIGH: u is what is written but for a number of each row, beta.
    DECAY: ``crossing`` is q·((e ∘ dy) Sᵀ), what leads from the chunk's first state to each read.

    Everything is transposed, so that reads, of which a chunk may have few, are columns.
    """
    CT: tl.constexpr = C // RP
    NV: tl.constexpr = (V + BV - 1) // BV
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    t = tl.arange(0, CQ)
    column = tl.arange(0, BK)
    X = q.dtype.element_ty

    keys_of = rows_of(key, tokens, G, R, K, CT, RP, BK)
    solved_of = rows_of(u, tokens, H, R, V, CT, RP, BV)
    outputs_of = rows_of(dy, tokens, H, 1, V, CQ, 1, BV)
    starts_of = states_of(starts, all_chunks * H, V, K, BV, BK)
    if DECAY:
        queries_of = rows_of(q, tokens, G, 1, K, CQ, 1, BK)

    dq_t = tl.zeros([BK, CQ], tl.float32)
    dA_t = tl.zeros([C, CQ], tl.float32)
    dq_of_h = tl.zeros([BK, CQ], tl.float32)
    pid, programs = tl.program_id(0), tl.num_programs(0)
    mine = (num_chunks * G - pid + programs - 1) // programs
    for step in tl.range(0, mine * HEADS * NV, num_stages=STAGES):
        item = pid + step // (HEADS * NV) * programs
        g = item % G
        h = g * HEADS + step // NV % HEADS
        s = step % NV
        at, left, slot = _place(chunks, item // G, words, length, run, begin, per_piece, repeated, CT, PACKED)
        start = at.to(tl.int64)
        valid = rows_inside(token, micro, left, R, FULL)
        read = reads_inside(t, left, FULL)
        rows = tile_at(solved_of, h, at, s * BV, CT, RP, BV)
        dy_t = tl.trans(tile_at(outputs_of, h, at, s * BV, CQ, 1, BV))
        S = _state_tile(starts_of, slot, H, h, s, BV, BK)

        fresh = s == 0
        dA_t = tl.where(fresh, 0.0, dA_t)
        dA_t += plain_dot(rows, dy_t)
        dq_of_s = plain_dot(tl.trans(S), dy_t)
        if DECAY:
            dq_of_s *= tl.load(decay_plane(decays, 0, tokens, H, h) + start + t, mask=read, other=0.0)[None, :]
        dq_of_h = tl.where(fresh, dq_of_s, dq_of_h + dq_of_s)  # no accumulator, as in dN below

        if DECAY:  # loaded in every round, so that it comes in ahead
            g_read, g_low, g_row, g_row_low = log_decays(decays, start, token, t, tokens, H, h, valid, read, X, WEIGH)
        if s == NV - 1:
            dq_t = tl.where(step // NV % HEADS == 0, 0.0, dq_t) + dq_of_h
            if DIAGONAL:
                read_at = ((start + t) * H + h)[None, :] * C + row[:, None]
                tl.store(d_reads + read_at, dA_t, mask=read[None, :])
            else:
                sees = (t[None, :] >= token[:, None]) & read[None, :] & valid[:, None]
                weighted = dA_t
                if DECAY:
                    weighted *= exp_of_difference(-g_row, -g_row_low, -g_read, -g_low, X)
                    from_start = tl.sum(tl.trans(tile_at(queries_of, g, at, 0, CQ, 1, BK)) * dq_of_h, axis=0)
                    tl.store(crossing + (start + t) * H + h, from_start, mask=read)
                if WEIGH:
                    weighted *= tl.load(beta + (start + token) * H + h, mask=valid, other=0.0).to(tl.float32)[:, None]
                weighted = tl.where(sees, weighted, 0.0)
                dq_t += plain_dot(tl.trans(tile_at(keys_of, g, at, 0, CT, RP, BK)), weighted.to(X))
            if step // NV % HEADS == HEADS - 1:
                to = ((start + t) * G + g)[:, None] * K + column[None, :]
                tl.store(dq + to, tl.trans(dq_t).to(dq.dtype.element_ty), mask=read[:, None] & (column < K)[None, :])


@triton.jit(do_not_specialize=INTEGERS)
def rows_keys_bwd_kernel(
    q,
    key,
    beta,
    decays,
    u,
    dr,
    dy,
    starts,
    ends,
    chunks,
    dkey,
    dbeta,
    dlog_decay,
    d_read_rows,
    d_system,
    d_carry,
    tokens,
    words,
    length,
    run,
    begin,
    per_piece,
    num_chunks,
    repeated,
    all_chunks,
    H,
    G,
    HEADS: tl.constexpr,
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
    NORMALIZE: tl.constexpr,
    WEIGH: tl.constexpr,
    PACKED: tl.constexpr,
    STAGES: tl.constexpr,
):
    """dkey = (e' ∘ u) dSᵀ + (f ∘ dr) Sᵀ + dAᵀ q + (dN + dNᵀ) key, with dN = -dr uᵀ ∘ beta exp(g_i - g_j) below the
    diagonal, and dbeta. DIAGONAL: the gradients of write_rows, read_rows, carry, and d_system = dr uᵀ.

    DECAY: the gradient of the log decay of step t is all that leads across it: of the reads and rows from t on, what
    they see of the chunk's first state; of the rows before t, what they leave in its last; of both, what leads from one
    to the other; and what the first state leaves in the last. Nothing is found as a difference, so that it is right
    relative to its own size. ``dlog_decay`` comes in as what :func:`rows_queries_bwd_kernel` found of the reads.

    WEIGH: u is what is written but for a number of each row, beta, and dbeta is what such a row leads to.
    """
    CT: tl.constexpr = C // RP
    NV: tl.constexpr = (V + BV - 1) // BV
    row = tl.arange(0, C)
    token, micro = row // RP, row % RP
    t = tl.arange(0, CQ)
    column = tl.arange(0, BK)
    X = q.dtype.element_ty
    # of sums in which small numbers must not vanish; and with several rows of a token the assembler of CUDA 12.8, short
    # of registers, would read the operand in bfloat16 from where it is not
    Y = tl.float32 if X == tl.float16 or RP > 1 else X

    solved_of = rows_of(u, tokens, H, R, V, CT, RP, BV)
    ends_of = states_of(ends, num_chunks * H, V, K, BV, BK)
    if not DIAGONAL:
        queries_of = rows_of(q, tokens, G, 1, K, CQ, 1, BK)
        keys_of = rows_of(key, tokens, G, R, K, CT, RP, BK)
        outputs_of = rows_of(dy, tokens, H, 1, V, CQ, 1, BV)
    if SOLVE or DIAGONAL or DECAY:
        starts_of = states_of(starts, all_chunks * H, V, K, BV, BK)
    if SOLVE:
        residuals_of = rows_of(dr, tokens, H, R, V, CT, RP, BV)

    dk_sum = tl.zeros([C, BK], tl.float32)
    dp_sum = tl.zeros([C, BK], tl.float32)
    dA_t = tl.zeros([C, CQ], tl.float32)
    dN = tl.zeros([C, C], tl.float32)
    carried = tl.zeros([BV if DECAY else BK], tl.float32)
    seen = tl.zeros([C], tl.float32)
    ending = tl.zeros([C], tl.float32)
    pid, programs = tl.program_id(0), tl.num_programs(0)
    mine = (num_chunks * G - pid + programs - 1) // programs
    for step in tl.range(0, mine * HEADS * NV, num_stages=STAGES):
        item = pid + step // (HEADS * NV) * programs
        chunk, g = item // G, item % G
        h = g * HEADS + step // NV % HEADS
        s = step % NV
        at, left, slot = _place(chunks, chunk, words, length, run, begin, per_piece, repeated, CT, PACKED)
        start = at.to(tl.int64)
        valid = rows_inside(token, micro, left, R, FULL)
        read = reads_inside(t, left, FULL)
        rows = tile_at(solved_of, h, at, s * BV, CT, RP, BV)
        D = _state_tile(ends_of, chunk, H, h, s, BV, BK)
        if SOLVE or DIAGONAL or DECAY:
            S = _state_tile(starts_of, slot, H, h, s, BV, BK)
        fresh = s == 0
        if not DIAGONAL:
            k = tile_at(keys_of, g, at, 0, CT, RP, BK)
            dA_t += plain_dot(rows, tl.trans(tile_at(outputs_of, h, at, s * BV, CQ, 1, BV)))
        if DECAY:
            e_row = tl.load(decay_plane(decays, 3 if WEIGH else 1, tokens, H, h) + start + token, mask=valid, other=0.0)
            ending = tl.where(fresh, 0.0, ending)
            ending += tl.sum(tl.where(valid[:, None], rows, 0.0) * plain_dot(k, tl.trans(D)), axis=1) * e_row
            own = tl.arange(0, BV)[:, None] == tl.arange(0, BV)[None, :]
            carried = tl.where(fresh, 0.0, carried)
            carried += tl.sum(tl.where(own, plain_dot(S, tl.trans(D)), 0.0), axis=1)
            if WEIGH:
                weight = tl.load(beta + (start + token) * H + h, mask=valid, other=0.0).to(tl.float32)
                e_row *= weight
            dk_sum += plain_dot(tl.where(valid[:, None], rows * e_row[:, None], 0.0).to(X), D)
        else:
            dk_sum += plain_dot(rows, D)
        if SOLVE:
            drs = tile_at(residuals_of, h, at, s * BV, CT, RP, BV)
            outer = plain_dot(drs, tl.trans(rows))
            dN += outer
            if DIAGONAL:
                dps = plain_dot(drs, S)
                dp_sum = tl.where(fresh, dps, dp_sum + dps)
            else:
                beta_at = beta + ((start + token) * H + h) * R + micro
                strength = -tl.load(beta_at, mask=valid, other=0.0).to(tl.float32)
                if NORMALIZE:
                    square = tl.sum(k.to(tl.float32) * k.to(tl.float32), axis=1)
                    square = tl.where(square > 0, square, float("inf"))
                    strength = strength / square
                reaching = tl.where(valid[:, None], drs, 0.0).to(tl.float32)
                reached = tl.sum(reaching * plain_dot(k, tl.trans(S)), axis=1)
                weight = strength
                if DECAY:
                    to_row = tl.load(decay_plane(decays, 0, tokens, H, h) + start + token, mask=valid, other=0.0)
                    reached *= to_row
                    weight *= to_row
                seen = tl.where(fresh, 0.0, seen) + reached
                dk_sum += plain_dot((reaching * weight[:, None]).to(X), S)
        if DIAGONAL:
            carried = tl.where(fresh, 0.0, carried)
            carried += tl.sum(S.to(tl.float32) * D.to(tl.float32), axis=0)

        if DECAY:  # loaded in every round, so that it comes in ahead
            g_read, g_low, g_row, g_row_low = log_decays(decays, start, token, t, tokens, H, h, valid, read, X, WEIGH)
            at_reads = tl.load(dlog_decay + (start + t) * H + h, mask=read, other=0.0)
        if s == NV - 1:
            if DIAGONAL:
                tl.store(d_carry + (slot.to(tl.int64) * H + h) * K + column, carried, mask=column < K)
                if SOLVE:
                    own = (((start + token) * H + h) * R + micro)[:, None]
                    tl.store(d_system + own * C + row[None, :], dN, mask=valid[:, None])
                    inside = valid[:, None] & (column < K)[None, :]
                    tl.store(d_read_rows + own * K + column[None, :], dp_sum, mask=inside)
            else:
                sees = (t[None, :] >= token[:, None]) & read[None, :] & valid[:, None]
                weighted = dA_t
                queries = tile_at(queries_of, g, at, 0, CQ, 1, BK)
                again = k
                if RP > 1:  # Triton 3.6 would read k where the next one is already coming in
                    again = tile_at(keys_of, g, at, 0, CT, RP, BK)
                if DECAY:
                    weighted *= exp_of_difference(-g_row, -g_row_low, -g_read, -g_low, X)
                weighted = tl.where(sees, weighted, 0.0)
                if DECAY:
                    pairs = weighted * plain_dot(again, tl.trans(queries))
                if WEIGH:
                    tl.store(dbeta + (start + token) * H + h, tl.sum(pairs, axis=1) + ending, mask=valid)
                    pairs *= weight[:, None]
                    weighted *= weight[:, None]
                if DECAY:
                    late = (t[:, None] >= t[None, :]).to(Y)
                    left_behind = plain_dot(pairs.to(Y), late)
                    left_behind += (ending * weight if WEIGH else ending)[:, None]
                    crossing = tl.where(token[:, None] < t[None, :], left_behind, 0.0)
                dk_sum += plain_dot(weighted.to(X), queries)
                if SOLVE:
                    lower = (row[:, None] > row[None, :]) & valid[:, None] & valid[None, :]
                    system = dN
                    if DECAY:
                        system *= exp_of_difference(g_row, g_row_low, g_row, g_row_low, X)
                    system = tl.where(lower, system, 0.0)
                    pairs = system * plain_dot(again, tl.trans(again))
                    d_strength = seen + tl.sum(pairs, axis=1)
                    if DECAY:
                        early = (token[:, None] < t[None, :]).to(Y)
                        taken_up = (plain_dot(pairs.to(Y), early) + seen[:, None]) * strength[:, None]
                        crossing = tl.where(token[:, None] < t[None, :], crossing, taken_up)
                    system *= strength[:, None]
                    dk_sum += plain_dot((system + tl.trans(system)).to(X), again)
                    if NORMALIZE:
                        d_strength /= square
                        dk_sum -= (2 * d_strength * strength)[:, None] * k
                    tl.store(dbeta + ((start + token) * H + h) * R + micro, -d_strength, mask=valid)
                if DECAY:
                    dg = tl.sum(crossing, axis=0) + tl.cumsum(at_reads, 0, reverse=True)
                    dg += tl.load(decay_plane(decays, 0, tokens, H, h) + start + left - 1) * tl.sum(carried)
                    tl.store(dlog_decay + (start + t) * H + h, dg, mask=read)
            if step // NV % HEADS == HEADS - 1:
                to = (((start + token) * G + g) * R + micro)[:, None] * K + column[None, :]
                tl.store(dkey + to, dk_sum.to(dkey.dtype.element_ty), mask=valid[:, None] & (column < K)[None, :])
        dk_sum = tl.where((s == NV - 1) & (step // NV % HEADS == HEADS - 1), 0.0, dk_sum)
        dA_t = tl.where(s == NV - 1, 0.0, dA_t)
        dN = tl.where(s == NV - 1, 0.0, dN)


@triton.jit(do_not_specialize=["tokens", "words", "length", "run", "begin", "size", "G"])
def rows_add_kernel(
    dq_parts,
    dkey_parts,
    dq,
    dkey,
    tokens,
    words,
    length,
    run,
    begin,
    size,
    G,
    PARTS: tl.constexpr,
    TOKENS: tl.constexpr,
    R: tl.constexpr,
    K: tl.constexpr,
    EARLY: tl.constexpr,
):
    """The gradients of queries and keys that heads share, ``[tokens, G · PARTS, 1 or R, K]`` of a piece, chunk by
    chunk: their sums over PARTS go where the piece is. K is a power of 2."""
    if EARLY:
        begin_early()
    n, g = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.program_id(1)
    there = (n < tokens)[:, None]
    at = n // size % words * length + n // size // words * run + begin + n % size
    begins, ends = n.to(tl.int64) * G + g, at.to(tl.int64) * G + g
    _add_parts(dq_parts, dq, begins, ends, there, PARTS, 1, K)
    _add_parts(dkey_parts, dkey, begins, ends, there, PARTS, R, K)


@triton.jit
def _add_parts(parts, to, begins, ends, there, PARTS: tl.constexpr, R: tl.constexpr, K: tl.constexpr):
    k = tl.arange(0, K)[None, :]
    for r in tl.static_range(R):
        found = tl.zeros([begins.shape[0], K], tl.float32)
        for part in tl.static_range(PARTS):
            row = (begins * PARTS + part) * R + r
            found += tl.load(parts + row[:, None] * K + k, mask=there, other=0.0).to(tl.float32)
        tl.store(to + ((ends * R + r) * K)[:, None] + k, found.to(to.dtype.element_ty), mask=there)
