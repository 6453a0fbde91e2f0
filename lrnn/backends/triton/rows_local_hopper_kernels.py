"""The gradients inside each chunk, those of :mod:`rows_local_kernels`, in one kernel for Hopper, in Gluon.

A program takes one chunk of one head after the other; where heads share keys, HEADS of them one after the other, whose
gradients of keys and queries it adds. One group of warps finds the gradient of the keys, one that of
the queries, and a warp fetches: the state before the chunk, the gradient of the one after it, and the rows, a slice of
their columns at a time. Each tile is read from memory once. What reads see of the rows, which both groups need, the
second hands to the first; with decays also its share of their gradient. Where no system is solved there is room to
hand it over as two numbers.

For inputs of 16 bits, decays that are one number per head (bfloat16) or none, chunks that have all their tokens, and
heads that have keys of their own or solve no system. Equations and shapes are those of the Triton kernels.
"""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from lrnn.backends.triton.hopper_kernels import (
    begin_early,
    decay_plane,
    exp_of_difference,
    fetch_tile,
    hand_out,
    load_of_rows,
    not_zero,
    operand,
    room_for,
    rows_of,
    store_of_rows,
    two_terms,
    wait_for_warps,
)
from lrnn.backends.triton.rows_local_kernels import INTEGERS


@gluon.jit
def place_of(n, first_item, programs, chunks, where, H, CT: gl.constexpr, HEADS: gl.constexpr, PACKED: gl.constexpr):
    """Of what a program takes as the n-th: head, first token, and number of the chunk in the piece and of its state."""
    words, length, run, begin, per_piece, repeated = where
    item = first_item + n // HEADS * programs
    chunk, h = item // (H // HEADS), item % (H // HEADS) * HEADS + n % HEADS
    if PACKED:
        return h, gl.load(chunks + 2 * chunk), chunk, chunk
    nth = chunk // per_piece
    at = nth % words * length + begin + nth // words * run + chunk % per_piece * CT
    slot = at // CT
    if repeated != 0:
        slot = chunk
    return h, at, chunk, slot


