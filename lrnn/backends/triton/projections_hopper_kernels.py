"""Several matrices times some vectors, for Hopper, in Gluon: a warp of its own fetches, and weights are on their way
before the vectors are there.

Shapes as in :mod:`projections_kernels`, up to 64 rows of x, of 16-bit numbers.
"""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from lrnn.backends.triton.hopper_kernels import begin_early, fetch_tile, wait_for_warps


@gluon.jit
def fetch_weights(
    tiles,
    room,
    barrier,
    which,
    row,
    column,
    BOX: gl.constexpr,
    BOXES: gl.constexpr,
    SLOT: gl.constexpr,
    COUNT: gl.constexpr,
    GATED: gl.constexpr,
):
    for j in gl.static_range(BOXES):
        for i in gl.static_range(COUNT):
            if which == i:
                fetch_tile(tiles[i], [row + j * BOX, column], barrier, room.slice(j * BOX, BOX))
        if GATED:
            fetch_tile(tiles[1], [row + j * BOX, column], barrier, room.slice(SLOT + j * BOX, BOX))


@gluon.jit
def fetch_all(
    rooms,
    barriers,
    tiles,
    x,
    which,
    row,
    begin,
    count,
    BLOCK_D: gl.constexpr,
    BOX: gl.constexpr,
    BOXES: gl.constexpr,
    SLOT: gl.constexpr,
    STAGES: gl.constexpr,
    COUNT: gl.constexpr,
    GATED: gl.constexpr,
    BYTES: gl.constexpr,
):
    w_s, x_s = rooms
    full, empty = barriers
    for stage in gl.static_range(STAGES):
        at = full.index(stage)
        mbarrier.expect(at, BYTES)
        fetch_weights(tiles, w_s.index(stage), at, which, row, begin + stage * BLOCK_D, BOX, BOXES, SLOT, COUNT, GATED)
    begin_early()
    for stage in gl.static_range(STAGES):
        fetch_tile(x, [0, begin + stage * BLOCK_D], full.index(stage), x_s.index(stage))
    for c in range(STAGES, count):
        i = c % STAGES
        mbarrier.wait(empty.index(i), ((c // STAGES) & 1) ^ 1)
        mbarrier.expect(full.index(i), BYTES)
        fetch_weights(
            tiles, w_s.index(i), full.index(i), which, row, begin + c * BLOCK_D, BOX, BOXES, SLOT, COUNT, GATED
        )
        fetch_tile(x, [0, begin + c * BLOCK_D], full.index(i), x_s.index(i))


@gluon.jit
def store_columns(y, total, words, rows, N, BLOCK_M: gl.constexpr, ROWS: gl.constexpr):
    WIDE: gl.constexpr = gl.BlockedLayout([1, 8], [256 // ROWS, ROWS // 8], [4, 1], [1, 0])
    total = gl.convert_layout(total.to(y.dtype.element_ty), WIDE)
    word = gl.arange(0, BLOCK_M, layout=gl.SliceLayout(1, WIDE))[:, None]
    row = gl.arange(0, ROWS, layout=gl.SliceLayout(0, WIDE))[None, :]
    place = y + word * N + row
    if N % 8 == 0:  # 16 bytes at a time
        gl.store(gl.max_contiguous(gl.multiple_of(place, [16, 16]), [1, 8]), total, mask=(word < words) & (row < rows))
    else:
        gl.store(place, total, mask=(word < words) & (row < rows))


@gluon.jit
def multiply(
    rooms,
    barriers,
    y,
    rows,
    words,
    count,
    N,
    BLOCK_M: gl.constexpr,
    ROWS: gl.constexpr,
    MORE: gl.constexpr,
    SLOT: gl.constexpr,
    STAGES: gl.constexpr,
    GATED: gl.constexpr,
):
    w_s, x_s = rooms
    full, empty = barriers
    L: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, ROWS, 16])
    M: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, ROWS // 2, 16])
    total, gated = gl.zeros([BLOCK_M, ROWS], gl.float32, L), gl.zeros([BLOCK_M, ROWS], gl.float32, L)
    more, more_gated = gl.zeros([BLOCK_M, ROWS // 2], gl.float32, M), gl.zeros([BLOCK_M, ROWS // 2], gl.float32, M)
    for c in range(count):
        i = c % STAGES
        mbarrier.wait(full.index(i), (c // STAGES) & 1)
        w, x = w_s.index(i), x_s.index(i)
        total = warpgroup_mma(x, w.slice(0, ROWS).permute((1, 0)), total, is_async=True)
        if MORE:
            more = warpgroup_mma(x, w.slice(ROWS, ROWS // 2).permute((1, 0)), more, is_async=True)
        if GATED:
            gated = warpgroup_mma(x, w.slice(SLOT, ROWS).permute((1, 0)), gated, is_async=True)
            if MORE:
                tile = w.slice(SLOT + ROWS, ROWS // 2).permute((1, 0))
                more_gated = warpgroup_mma(x, tile, more_gated, is_async=True)
        if GATED and MORE:
            total, more, gated, more_gated = warpgroup_mma_wait(0, [total, more, gated, more_gated])
        elif GATED:
            total, gated = warpgroup_mma_wait(0, [total, gated])
        elif MORE:
            total, more = warpgroup_mma_wait(0, [total, more])
        else:
            total = warpgroup_mma_wait(0, [total])
        wait_for_warps()
        mbarrier.arrive(empty.index(i))
    if GATED:
        total = total / (1.0 + gl.exp(-total)) * gated
        more = more / (1.0 + gl.exp(-more)) * more_gated
    store_columns(y, total, words, rows, N, BLOCK_M, ROWS)
    if MORE:
        store_columns(y + ROWS, more, words, rows - ROWS, N, BLOCK_M, ROWS // 2)


@gluon.jit
def project_hopper_kernel(
    x,
    w0,
    w1,
    w2,
    w3,
    w4,
    w5,
    w6,
    w7,
    ys,
    sizes,
    M,
    SPLIT: gl.constexpr,
    BLOCK_M: gl.constexpr,
    BLOCK_N: gl.constexpr,
    BLOCK_D: gl.constexpr,
    COUNT: gl.constexpr,
    GATED: gl.constexpr,
    MORE: gl.constexpr,
    STAGES: gl.constexpr,
):
    """y_i = x W_iᵀ for descriptors of x and weights ``[N_i, D]``, outputs ``[M, N_i]`` and sizes N_i.

    Programs along the second axis sum SPLIT columns each and have a y of their own. GATED: of COUNT = 1 weight, beside
    which there is a second. BLOCK_N counts the rows of both; where MORE, half as many again, and tiles of weights have
    half the rows.
    """
    ROWS: gl.constexpr = BLOCK_N // 2 if GATED else BLOCK_N
    BOX: gl.constexpr = ROWS // 2 if MORE else ROWS
    BOXES: gl.constexpr = 3 if MORE else 1
    SLOT: gl.constexpr = 2 * ROWS if MORE else ROWS
    block, split = gl.program_id(0), gl.program_id(1)
    y, N, own, which = ys[0], sizes[0], block, 0
    for i in gl.static_range(1, COUNT):
        block = block - gl.cdiv(sizes[i - 1], BOX * BOXES)
        if block >= 0:
            y, N, own, which = ys[i], sizes[i], block, i
    row = own * BOX * BOXES
    y += (split * M).to(gl.int64) * N + row
    w_s = gl.allocate_shared_memory(x.dtype, [STAGES, SLOT * (2 if GATED else 1), BLOCK_D], x.layout)
    x_s = gl.allocate_shared_memory(x.dtype, [STAGES, BLOCK_M, BLOCK_D], x.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=1)
    fence_async_shared()
    begin, count = split * SPLIT, SPLIT // BLOCK_D
    rooms, barriers, tiles = (w_s, x_s), (full, empty), (w0, w1, w2, w3, w4, w5, w6, w7)
    BYTES: gl.constexpr = 2 * BLOCK_D * (BOX * BOXES * (2 if GATED else 1) + BLOCK_M)
    gl.warp_specialize(
        [
            (multiply, (rooms, barriers, y, N - row, M, count, N, BLOCK_M, ROWS, MORE, SLOT, STAGES, GATED)),
            (
                fetch_all,
                (
                    rooms,
                    barriers,
                    tiles,
                    x,
                    which,
                    row,
                    begin,
                    count,
                    BLOCK_D,
                    BOX,
                    BOXES,
                    SLOT,
                    STAGES,
                    COUNT,
                    GATED,
                    BYTES,
                ),
            ),
        ],
        [1],
        [40],
    )
