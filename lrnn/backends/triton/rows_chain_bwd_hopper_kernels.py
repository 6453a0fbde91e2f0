"""The chain of :mod:`rows_chain_kernels`, backward, for Hopper; see :mod:`rows_chain_hopper_kernels`."""

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
    two_terms,
    wait_for_previous,
    wait_for_warps,
)


@gluon.jit
def fetch_bwd(
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
    ROWS: gl.constexpr,
):
    k_s, y_s, A_s, q_s, T_s, L_s = rooms
    keys, outputs, reading, queries, inverses = tiles
    f_s, reads_s, end_s, whole_s = number_rooms
    factor, decays = numbers
    full, empty = barriers
    h, hk, first, column, begin, last = places
    CT: gl.constexpr = C // RP
    since, until = decay_plane(decays, 0, tokens, H, h), decay_plane(decays, 1, tokens, H, h)
    factors = factor + h.to(gl.int64) * tokens * R
    for step in range(last - begin):
        i = step % STAGES
        at = first + (last - 1 - step) * CT
        mbarrier.wait(empty.index(i), ((step // STAGES) & 1) ^ 1)
        own = (f_s.index(i), reads_s.index(i), end_s.index(i), whole_s.index(i))
        fetch_numbers(own, full.index(i), factors + at * R, since + at, until + at, R, RP, C, DECAY, SOLVE)
        mbarrier.expect(full.index(i), BYTES)
        if ROWS:
            fetch_tile(keys, [hk, at, 0, 0], full.index(i), k_s.index(i))
        fetch_tile(outputs, [h, at, 0, column], full.index(i), y_s.index(i))
        if ROWS:
            fetch_tile(reading, [h, at + shift, 0, 0], full.index(i), A_s.index(i))
        fetch_tile(queries, [hk, at, 0, 0], full.index(i), q_s.index(i))
        if SOLVE:
            fetch_tile(inverses, [h, at + shift, 0, 0], full.index(i), T_s.index(i))
            fetch_tile(inverses, [h, held + at + shift, 0, 0], full.index(i), L_s.index(i))


@gluon.jit
def walk_bwd(
    rooms,
    number_rooms,
    own_rooms,
    results,
    barriers,
    places,
    ends,
    slot,
    segment,
    back,
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
    SUMMARY: gl.constexpr,
    ROWS: gl.constexpr,
):
    k_s, y_s, A_s, q_s, T_s, L_s = rooms
    r_s, D_s = own_rooms
    residuals, states = results
    f_s, reads_s, end_s, whole_s = number_rooms
    full, empty = barriers
    h, _hk, first, column, begin, last = places
    dfinal, dstate = ends
    CT: gl.constexpr = C // RP
    LATE: gl.constexpr = STAGES > 2  # as in the forward
    place = segment * H + h
    X: gl.constexpr = residuals.dtype
    MK: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, K, 16])
    MC: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, C, 16])
    AK: gl.constexpr = gl.DotOperandLayout(0, MK, 2)
    AC: gl.constexpr = gl.DotOperandLayout(0, MC, 2)
    value = gl.arange(0, BV, layout=gl.SliceLayout(1, MK))
    key = gl.arange(0, K, layout=gl.SliceLayout(0, MK))
    D = gl.zeros([BV, K], gl.float32, MK)
    if not SUMMARY and dfinal is not None:
        D = gl.load(dfinal + place.to(gl.int64) * K * V + key[None, :] * V + (column + value)[:, None])
    for step in range(last - begin):
        i = step % STAGES
        c = last - 1 - step
        here = c * CT
        mbarrier.wait(full.index(i), (step // STAGES) & 1)
        k = k_s.index(i).reshape([C, K])
        A = A_s.index(i).reshape([CT, C])
        dy = y_s.index(i).reshape([CT, BV]).permute((1, 0))
        if ROWS:
            high, low = two_terms(D, X)
            du = warpgroup_mma(
                operand(high, C), k.permute((1, 0)), gl.zeros([BV, C], gl.float32, MC), use_acc=False, is_async=True
            )
            du = warpgroup_mma(operand(low, C), k.permute((1, 0)), du, is_async=True)
        if LATE:
            if step > 0:
                wait_for_warps()
                mbarrier.arrive(empty.index((step + STAGES - 1) % STAGES))
        if not SUMMARY:
            tma.store_wait(0)
            wait_for_warps()
            hand_out(high, D_s.reshape([BV, K]), D_s, states, [(slot + c) * H + h, column, 0])
        dy_of_c = dy.load(AC)
        dread = dy.load(AK)
        if DECAY:
            dread = (dread.to(gl.float32) * reads_s.index(i).load(gl.SliceLayout(0, AK))[None, :]).to(X)
            D = D * whole_s.index(i).load(gl.SliceLayout(1, MK))[:, None]
            if ROWS:
                du = warpgroup_mma_wait(0, [du])
                du = du * end_s.index(i).load(gl.SliceLayout(0, MC))[None, :]
        if ROWS:
            du = warpgroup_mma(dy_of_c, A, du, is_async=True)
        D = warpgroup_mma(dread, q_s.index(i).reshape([CT, K]), D, is_async=True)
        if ROWS:
            du = warpgroup_mma_wait(1, [du])
        if SOLVE:
            du_high, du_low = two_terms(du, X)
            T, T_low = T_s.index(i).reshape([C, C]), L_s.index(i).reshape([C, C])
            of_c = operand(du_high, C)
            dr = warpgroup_mma(of_c, T, gl.zeros([BV, C], gl.float32, MC), use_acc=False, is_async=True)
            dr = warpgroup_mma(of_c, T_low, dr, is_async=True)
            dr = warpgroup_mma(operand(du_low, C), T, dr, is_async=True)
            f = f_s.index(i).load(gl.SliceLayout(0, MC))
            dr, D = warpgroup_mma_wait(0, [dr, D])
            r_high, r_low = two_terms(dr * f[None, :], X)
            D = warpgroup_mma(operand(r_high, K), k, D, is_async=True)
            D = warpgroup_mma(operand(r_low, K), k, D, is_async=True)
        elif ROWS:
            dr = du
        if not SUMMARY:
            hand_out(dr.to(X), r_s.reshape([C, BV]).permute((1, 0)), r_s, residuals, [h, first + here, 0, column])
        D = warpgroup_mma_wait(0, [D])
        if not LATE:
            wait_for_warps()
            mbarrier.arrive(empty.index(i))
    tma.store_wait(0)
    before = (place - back * H).to(gl.int64)
    if not SUMMARY:
        gl.store(dstate + before * K * V + key[None, :] * V + (column + value)[:, None], D)
    else:
        gl.store(dstate + (before * V + (column + value)[:, None]) * K + key[None, :], D)
        wait_for_previous()  # so that what follows this kernel follows that one, too


@gluon.jit(do_not_specialize=["tokens", "held", "all_chunks", "begin", "per_piece", "from_segment", "back", "H", "G"])
def rows_chain_bwd_hopper_kernel(
    q,
    write_rows,
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
    held,
    all_chunks,
    begin,
    per_piece,
    from_segment,
    back,
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
    SUMMARY: gl.constexpr,
    PIECES: gl.constexpr,
    STAGES: gl.constexpr,
):
    """As in :func:`rows_chain_kernels.rows_chain_bwd_kernel`; the gradients of first states go so many segments back.
    SUMMARY: while the kernel before may still run, which is not waited for before the end."""
    CT: gl.constexpr = C // RP
    run = gl.program_id(1)
    slice_of_v, segment, h = gl.program_id(0), from_segment + run, gl.program_id(2)
    if SUMMARY:
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
    queries = rows_of(q, end, G, 1, K, CT, 1, K)
    reading = rows_of(reads, held, H, 1, C, CT, 1, C)
    outputs = rows_of(dy, end, H, 1, V, CT, 1, BV)
    k_s, y_s = room_for(keys, STAGES, CT, RP, K), room_for(outputs, STAGES, CT, 1, BV)
    q_s, A_s = room_for(queries, STAGES, CT, 1, K), room_for(reading, STAGES, CT, 1, C)
    residuals, states, r_s, D_s = outputs, outputs, y_s, y_s
    if not SUMMARY:
        SL: gl.constexpr = gl.NVMMASharedLayout(128, 16, rank=3)
        residuals = rows_of(dr, end, H, R, V, CT, RP, BV)
        states = tma.make_tensor_descriptor(ends, [all_chunks * H, V, K], [V * K, K, 1], [1, BV, K], SL)
        D_s = gl.allocate_shared_memory(outputs.dtype, [1, BV, K], SL)
        r_s = gl.allocate_shared_memory(outputs.dtype, [1, CT, RP, BV], residuals.layout)
    inverses, T_s, L_s = keys, k_s, k_s
    if SOLVE:
        inverses = rows_of(inverse, 2 * held, H, R, C, CT, RP, C)  # the second numbers behind the first
        T_s, L_s = room_for(inverses, STAGES, CT, RP, C), room_for(inverses, STAGES, CT, RP, C)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=1)
    fence_async_shared()
    if not SUMMARY:
        begin_early()
    ROWS: gl.constexpr = SOLVE or not SUMMARY  # does it matter what rows lead to?
    BYTES: gl.constexpr = 2 * (CT * BV + CT * K + (C * K + CT * C if ROWS else 0) + (2 * C * C if SOLVE else 0))
    last = gl.minimum(gl.cdiv(length, CT), begin + per_piece)
    slot = chunk
    if PIECES:
        slot = run * per_piece - begin
    number_rooms = (
        room_for_numbers(STAGES, C),
        room_for_numbers(STAGES, CT),
        room_for_numbers(STAGES, C),
        room_for_numbers(STAGES, BV),
    )
    rooms, barriers = (k_s, y_s, A_s, q_s, T_s, L_s), (full, empty)
    places = (h, hk, first, column, begin, last)
    gl.warp_specialize(
        [
            (
                walk_bwd,
                (
                    rooms,
                    number_rooms,
                    (r_s, D_s),
                    (residuals, states),
                    barriers,
                    places,
                    (dfinal, dstate),
                    slot,
                    segment,
                    back,
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
                    SUMMARY,
                    ROWS,
                ),
            ),
            (
                fetch_bwd,
                (
                    rooms,
                    number_rooms,
                    (keys, outputs, reading, queries, inverses),
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
                    ROWS,
                ),
            ),
        ],
        [1],
        [40],
    )
