"""The gradients of the vector scan, from the last token of a segment to its first.

The states of a chunk of L tokens are made again from the one at its start: once to stash every U-th in memory, and once
more, U at a time and from the last to the first, to hold them beside the gradients. Tiles as in
``vector_scan_kernels``.
"""

# ruff: noqa: RUF005  (Triton's tuples are added, not unpacked)

import triton
import triton.language as tl

from lrnn.backends.triton.vector_numbers_kernels import (
    FIXED,
    FULL,
    STEPPED,
    add,
    block_of_heads,
    decay_of,
    fixed_decays,
    key_of,
    load,
    mul,
    mul_conj,
    store,
    total,
)


@triton.jit(do_not_specialize=["tokens", "skipped", "H", "G", "GS", "NB"])
def vector_scan_bwd_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    log_ptr,
    step_ptr,
    rate_ptr,
    sign_ptr,
    phase_ptr,
    kept_ptr,  # [chunks, H, K], the state before each chunk
    dy_ptr,  # [tokens, H]
    dends_ptr,  # [segments, H, K], the gradient of the state after each segment
    dq_ptr,  # OWN: [tokens, H, K], else [NB, tokens, G, K], to be added up
    dk_ptr,
    dv_ptr,  # [tokens, H]
    dlog_ptr,  # FULL: [tokens, H, K], FIXED: [segments, H, K], to be added up
    dstep_ptr,  # [tokens, H]
    drate_ptr,  # [segments, H, K], to be added up
    dphase_ptr,  # as dlog
    dstarts_ptr,  # [segments, H, K], the gradient of the state before each
    stash_ptr,  # [programs, L / U, C, P, BK, HL]
    segments_ptr,
    tokens,
    skipped,  # blocks of heads in every group that another launch takes
    H,
    G,
    GS,
    NB,
    K: tl.constexpr,
    BK: tl.constexpr,
    HL: tl.constexpr,
    C: tl.constexpr,
    U: tl.constexpr,
    L: tl.constexpr,
    P: tl.constexpr,
    QP: tl.constexpr,
    KP: tl.constexpr,
    VP: tl.constexpr,
    DECAY: tl.constexpr,
    PHASE: tl.constexpr,
    SIGN: tl.constexpr,
    OWN: tl.constexpr,
    NEEDS_Q: tl.constexpr,
    NEEDS_K: tl.constexpr,
    NEEDS_DECAY: tl.constexpr,
    NEEDS_PHASE: tl.constexpr,
):
    """The gradients of everything, from the last token of a segment to its first."""
    TILE: tl.constexpr = BK * HL
    blocks = tl.cdiv(H, GS) * NB
    block = tl.program_id(0) % blocks
    segment = tl.program_id(0) // blocks
    group, heads, there = block_of_heads(block, skipped, H, GS, NB, C, HL)
    n = tl.arange(0, BK)[:, None]
    first = tl.load(segments_ptr + 3 * segment).to(tl.int64)
    count = tl.load(segments_ptr + 3 * segment + 1)
    chunk = tl.load(segments_ptr + 3 * segment + 2).to(tl.int64)
    fixed = fixed_decays(log_ptr, rate_ptr, phase_ptr, heads, there, n, K, DECAY, PHASE, C)
    # rows of a state lie side by side, as they do in the states kept, so that both are loaded alike
    lane = tl.arange(0, HL)[None, :] * BK + n
    stash = stash_ptr + tl.program_id(0).to(tl.int64) * (L // U * C * P * TILE)
    shared = ((block % NB) * tokens.to(tl.int64)) * G + group  # the first row of the partial sums of a shared key
    gradient = ()
    summed = ()  # over the tokens: of the log decay or the rate, and of the phase
    for c in tl.static_range(C):
        at = heads[c] * K + n
        gradient = gradient + (load(dends_ptr, segment.to(tl.int64) * H * K, at, there[c] & (n < K), P, P),)
        zero = tl.zeros([BK, HL], tl.float32)
        summed = summed + ((zero, zero),)

    chunks = tl.cdiv(count, L)
    for back in range(0, chunks):
        chunk_start = (chunks - 1 - back) * L
        pieces = tl.cdiv(tl.minimum(count - chunk_start, L), U)
        state = ()
        for c in tl.static_range(C):
            row = (chunk + chunks - 1 - back) * H * K
            state = state + (load(kept_ptr, row, heads[c] * K + n, there[c] & (n < K), P, P),)
        for piece in range(0, pieces):
            entered = state
            for i in tl.static_range(U):
                t = chunk_start + piece * U + i
                live = count > t
                token = first + t
                after = ()
                for c in tl.static_range(C):
                    mask = tl.where(live, there[c], False)
                    if OWN or c == 0:
                        key = key_of(k_ptr, token, group, G, H, heads[c], n, K, mask, live, OWN, KP, P)
                    value = load(v_ptr, token * H, heads[c], mask, VP, P)
                    decay, _ = decay_of(
                        log_ptr, step_ptr, sign_ptr, phase_ptr, fixed[c], token * H, heads[c], n, K, mask, live,
                        DECAY, PHASE, SIGN, P,
                    )  # fmt: skip
                    after = after + (add(mul(decay, state[c], P), mul(key, value, P), P),)
                state = after
            for c in tl.static_range(C):
                for p in tl.static_range(P):
                    tl.store(stash + ((piece * C + c) * P + p) * TILE + lane, entered[c][p])
        tl.debug_barrier()  # what was stashed is read by other threads

        for piece_back in range(0, pieces):
            piece = pieces - 1 - piece_back
            start = chunk_start + piece * U
            state = ()
            for c in tl.static_range(C):
                base = stash + (piece * C + c) * P * TILE + lane
                if P == 2:
                    state = state + ((tl.load(base), tl.load(base + TILE)),)
                else:
                    state = state + ((tl.load(base),),)
            carried = ()  # λ_t S_{t-1}, for every token and tile
            decays = ()
            steps = ()
            keys = ()
            queries = ()
            values = ()
            dys = ()
            for i in tl.static_range(U):
                live = count > start + i
                token = first + start + i
                after = ()
                for c in tl.static_range(C):
                    mask = tl.where(live, there[c], False)
                    if OWN or c == 0:
                        key = key_of(k_ptr, token, group, G, H, heads[c], n, K, mask, live, OWN, KP, P)
                        query = key_of(q_ptr, token, group, G, H, heads[c], n, K, mask, live, OWN, QP, P)
                        keys = keys + (key,)
                        queries = queries + (query,)
                    value = load(v_ptr, token * H, heads[c], mask, VP, P)
                    values = values + (value,)
                    dys = dys + (load(dy_ptr, token * H, heads[c], mask, P, P),)
                    decay, step = decay_of(
                        log_ptr, step_ptr, sign_ptr, phase_ptr, fixed[c], token * H, heads[c], n, K, mask, live,
                        DECAY, PHASE, SIGN, P,
                    )  # fmt: skip
                    kept = mul(decay, state[c], P)
                    carried = carried + (kept,)
                    decays = decays + (decay,)
                    steps = steps + (step,)
                    after = after + (add(kept, mul(key, value, P), P),)
                state = after
            for i in tl.static_range(U - 1, -1, -1):
                live = count > start + i
                token = first + start + i
                before = ()
                totals = ()
                for c in tl.static_range(C):
                    mask = tl.where(live, there[c], False)
                    inside = mask & (n < K)
                    at = heads[c] * K + n
                    key = keys[i * C + c if OWN else i]
                    dS = add(gradient[c], mul_conj(dys[i * C + c], queries[i * C + c if OWN else i], P), P)
                    S = add(carried[i * C + c], mul(key, values[i * C + c], P), P)
                    if NEEDS_Q:
                        dq = mul_conj(dys[i * C + c], S, P)
                        if OWN:
                            store(dq_ptr, token * H * K, at, dq, inside, QP)
                        else:
                            queries_sum = dq if c == 0 else add(queries_sum, dq, P)
                    if NEEDS_K:
                        dk = mul_conj(dS, values[i * C + c], P)
                        if OWN:
                            store(dk_ptr, token * H * K, at, dk, inside, KP)
                        else:
                            keys_sum = dk if c == 0 else add(keys_sum, dk, P)
                    store(dv_ptr, token * H, heads[c], total(mul_conj(dS, key, P), 0, P), mask, VP)
                    D = mul_conj(dS, carried[i * C + c], P)
                    log_sum = summed[c][0]
                    phase_sum = summed[c][1]
                    if NEEDS_DECAY:
                        if DECAY == FULL:
                            store(dlog_ptr, token * H * K, at, (D[0],), inside, 1)
                        if DECAY == FIXED:
                            log_sum += tl.where(live, D[0], 0.0)
                        if DECAY == STEPPED:
                            store(dstep_ptr, token * H, heads[c], total((D[0] * fixed[c][0],), 0, 1), mask, 1)
                            log_sum += D[0] * steps[i * C + c]
                    if NEEDS_PHASE:
                        if PHASE == FULL:
                            store(dphase_ptr, token * H * K, at, (D[1],), inside, 1)
                        if PHASE == FIXED:
                            phase_sum += tl.where(live, D[1], 0.0)
                    totals = totals + ((log_sum, phase_sum),)
                    before = before + (mul_conj(dS, decays[i * C + c], P),)
                gradient = before
                summed = totals
                if not OWN:
                    row = (shared + token * G) * K
                    if NEEDS_Q:
                        store(dq_ptr, row, n, total(queries_sum, 1, P), tl.where(live, n < K, False), QP)
                    if NEEDS_K:
                        store(dk_ptr, row, n, total(keys_sum, 1, P), tl.where(live, n < K, False), KP)
        tl.debug_barrier()  # before the next chunk is stashed in the same place
    for c in tl.static_range(C):
        row = segment.to(tl.int64) * H * K
        at = heads[c] * K + n
        inside = there[c] & (n < K)
        store(dstarts_ptr, row, at, gradient[c], inside, P)
        if NEEDS_DECAY:
            if DECAY == FIXED:
                store(dlog_ptr, row, at, (summed[c][0],), inside, 1)
            if DECAY == STEPPED:
                store(drate_ptr, row, at, (summed[c][0],), inside, 1)
        if NEEDS_PHASE and PHASE == FIXED:
            store(dphase_ptr, row, at, (summed[c][1],), inside, 1)