@gluon.jit
def fetch(
    rooms,
    tiles,
    barriers,
    places,
    BYTES: gl.constexpr,
    BYTES_OF_KEYS: gl.constexpr,
    C: gl.constexpr,
    RP: gl.constexpr,
    NV: gl.constexpr,
    BV: gl.constexpr,
    STAGES: gl.constexpr,
    HEADS: gl.constexpr,
    PACKED: gl.constexpr,
    SOLVE: gl.constexpr,
):
    keys, queries, solved, residuals, outputs, starts, ends = tiles
    k_s, q_s, u_s, r_s, y_s, S_s, D_s = rooms
    full, empty, full_keys, empty_keys = barriers
    items, first_item, programs, chunks, where, H, shares = places
    CT: gl.constexpr = C // RP
    for n in range(items):
        h, at, chunk, slot = place_of(n, first_item, programs, chunks, where, H, CT, HEADS, PACKED)
        for s in gl.static_range(NV):
            i = (n * NV + s) % STAGES
            mbarrier.wait(empty.index(i), (((n * NV + s) // STAGES) & 1) ^ 1)
            mbarrier.expect(full.index(i), BYTES)
            fetch_tile(solved, [h, at, 0, s * BV], full.index(i), u_s.index(i))
            fetch_tile(outputs, [h, at, 0, s * BV], full.index(i), y_s.index(i))
            fetch_tile(starts, [slot * H + h, s * BV, 0], full.index(i), S_s.index(i))
            fetch_tile(ends, [chunk * H + h, s * BV, 0], full.index(i), D_s.index(i))
            if SOLVE:
                fetch_tile(residuals, [h, at, 0, s * BV], full.index(i), r_s.index(i))
        if n % HEADS == 0:
            mbarrier.wait(empty_keys.index(0), (n // HEADS & 1) ^ 1)
            mbarrier.expect(full_keys.index(0), BYTES_OF_KEYS)
            fetch_tile(keys, [h // shares, at, 0, 0], full_keys.index(0), k_s.index(0))
            fetch_tile(queries, [h // shares, at, 0, 0], full_keys.index(0), q_s.index(0))


@gluon.jit
def gradients_of_keys(
    rooms,
    own_rooms,
    barriers,
    shared,
    places,
    dkeys,
    beta,
    decays,
    dbeta,
    dlog_decay,
    tokens,
    R: gl.constexpr,
    RP: gl.constexpr,
    C: gl.constexpr,
    K: gl.constexpr,
    NV: gl.constexpr,
    BV: gl.constexpr,
    STAGES: gl.constexpr,
    DECAY: gl.constexpr,
    SOLVE: gl.constexpr,
    NORMALIZE: gl.constexpr,
    WEIGH: gl.constexpr,
    DELTA: gl.constexpr,
    HEADS: gl.constexpr,
    APART: gl.constexpr,
    PACKED: gl.constexpr,
):
    k_s, q_s, u_s, r_s, _y_s, S_s, D_s = rooms
    dk_s, system_s, early_s, sums_s = own_rooms
    full, empty, full_keys, empty_keys = barriers
    weights_s, weights_low_s, share_s, of_strength_s, weights_ready, share_ready, taken = shared
    items, first_item, programs, chunks, where, H, _shares = places
    X: gl.constexpr = k_s.dtype
    CT: gl.constexpr = C // RP
    MK: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, K, 16])
    MC: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, C, 16])
    MT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, CT, 16])
    OF_K: gl.constexpr = gl.SliceLayout(1, MK)
    OF_C: gl.constexpr = gl.SliceLayout(1, MC)
    OF_T: gl.constexpr = gl.SliceLayout(1, MT)
    row = gl.arange(0, C, layout=OF_K)
    row_c = gl.arange(0, C, layout=OF_C)
    column_c = gl.arange(0, C, layout=gl.SliceLayout(0, MC))
    lower = row_c[:, None] > column_c[None, :]
    t = gl.arange(0, CT, layout=gl.SliceLayout(0, MT))
    crosses = (gl.arange(0, C, layout=OF_T) // RP)[:, None] < t[None, :]
    total = gl.zeros([C, K], gl.float32, MK)
    if DECAY and SOLVE:
        early_s.store(gl.where(crosses, 1.0, 0.0).to(X))
        fence_async_shared()
        wait_for_warps()
    for n in range(items):
        h, at, chunk, _slot = place_of(n, first_item, programs, chunks, where, H, CT, HEADS, PACKED)
        at_rows = ((at.to(gl.int64) + row // RP) * H + h) * R + row % RP
        if SOLVE:
            strength = -load_of_rows(beta + at_rows, row, R, RP).to(gl.float32)
        if DELTA:  # rows and what leads to them carry it already, so its gradient is divided by it twice
            twice = not_zero(-strength) * not_zero(-strength)
            strength = gl.full([C], -1.0, gl.float32, OF_K)
        if DECAY:
            since = decay_plane(decays, 0, tokens, H, h) + at
            until = decay_plane(decays, 3 if WEIGH else 1, tokens, H, h) + at
            sums = decay_plane(decays, 2, tokens, H, h) + at
            to_rows, to_end = gl.load(since + row // RP), gl.load(until + row // RP)
            g_row = gl.load(sums + row_c // RP)
            if WEIGH:
                weight = gl.load(beta + at_rows).to(gl.float32)

        left = gl.zeros([C, K], gl.float32, MK)
        met = gl.zeros([C, K], gl.float32, MK)
        outer = gl.zeros([C, C], gl.float32, MC)
        for s in gl.static_range(NV):
            i = (n * NV + s) % STAGES
            mbarrier.wait(full.index(i), ((n * NV + s) // STAGES) & 1)
            u, D, S = u_s.index(i).reshape([C, BV]), D_s.index(i).reshape([BV, K]), S_s.index(i).reshape([BV, K])
            left = warpgroup_mma(u, D, left, use_acc=s > 0, is_async=True)
            if SOLVE:
                r = r_s.index(i).reshape([C, BV])
                outer = warpgroup_mma(r, u.permute((1, 0)), outer, use_acc=s > 0, is_async=True)
                met = warpgroup_mma(r, S, met, use_acc=s > 0, is_async=True)
                left, outer, met = warpgroup_mma_wait(0, [left, outer, met])
            else:
                left = warpgroup_mma_wait(0, [left])
            wait_for_warps()
            mbarrier.arrive(empty.index(i))

        mbarrier.wait(full_keys.index(0), n // HEADS & 1)
        k, q = k_s.index(0).reshape([C, K]), q_s.index(0).reshape([CT, K])
        if SOLVE and NORMALIZE:
            square = gl.sum(k.load(MK).to(gl.float32) * k.load(MK).to(gl.float32), axis=1)
            square = gl.where(square > 0, square, float("inf"))
            strength = strength / square
        if DECAY:
            sums_s.store(g_row)  # for the columns: as long as it takes, they would need a register each
            wait_for_warps()
            ending = gl.sum(k.load(MK).to(gl.float32) * left, axis=1) * to_end
            if WEIGH:
                of_strength, ending, to_end = ending, ending * weight, to_end * weight
            left = left * to_end[:, None]
        if HEADS > 1:
            left = total + left
        if SOLVE:
            if DECAY:
                seen = gl.sum(k.load(MK).to(gl.float32) * met, axis=1) * to_rows
                left = left + met * (strength * to_rows)[:, None]
            if DELTA:
                of_strength = gl.sum(gl.where(row_c[:, None] == column_c[None, :], outer, 0.0), axis=1)
                of_strength = gl.convert_layout(of_strength, OF_K) / twice
            if DECAY:
                outer = outer * exp_of_difference(g_row[:, None], sums_s.load(gl.SliceLayout(0, MC))[None, :])
            system = gl.where(lower, outer, 0.0)
            system_s.store((system * gl.convert_layout(strength, OF_C)[:, None]).to(X))
            fence_async_shared()
            wait_for_warps()
            if DECAY:
                pairs = warpgroup_mma(
                    k, k.permute((1, 0)), gl.zeros([C, C], gl.float32, MC), use_acc=False, is_async=True
                )
                left = warpgroup_mma(system_s, k, left, is_async=True)
                left = warpgroup_mma(system_s.permute((1, 0)), k, left, is_async=True)
                pairs = system * warpgroup_mma_wait(2, [pairs])
                if not DELTA:
                    of_strength = -seen - gl.convert_layout(gl.sum(pairs, axis=1), OF_K)
                if NORMALIZE:
                    of_strength = of_strength / square
                store_of_rows(dbeta + at_rows, of_strength, row, R, RP)
                crossing = warpgroup_mma(
                    operand(pairs.to(X), CT), early_s, gl.zeros([C, CT], gl.float32, MT), use_acc=False, is_async=True
                )
            else:
                met = warpgroup_mma(operand(system.to(X), K), k, met, is_async=True)
                left = warpgroup_mma(system_s.permute((1, 0)), k, left, is_async=True)
                met = warpgroup_mma_wait(1, [met])
                if not DELTA:
                    of_strength = -gl.sum(k.load(MK).to(gl.float32) * met, axis=1)
                if NORMALIZE:
                    of_strength = of_strength / square
                store_of_rows(dbeta + at_rows, of_strength, row, R, RP)
                met = met * strength[:, None]
        mbarrier.wait(weights_ready.index(0), n & 1)
        if DECAY and not SOLVE:
            left = warpgroup_mma(weights_low_s, q, left, is_async=True)
        dk = warpgroup_mma(weights_s, q, left, is_async=True)
        if DECAY:
            behind = gl.convert_layout(ending, OF_T)[:, None]
            if SOLVE:
                crossing = warpgroup_mma_wait(1, [crossing])
                ahead = crossing + gl.convert_layout(seen, OF_T)[:, None]
                share = gl.where(crosses, behind, ahead * gl.convert_layout(strength, OF_T)[:, None])
            else:
                share = gl.where(crosses, behind, 0.0)
            share = gl.sum(share, axis=0)
            mbarrier.wait(share_ready.index(0), n & 1)
            share = share + share_s.load(gl.SliceLayout(0, MT))
            gl.store(dlog_decay + (at.to(gl.int64) + t) * H + h, share)
            if WEIGH:
                gl.store(dbeta + at_rows, of_strength + of_strength_s.load(OF_K))
        dk = warpgroup_mma_wait(0, [dk])
        if SOLVE and not DECAY:
            dk = dk + met
        if SOLVE and NORMALIZE:
            dk = dk + k.load(MK).to(gl.float32) * (2 * of_strength * strength)[:, None]
        total = dk
        tma.store_wait(0)
        wait_for_warps()
        if (n + 1) % HEADS == 0:
            if APART:
                to = ((chunk.to(gl.int64) * CT + row // RP) * (H // HEADS) + h // HEADS) * R + row % RP
                column = gl.arange(0, K, layout=gl.SliceLayout(0, MK))
                there = (row % RP < R)[:, None]
                gl.store(dkeys + to[:, None] * K + column[None, :], total, mask=there)
            else:
                hand_out(total.to(X), dk_s.reshape([C, K]), dk_s, dkeys, [h // HEADS, at, 0, 0])
            if HEADS > 1:
                total = gl.zeros([C, K], gl.float32, MK)
            mbarrier.arrive(empty_keys.index(0))
        mbarrier.arrive(taken.index(0))
    tma.store_wait(0)


@gluon.jit
def gradients_of_queries(
    rooms,
    own_rooms,
    barriers,
    shared,
    places,
    dqueries,
    beta,
    decays,
    tokens,
    RP: gl.constexpr,
    C: gl.constexpr,
    K: gl.constexpr,
    NV: gl.constexpr,
    BV: gl.constexpr,
    STAGES: gl.constexpr,
    DECAY: gl.constexpr,
    SOLVE: gl.constexpr,
    WEIGH: gl.constexpr,
    HEADS: gl.constexpr,
    APART: gl.constexpr,
    PACKED: gl.constexpr,
):
    k_s, q_s, u_s, _r_s, y_s, S_s, D_s = rooms
    dq_s, late_s, reads_s, since_s, sums_s = own_rooms
    full, empty, full_keys, empty_keys = barriers
    weights_s, weights_low_s, share_s, of_strength_s, weights_ready, share_ready, taken = shared
    items, first_item, programs, chunks, where, H, _shares = places
    X: gl.constexpr = k_s.dtype
    EXACT: gl.constexpr = DECAY and not SOLVE
    CT: gl.constexpr = C // RP
    MT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, CT, 16])
    MV: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, BV, 16])
    OF_T: gl.constexpr = gl.SliceLayout(1, MT)
    OF_READ: gl.constexpr = gl.SliceLayout(0, MT)
    row = gl.arange(0, C, layout=OF_T)
    read = gl.arange(0, CT, layout=OF_T)
    t = gl.arange(0, CT, layout=OF_READ)
    sees = t[None, :] >= (row // RP)[:, None]
    crosses = (row // RP)[:, None] < t[None, :]
    behind = row[:, None] >= t[None, :]
    total = gl.zeros([K, CT], gl.float32, MT)
    value = gl.arange(0, BV, layout=gl.SliceLayout(1, MV))
    own = value[:, None] == gl.arange(0, BV, layout=gl.SliceLayout(0, MV))[None, :]
    if DECAY:
        late = read[:, None] >= t[None, :]
        late_s.store(gl.where(late, 1.0, 0.0).to(X))
        reads_s.store(gl.zeros([C], gl.float32, OF_T))  # behind its first CT numbers it stays 0
        fence_async_shared()
        wait_for_warps()
    for n in range(items):
        h, at, chunk, _slot = place_of(n, first_item, programs, chunks, where, H, CT, HEADS, PACKED)
        if DECAY:
            since = decay_plane(decays, 0, tokens, H, h) + at
            sums = decay_plane(decays, 2, tokens, H, h) + at
            whole, g_row = gl.load(since + CT - 1), gl.load(sums + row // RP)
            since_read, sums_read = gl.load(since + read), gl.load(sums + read)
            carried = gl.zeros([BV, BV], gl.float32, MV)
        if WEIGH:
            weight = gl.load(beta + (at.to(gl.int64) + row) * H + h).to(gl.float32)

        dq = gl.zeros([K, CT], gl.float32, MT)
        weights = gl.zeros([C, CT], gl.float32, MT)
        for s in gl.static_range(NV):
            i = (n * NV + s) % STAGES
            mbarrier.wait(full.index(i), ((n * NV + s) // STAGES) & 1)
            dy, S = y_s.index(i).reshape([CT, BV]).permute((1, 0)), S_s.index(i).reshape([BV, K])
            weights = warpgroup_mma(u_s.index(i).reshape([C, BV]), dy, weights, use_acc=s > 0, is_async=True)
            dq = warpgroup_mma(S.permute((1, 0)), dy, dq, use_acc=s > 0, is_async=True)
            if DECAY:
                D = D_s.index(i).reshape([BV, K]).permute((1, 0))
                carried = warpgroup_mma(S, D, carried, use_acc=s > 0, is_async=True)
                weights, dq, carried = warpgroup_mma_wait(0, [weights, dq, carried])
            else:
                weights, dq = warpgroup_mma_wait(0, [weights, dq])
            wait_for_warps()
            mbarrier.arrive(empty.index(i))

        if DECAY:
            since_s.store(since_read)
            sums_s.store(sums_read)
            wait_for_warps()
            carried_over = whole * gl.sum(gl.sum(gl.where(own, carried, 0.0), axis=1), axis=0)
        mbarrier.wait(full_keys.index(0), n // HEADS & 1)
        k, q = k_s.index(0).reshape([C, K]), q_s.index(0).reshape([CT, K]).permute((1, 0))
        if DECAY:
            weights = weights * exp_of_difference(sums_s.load(OF_READ)[None, :], g_row[:, None])
        weights = gl.where(sees, weights, 0.0)
        weighed = weights
        if WEIGH:
            weighed = weights * weight[:, None]
        mbarrier.wait(taken.index(0), (n & 1) ^ 1)
        if EXACT:
            high, low = two_terms(weighed, X)
            weights_s.store(high)
            weights_low_s.store(low)
        else:
            weights_s.store(weights.to(X))
        fence_async_shared()
        wait_for_warps()
        mbarrier.arrive(weights_ready.index(0))
        if DECAY:
            to_reads = since_s.load(OF_READ)
            from_start = gl.sum(q.load(MT).to(gl.float32) * dq, axis=0) * to_reads
            reads_s.slice(0, CT).store(from_start)
            dq = dq * to_reads[None, :]
        if HEADS > 1:
            dq = total + dq
        if DECAY:
            alike = warpgroup_mma(k, q, gl.zeros([C, CT], gl.float32, MT), use_acc=False, is_async=True)
            alike = warpgroup_mma_wait(0, [alike])
            if EXACT:
                pairs = weights * alike
            else:
                pairs = weights_s.load(MT).to(gl.float32) * alike
            if WEIGH:
                of_strength_s.store(gl.sum(pairs, axis=1))
                pairs = pairs * weight[:, None]
            high, low = two_terms(pairs, X)
            left = gl.zeros([C, CT], gl.float32, MT)
            left = warpgroup_mma(operand(low, CT), late_s, left, use_acc=False, is_async=True)
            left = warpgroup_mma(operand(high, CT), late_s, left, is_async=True)
        if EXACT:
            dq = warpgroup_mma(k.permute((1, 0)), weights_low_s, dq, is_async=True)
        dq = warpgroup_mma(k.permute((1, 0)), weights_s, dq, is_async=True)
        if DECAY:
            wait_for_warps()
            later = gl.where(behind, reads_s.load(OF_T)[:, None], 0.0)
            left = warpgroup_mma_wait(2 if EXACT else 1, [left])
            share = gl.sum(gl.where(crosses, left, 0.0) + later, axis=0)
            share_s.store(share + carried_over)
            wait_for_warps()
            mbarrier.arrive(share_ready.index(0))
        dq = warpgroup_mma_wait(0, [dq])
        total = dq
        tma.store_wait(0)
        wait_for_warps()
        if (n + 1) % HEADS == 0:
            if APART:
                to = ((chunk.to(gl.int64) * CT + t) * (H // HEADS) + h // HEADS) * K
                column = gl.arange(0, K, layout=OF_T)
                gl.store(dqueries + to[None, :] + column[:, None], total)
            else:
                hand_out(total.to(X), dq_s.reshape([CT, K]).permute((1, 0)), dq_s, dqueries, [h // HEADS, at, 0, 0])
            if HEADS > 1:
                total = gl.zeros([K, CT], gl.float32, MT)
            mbarrier.arrive(empty_keys.index(0))
    tma.store_wait(0)


@gluon.jit(do_not_specialize=INTEGERS)
def rows_inside_bwd_hopper_kernel(
    q,
    write_rows,
    beta,
    decays,
    u,
    dr,
    dy,
    starts,
    ends,
    chunks,
    dq,
    dkey,
    dbeta,
    dlog_decay,
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
    R: gl.constexpr,
    RP: gl.constexpr,
    C: gl.constexpr,
    K: gl.constexpr,
    V: gl.constexpr,
    BV: gl.constexpr,
    DECAY: gl.constexpr,
    SOLVE: gl.constexpr,
    NORMALIZE: gl.constexpr,
    WEIGH: gl.constexpr,
    DELTA: gl.constexpr,
    HEADS: gl.constexpr,
    APART: gl.constexpr,
    PACKED: gl.constexpr,
    STAGES: gl.constexpr,
):
    """APART: what HEADS heads add to dq and dkey goes, in float32, to where only the chunks of this piece are.
    WEIGH: u is what is written but for a number of each row, beta. DELTA: beta multiplies what is written, too."""
    CT: gl.constexpr = C // RP
    NV: gl.constexpr = V // BV
    keys, queries = rows_of(write_rows, tokens, G, R, K, CT, RP, K), rows_of(q, tokens, G, 1, K, CT, 1, K)
    sums = H // HEADS
    dkeys, dqueries = dkey, dq
    if not APART:
        dkeys, dqueries = rows_of(dkey, tokens, sums, R, K, CT, RP, K), rows_of(dq, tokens, sums, 1, K, CT, 1, K)
    solved, outputs = rows_of(u, tokens, H, R, V, CT, RP, BV), rows_of(dy, tokens, H, 1, V, CT, 1, BV)
    STATES: gl.constexpr = gl.NVMMASharedLayout(128, 16, rank=3)
    before = tma.make_tensor_descriptor(starts, [all_chunks * H, V, K], [V * K, K, 1], [1, BV, K], STATES)
    after = tma.make_tensor_descriptor(ends, [num_chunks * H, V, K], [V * K, K, 1], [1, BV, K], STATES)
    k_s, q_s = room_for(keys, 1, CT, RP, K), room_for(queries, 1, CT, 1, K)
    u_s, y_s = room_for(solved, STAGES, CT, RP, BV), room_for(outputs, STAGES, CT, 1, BV)
    X: gl.constexpr = keys.dtype
    S_s = gl.allocate_shared_memory(X, [STAGES, 1, BV, K], STATES)
    D_s = gl.allocate_shared_memory(X, [STAGES, 1, BV, K], STATES)
    dk_s, dq_s = k_s, q_s
    if not APART:
        dk_s = gl.allocate_shared_memory(X, [1, CT, RP, K], dkeys.layout)
        dq_s = gl.allocate_shared_memory(X, [1, CT, 1, K], dqueries.layout)
    OF_READS: gl.constexpr = gl.NVMMASharedLayout(2 * CT, 16, rank=2)
    OF_ROWS: gl.constexpr = gl.NVMMASharedLayout(128, 16, rank=2)
    LINE: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [0])
    weights_s = gl.allocate_shared_memory(X, [C, CT], OF_READS)
    residuals, r_s, system_s = solved, u_s, weights_s
    if SOLVE:
        residuals = rows_of(dr, tokens, H, R, V, CT, RP, BV)
        r_s = room_for(residuals, STAGES, CT, RP, BV)
        system_s = gl.allocate_shared_memory(X, [C, C], OF_ROWS)
    early_s, late_s, share_s, reads_s = weights_s, weights_s, weights_s, weights_s
    sums_s, read_sums_s, since_s = weights_s, weights_s, weights_s
    weights_low_s, of_strength_s = weights_s, weights_s
    if DECAY:
        early_s = gl.allocate_shared_memory(X, [C, CT], OF_READS)
        if not SOLVE:
            weights_low_s = early_s
        late_s = gl.allocate_shared_memory(X, [CT, CT], OF_READS)
        share_s = gl.allocate_shared_memory(gl.float32, [CT], LINE)
        reads_s = gl.allocate_shared_memory(gl.float32, [C], LINE)
        sums_s = gl.allocate_shared_memory(gl.float32, [C], LINE)
        read_sums_s = gl.allocate_shared_memory(gl.float32, [CT], LINE)
        since_s = gl.allocate_shared_memory(gl.float32, [CT], LINE)
    if WEIGH:
        of_strength_s = gl.allocate_shared_memory(gl.float32, [C], LINE)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    full_keys = gl.allocate_shared_memory(gl.int64, [1, 1], mbarrier.MBarrierLayout())
    empty_keys = gl.allocate_shared_memory(gl.int64, [1, 1], mbarrier.MBarrierLayout())
    weights_ready = gl.allocate_shared_memory(gl.int64, [1, 1], mbarrier.MBarrierLayout())
    share_ready = gl.allocate_shared_memory(gl.int64, [1, 1], mbarrier.MBarrierLayout())
    taken = gl.allocate_shared_memory(gl.int64, [1, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=2)
    mbarrier.init(full_keys.index(0), count=1)
    mbarrier.init(empty_keys.index(0), count=2)
    mbarrier.init(weights_ready.index(0), count=1)
    mbarrier.init(share_ready.index(0), count=1)
    mbarrier.init(taken.index(0), count=1)
    fence_async_shared()
    begin_early()
    BYTES: gl.constexpr = 2 * BV * ((2 * C if SOLVE else C) + CT + 2 * K)
    BYTES_OF_KEYS: gl.constexpr = 2 * K * (C + CT)
    pid, programs = gl.program_id(0), gl.num_programs(0)
    items = (num_chunks * sums - pid + programs - 1) // programs * HEADS
    places = (items, pid, programs, chunks, (words, length, run, begin, per_piece, repeated), H, H // G)
    rooms = (k_s, q_s, u_s, r_s, y_s, S_s, D_s)
    barriers = (full, empty, full_keys, empty_keys)
    shared = (weights_s, weights_low_s, share_s, of_strength_s, weights_ready, share_ready, taken)
    tiles = (keys, queries, solved, residuals, outputs, before, after)
    gl.warp_specialize(
        [
            (gradients_of_keys, (
                rooms, (dk_s, system_s, early_s, sums_s), barriers, shared, places, dkeys, beta, decays, dbeta,
                dlog_decay, tokens, R, RP, C, K, NV, BV, STAGES, DECAY, SOLVE, NORMALIZE, WEIGH, DELTA, HEADS, APART,
                PACKED,
            )),
            (gradients_of_queries, (
                rooms, (dq_s, late_s, reads_s, since_s, read_sums_s), barriers, shared, places, dqueries, beta, decays,
                tokens, RP, C, K, NV, BV, STAGES, DECAY, SOLVE, WEIGH, HEADS, APART, PACKED,
            )),
            (fetch, (
                rooms, tiles, barriers, places, BYTES, BYTES_OF_KEYS, C, RP, NV, BV, STAGES, HEADS, PACKED, SOLVE,
            )),
        ],
        [4, 1],
        [232, 24],
    )  # fmt: skip
