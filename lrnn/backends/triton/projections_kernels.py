"""Several matrices times the same few vectors: one pass over the weights of all of them.

Shapes: M rows of x, few · D numbers in each · N rows of a weight. Everything is contiguous. A weight is read once.
"""

import triton
import triton.language as tl


@triton.jit
def project_one(x, weight, y, block, N, D: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    """y = W x for one vector, some rows of W; products and sums in float32, without tensor cores."""
    row = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    column = tl.arange(0, BLOCK_D)
    total = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    for start in range(0, D, BLOCK_D):
        inside = column < D - start
        part = tl.load(x + start + column, mask=inside, other=0.0).to(tl.float32)
        place = row[:, None] * D + (start + column)[None, :]
        tile = tl.load(weight + place, mask=(row < N)[:, None] & inside[None, :], other=0.0)
        total += tile.to(tl.float32) * part[None, :]
    tl.store(y + row, tl.sum(total, axis=1).to(y.dtype.element_ty), mask=row < N)


@triton.jit
def project_some(
    x,
    weight,
    y,
    block,
    N,
    M,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """y = x Wᵀ for all rows of x and some rows of W; float32 is never rounded to tf32."""
    row = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    word = tl.arange(0, BLOCK_M)
    column = tl.arange(0, BLOCK_D)
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    for start in range(0, D, BLOCK_D):
        inside = column < D - start
        place = word[:, None] * D + (start + column)[None, :]
        part = tl.load(x + place, mask=(word < M)[:, None] & inside[None, :], other=0.0)
        place = row[None, :] * D + (start + column)[:, None]
        tile = tl.load(weight + place, mask=(row < N)[None, :] & inside[:, None], other=0.0)
        total = tl.dot(part, tile, total, input_precision="tf32x3")
    place = word.to(tl.int64)[:, None] * N + row[None, :]
    tl.store(y + place, total.to(y.dtype.element_ty), mask=(word < M)[:, None] & (row < N)[None, :])


@triton.jit
def project_kernel(
    x,
    weights,
    ys,
    sizes,
    M,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    COUNT: tl.constexpr,
):
    """y_i = x W_iᵀ for tuples of weights ``[N_i, D]``, outputs ``[M, N_i]`` and sizes N_i; BLOCK_M = 1 is one vector.

    The programs of the first weight come first.
    """
    block = tl.program_id(0)
    for i in tl.static_range(COUNT):  # type: ignore[misc]
        blocks = tl.cdiv(sizes[i], BLOCK_N)
        if (block >= 0) & (block < blocks):
            if BLOCK_M == 1:
                project_one(x, weights[i], ys[i], block, sizes[i], D, BLOCK_N, BLOCK_D)
            else:
                project_some(x, weights[i], ys[i], block, sizes[i], M, D, BLOCK_M, BLOCK_N, BLOCK_D)
        block -= blocks
