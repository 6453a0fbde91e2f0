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
    tiles, room, barrier, which, row, column, ROWS: gl.constexpr, COUNT: gl.constexpr, GATED: gl.constexpr
):
    for i in gl.static_range(COUNT):
        if which == i:
            fetch_tile(tiles[i], [row, column], barrier, room.slice(0, ROWS))
    if GATED:
        fetch_tile(tiles[1], [row, column], barrier, room.slice(ROWS, ROWS))


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
    ROWS: gl.constexpr,
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
        fetch_weights(tiles, w_s.index(stage), at, which, row, begin + stage * BLOCK_D, ROWS, COUNT, GATED)
    begin_early()
    for stage in gl.static_range(STAGES):
        fetch_tile(x, [0, begin + stage * BLOCK_D], full.index(stage), x_s.index(stage))
    for c in range(STAGES, count):
        i = c % STAGES
        mbarrier.wait(empty.index(i), ((c // STAGES) & 1) ^ 1)
        mbarrier.expect(full.index(i), BYTES)
        fetch_weights(tiles, w_s.index(i), full.index(i), which, row, begin + c * BLOCK_D, ROWS, COUNT, GATED)
        fetch_tile(x, [0, begin + c * BLOCK_D], full.index(i), x_s.index(i))


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
    STAGES: gl.constexpr,
    GATED: gl.constexpr,
):
    w_s, x_s = rooms
    full, empty = barriers
    L: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, ROWS, 16])
    total = gl.zeros([BLOCK_M, ROWS], gl.float32, L)
    others = gl.zeros([BLOCK_M, ROWS], gl.float32, L)
    for c in range(count):
        i = c % STAGES
        mbarrier.wait(full.index(i), (c // STAGES) & 1)
        total = warpgroup_mma(x_s.index(i), w_s.index(i).slice(0, ROWS).permute((1, 0)), total, is_async=True)
        if GATED:
            tile = w_s.index(i).slice(ROWS, ROWS).permute((1, 0))
            others = warpgroup_mma(x_s.index(i), tile, others, is_async=True)
            total, others = warpgroup_mma_wait(0, [total, others])
        else:
            total = warpgroup_mma_wait(0, [total])
        wait_for_warps()
        mbarrier.arrive(empty.index(i))
    if GATED:
        total = total / (1.0 + gl.exp(-total)) * others
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
    STAGES: gl.constexpr,
):
    """y_i = x W_iᵀ for descriptors of x and weights ``[N_i, D]``, outputs ``[M, N_i]`` and sizes N_i.

    Programs along the second axis sum SPLIT columns each and have a y of their own. GATED: of COUNT = 1 weight, beside
    which there is a second. BLOCK_N counts the rows of both.
    """
    ROWS: gl.constexpr = BLOCK_N // 2 if GATED else BLOCK_N
    block, split = gl.program_id(0), gl.program_id(1)
    y, N, own, which = ys[0], sizes[0], block, 0
    for i in gl.static_range(1, COUNT):
        block = block - gl.cdiv(sizes[i - 1], ROWS)
        if block >= 0:
            y, N, own, which = ys[i], sizes[i], block, i
    row = own * ROWS
    y += (split * M).to(gl.int64) * N + row
    w_s = gl.allocate_shared_memory(x.dtype, [STAGES, BLOCK_N, BLOCK_D], x.layout)
    x_s = gl.allocate_shared_memory(x.dtype, [STAGES, BLOCK_M, BLOCK_D], x.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=1)
    fence_async_shared()
    begin, count = split * SPLIT, SPLIT // BLOCK_D
    rooms, barriers, tiles = (w_s, x_s), (full, empty), (w0, w1, w2, w3, w4, w5, w6, w7)
    BYTES: gl.constexpr = 2 * BLOCK_D * (BLOCK_N + BLOCK_M)
    gl.warp_specialize(
        [
            (multiply, (rooms, barriers, y, N - row, M, count, N, BLOCK_M, ROWS, STAGES, GATED)),
            (
                fetch_all,
                (rooms, barriers, tiles, x, which, row, begin, count, BLOCK_D, ROWS, STAGES, COUNT, GATED, BYTES),
            ),
        ],
        [1],
        [40],
    )
