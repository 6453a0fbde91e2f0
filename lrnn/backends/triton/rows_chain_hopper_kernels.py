"""The chain of :mod:`rows_chain_kernels`, forward, for Hopper, in Gluon.

Products are waited for where their result is needed, and a warp of its own fetches tiles. For inputs of 16 bits, decays
that are one number per head or none, and chunks that have all their tokens. Equations and shapes are those of the
Triton kernels.
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
    fetch_numbers,
    fetch_tile,
    hand_out,
    let_next_begin,
    operand,
    room_for,
    room_for_numbers,
    rows_of,
    send_tile,
    two_terms,
    wait_for_previous,
    wait_for_warps,
)


@gluon.jit
def fetch_fwd(
    rooms,
    number_rooms,
    tiles,
    barriers,
    places,
    numbers,
    held,
    shift,
    tokens,
    H,
    R: gl.constexpr,
    RP: gl.constexpr,
    C: gl.constexpr,
    STAGES: gl.constexpr,
    BYTES: gl.constexpr,
    DECAY: gl.constexpr,
    SOLVE: gl.constexpr,
    READ: gl.constexpr,
):
    k_s, v_s, T_s, L_s, q_s, A_s = rooms
    keys, values, inverses, queries, reading = tiles
    f_s, reads_s, end_s, whole_s = number_rooms
    factor, decays = numbers
    full, empty = barriers
    h, hk, first, column, begin, count = places
    CT: gl.constexpr = C // RP
    since, until = decay_plane(decays, 0, tokens, H, h), decay_plane(decays, 1, tokens, H, h)
    factors = factor + h.to(gl.int64) * tokens * R
    for c in range(count):
        i = c % STAGES
        at = first + (begin + c) * CT
        mbarrier.wait(empty.index(i), ((c // STAGES) & 1) ^ 1)
        own = (f_s.index(i), reads_s.index(i), end_s.index(i), whole_s.index(i))
        fetch_numbers(own, full.index(i), factors + at * R, since + at, until + at, R, RP, C, DECAY, SOLVE)
        mbarrier.expect(full.index(i), BYTES)
        fetch_tile(keys, [hk, at, 0, 0], full.index(i), k_s.index(i))
        fetch_tile(values, [h, at, 0, column], full.index(i), v_s.index(i))
        if SOLVE:
            fetch_tile(inverses, [h, at + shift, 0, 0], full.index(i), T_s.index(i))
            fetch_tile(inverses, [h, held + at + shift, 0, 0], full.index(i), L_s.index(i))
        if READ:
            fetch_tile(queries, [hk, at, 0, 0], full.index(i), q_s.index(i))
            fetch_tile(reading, [h, at + shift, 0, 0], full.index(i), A_s.index(i))


@gluon.jit
def walk_fwd(
    rooms,
    number_rooms,
    own_rooms,
    results,
    barriers,
    places,
    ends,
    kept,
    slot,
    segment,
    ending,
    tokens,
    H,
    R: gl.constexpr,
    C: gl.constexpr,
    RP: gl.constexpr,
    K: gl.constexpr,
    V: gl.constexpr,
    BV: gl.constexpr,
    STAGES: gl.constexpr,
    DECAY: gl.constexpr,
    SOLVE: gl.constexpr,
    READ: gl.constexpr,
    STATES: gl.constexpr,
    KEEP: gl.constexpr,
):
    k_s, v_s, T_s, L_s, q_s, A_s = rooms
    y_s, u_s, S_s = own_rooms
    outputs, solved, states = results
    f_s, reads_s, end_s, whole_s = number_rooms
    full, empty = barriers
    h, _hk, first, column, begin, count = places
    state, final, products = ends
    kept, every, kept_from, all_segments = kept
    CT: gl.constexpr = C // RP
    SUMMARY: gl.constexpr = not READ and not STATES
    SOLVED: gl.constexpr = SOLVE and READ and (STATES or KEEP)
    LATE: gl.constexpr = STAGES > 2 or SUMMARY  # where there is room, a tile is handed back when nobody waits for that
    place = segment * H + h
    X: gl.constexpr = outputs.dtype
    MK: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, K, 16])
    MC: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, C, 16])
    MQ: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, CT, 16])
    value = gl.arange(0, BV, layout=gl.SliceLayout(1, MK))
    key = gl.arange(0, K, layout=gl.SliceLayout(0, MK))
    at_state = place.to(gl.int64) * K * V + key[None, :] * V + (column + value)[:, None]
    if SUMMARY:
        S = gl.where((column - V + value)[:, None] == key[None, :], 1.0, gl.zeros([BV, K], gl.float32, MK))
        fading = gl.full([BV], 1.0, gl.float32, gl.SliceLayout(1, MK))
    else:
        S = gl.zeros([BV, K], gl.float32, MK)
        if state is not None:
            S = gl.load(state + at_state)
    for c in range(count):
        i = c % STAGES
        here = (begin + c) * CT
        if KEEP:
            if (c >= kept_from) & (c % every == 0):
                gl.store(kept + at_state, S)
                kept += all_segments * H * K * V
        mbarrier.wait(full.index(i), (c // STAGES) & 1)
        k = k_s.index(i).reshape([C, K])
        high, low = two_terms(S, X)
        if SOLVE:
            u = warpgroup_mma(
                operand(high, C), k.permute((1, 0)), gl.zeros([BV, C], gl.float32, MC), use_acc=False, is_async=True
            )
            u = warpgroup_mma(operand(low, C), k.permute((1, 0)), u, is_async=True)
        y = gl.zeros([BV, CT], gl.float32, MQ)
        if READ:
            q = q_s.index(i).reshape([CT, K]).permute((1, 0))
            y = warpgroup_mma(operand(high, CT), q, y, use_acc=False, is_async=True)
        if LATE:
            if c > 0:  # what the chunk before read is read by all warps
                wait_for_warps()
                mbarrier.arrive(empty.index((c + STAGES - 1) % STAGES))
        v = v_s.index(i).reshape([C, BV]).permute((1, 0)).load(MC).to(gl.float32)
        if STATES:
            tma.store_wait(0)
            wait_for_warps()
            hand_out(high, S_s.reshape([BV, K]), S_s, states, [(slot + c) * H + h, column, 0])
        if SOLVE:
            f = f_s.index(i).load(gl.SliceLayout(0, MC))
            u = warpgroup_mma_wait(1 if READ else 0, [u])
            r_high, r_low = two_terms(v + f[None, :] * u, X)
            T, T_low = T_s.index(i).reshape([C, C]).permute((1, 0)), L_s.index(i).reshape([C, C]).permute((1, 0))
            of_c = operand(r_high, C)
            u = warpgroup_mma(of_c, T, gl.zeros([BV, C], gl.float32, MC), use_acc=False, is_async=True)
            u = warpgroup_mma(of_c, T_low, u, is_async=True)
            u = warpgroup_mma(operand(r_low, C), T, u, is_async=True)
            if READ:
                u, y = warpgroup_mma_wait(0, [u, y])
            else:
                u = warpgroup_mma_wait(0, [u])
        else:
            u = v
            if READ:
                y = warpgroup_mma_wait(0, [y])
        u_high, u_low = two_terms(u, X)
        if DECAY:
            y = y * reads_s.index(i).load(gl.SliceLayout(0, MQ))[None, :]
            whole = whole_s.index(i).load(gl.SliceLayout(1, MK))
            S = S * whole[:, None]
            if SUMMARY:
                fading = fading * whole
        if READ:
            y = warpgroup_mma(operand(u_high, CT), A_s.index(i).reshape([CT, C]).permute((1, 0)), y, is_async=True)
        left, left_low = u_high, u_low
        if DECAY:
            left, left_low = two_terms(u * end_s.index(i).load(gl.SliceLayout(0, MC))[None, :], X)
        S = warpgroup_mma(operand(left, K), k, S, is_async=True)
        if SOLVE or DECAY:
            S = warpgroup_mma(operand(left_low, K), k, S, is_async=True)
        if READ:
            y = warpgroup_mma_wait(2 if SOLVE or DECAY else 1, [y])
            if not STATES:
                tma.store_wait(0)
                wait_for_warps()
            y_s.reshape([CT, BV]).permute((1, 0)).store(y.to(X))
            if SOLVED:
                u_s.reshape([C, BV]).permute((1, 0)).store(u_high)
            fence_async_shared()
            wait_for_warps()
            send_tile(outputs, [h, first + here, 0, column], y_s)
            if SOLVED:
                send_tile(solved, [h, first + here, 0, column], u_s)
        S = warpgroup_mma_wait(0, [S])
        if not LATE:
            wait_for_warps()
            mbarrier.arrive(empty.index(i))
    tma.store_wait(0)
    if SUMMARY:
        row = column + value[:, None]
        there = (place - ending * H).to(gl.int64)
        if column < V:
            gl.store(final + (there * V + row) * K + key[None, :], S)
        if SOLVE:
            if column >= V:
                gl.store(products + (there * K + row - V) * K + key[None, :], S)
        elif column == 0:
            for part in gl.static_range(K // BV):
                gl.store(products + there * K + part * BV + value, fading)
        wait_for_previous()  # so that what follows this kernel follows that one, too
    elif READ:
        if segment >= ending:
            word = (place - ending * H).to(gl.int64)
            gl.store(final + word * K * V + key[None, :] * V + (column + value)[:, None], S)


@gluon.jit(
    do_not_specialize=[
        "tokens",
        "held",
        "begin",
        "per_piece",
        "every",
        "kept_from",
        "all_segments",
        "all_chunks",
        "from_segment",
        "ending",
        "H",
        "G",
    ]
)
def rows_chain_fwd_hopper_kernel(
    q,
    write_rows,
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
    kept,
    final,
    products,
    tokens,
    held,
    begin,
    per_piece,
    every,
    kept_from,
    all_segments,
    all_chunks,
    from_segment,
    ending,
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
    READ: gl.constexpr,
    STATES: gl.constexpr,
    KEEP: gl.constexpr,
    PIECES: gl.constexpr,
    STAGES: gl.constexpr,
):
    """The segments from ``from_segment`` on; ``final`` has the states after those from ``ending`` on.

    READ: y, u and the last states are wanted. STATES: in 16 bits those before every chunk; PIECES: of this piece.
    KEEP: in float32 those before every so many chunks, from one on. Neither READ nor STATES: what the segment does to
    any state, its writes in ``final``, and in ``products`` what they are as in :mod:`rows_chain_kernels`, while the
    kernel before may still run, which is not waited for before the end."""
    CT: gl.constexpr = C // RP
    SOLVED: gl.constexpr = SOLVE and READ and (STATES or KEEP)
    run = gl.program_id(1)
    slice_of_v, segment, h = gl.program_id(0), from_segment + run, gl.program_id(2)
    if not READ and not STATES:
        let_next_begin()
    first = gl.load(segments + 3 * segment)
    length = gl.load(segments + 3 * segment + 1)
    chunk = gl.load(segments + 3 * segment + 2)
    hk = h // (H // G)
    end = first + length
    column = slice_of_v * BV
    shift = first * 0
    if held != tokens:  # what was prepared is that of a piece, chunk by chunk
        shift = (run * per_piece - begin) * CT - first
    keys = rows_of(write_rows, end, G, R, K, CT, RP, K)
    values = rows_of(v, end, H, R, V, CT, RP, BV)
    queries = rows_of(q, end, G, 1, K, CT, 1, K)
    reading = rows_of(reads, held, H, 1, C, CT, 1, C)
    outputs = rows_of(y, end, H, 1, V, CT, 1, BV)
    k_s, v_s = room_for(keys, STAGES, CT, RP, K), room_for(values, STAGES, CT, RP, BV)
    q_s, A_s = room_for(queries, STAGES, CT, 1, K), room_for(reading, STAGES, CT, 1, C)
    y_s = gl.allocate_shared_memory(outputs.dtype, [1, CT, 1, BV], outputs.layout)
    inverses, T_s, L_s = keys, k_s, k_s
    if SOLVE:
        inverses = rows_of(inverse, 2 * held, H, R, C, CT, RP, C)  # the second numbers behind the first
        T_s, L_s = room_for(inverses, STAGES, CT, RP, C), room_for(inverses, STAGES, CT, RP, C)
    solved, u_s, states, S_s = outputs, y_s, outputs, y_s
    if STATES:
        SL: gl.constexpr = gl.NVMMASharedLayout(128, 16, rank=3)
        states = tma.make_tensor_descriptor(starts, [all_chunks * H, V, K], [V * K, K, 1], [1, BV, K], SL)
        S_s = gl.allocate_shared_memory(outputs.dtype, [1, BV, K], SL)
    if SOLVED:
        solved = rows_of(u, end, H, R, V, CT, RP, BV)
        u_s = gl.allocate_shared_memory(outputs.dtype, [1, CT, RP, BV], solved.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=1)
    fence_async_shared()
    if READ or STATES:
        begin_early()
    BYTES: gl.constexpr = 2 * (C * K + C * BV + (2 * C * C if SOLVE else 0) + (CT * K + CT * C if READ else 0))
    count = gl.minimum(gl.cdiv(length, CT) - begin, per_piece)
    slot = chunk
    if PIECES:
        slot = run * per_piece
    number_rooms = (
        room_for_numbers(STAGES, C),
        room_for_numbers(STAGES, CT),
        room_for_numbers(STAGES, C),
        room_for_numbers(STAGES, BV),
    )
    rooms, barriers = (k_s, v_s, T_s, L_s, q_s, A_s), (full, empty)
    places = (h, hk, first, column, begin, count)
    gl.warp_specialize(
        [
            (
                walk_fwd,
                (
                    rooms,
                    number_rooms,
                    (y_s, u_s, S_s),
                    (outputs, solved, states),
                    barriers,
                    places,
                    (state, final, products),
                    (kept, every, kept_from, all_segments),
                    slot,
                    segment,
                    ending,
                    tokens,
                    H,
                    R,
                    C,
                    RP,
                    K,
                    V,
                    BV,
                    STAGES,
                    DECAY,
                    SOLVE,
                    READ,
                    STATES,
                    KEEP,
                ),
            ),
            (
                fetch_fwd,
                (
                    rooms,
                    number_rooms,
                    (keys, values, inverses, queries, reading),
                    barriers,
                    places,
                    (factor, decays),
                    held,
                    shift,
                    tokens,
                    H,
                    R,
                    RP,
                    C,
                    STAGES,
                    BYTES,
                    DECAY,
                    SOLVE,
                    READ,
                ),
            ),
        ],
        [1],
        [40],
    )
