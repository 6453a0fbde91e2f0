"""Several matrices times the same few vectors: one pass over the weights of all of them.

Shapes: M rows of x, few · D numbers in each · N rows of a weight. Everything is contiguous. A weight is read once.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.early_kernels import begin_early


@triton.jit
def some_rows(weight, row, start, N, D: tl.constexpr, BLOCK_D: tl.constexpr):
    column = start + tl.arange(0, BLOCK_D)
    place = row.to(tl.int64)[:, None] * D + column[None, :]
    return tl.load(weight + place, mask=(row < N)[:, None] & (column < D)[None, :], other=0.0)


@triton.jit
def project_one(
    x,
    weight,
    second,
    y,
    norm,
    residual,
    block,
    N,
    eps,
    D: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    EARLY: tl.constexpr,
):
    """y = residual + W (x ⊙ norm) / RMS(x) for one vector, some rows of W; all in float32, but for what W multiplies,
    which is rounded. With a second weight silu of the first product times the second one. Without tensor cores."""
    row = block * BLOCK_N + tl.arange(0, BLOCK_N)
    tile = some_rows(weight, row, 0, N, D, BLOCK_D)
    if second is not None:
        other = some_rows(second, row, 0, N, D, BLOCK_D)
        others = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    if EARLY:
        begin_early()
    if residual is not None:
        before = tl.load(residual + row, mask=row < N, other=0.0).to(tl.float32)
    column = tl.arange(0, BLOCK_D)
    squares = tl.zeros([BLOCK_D], tl.float32)
    total = tl.zeros([BLOCK_N, BLOCK_D], tl.float32)
    for start in tl.static_range(0, D, BLOCK_D):  # type: ignore[misc]
        inside = column < D - start
        if start > 0:
            tile = some_rows(weight, row, start, N, D, BLOCK_D)
            if second is not None:
                other = some_rows(second, row, start, N, D, BLOCK_D)
        part = tl.load(x + start + column, mask=inside, other=0.0).to(tl.float32)
        if norm is not None:
            squares += part * part
            part *= tl.load(norm + start + column, mask=inside, other=0.0).to(tl.float32)
            part = part.to(x.dtype.element_ty).to(tl.float32)
        total += tile.to(tl.float32) * part[None, :]
        if second is not None:
            others += other.to(tl.float32) * part[None, :]
    found = tl.sum(total, axis=1)
    scale = 1.0
    if norm is not None:
        scale = tl.rsqrt(tl.sum(squares) / D + eps)
        found *= scale
    if second is not None:
        found *= tl.sigmoid(found) * tl.sum(others, axis=1) * scale
    if residual is not None:
        found += before
    tl.store(y + row, found.to(y.dtype.element_ty), mask=row < N)


@triton.jit
def some_columns(weight, row, start, inside, N, D: tl.constexpr, BLOCK_D: tl.constexpr):
    place = row[None, :] * D + (start + tl.arange(0, BLOCK_D))[:, None]
    return tl.load(weight + place, mask=(row < N)[None, :] & inside[:, None], other=0.0)


@triton.jit
def project_some(
    x,
    weight,
    second,
    y,
    block,
    N,
    M,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SPLIT: tl.constexpr,
    EARLY: tl.constexpr,
):
    """y = x Wᵀ for all rows of x and some rows of W; float32 is never rounded to tf32. With a second weight silu of the
    first product times the second one. Of SPLIT columns only, if there are more programs than one along the second
    axis, each with its own y."""
    row = (block * BLOCK_N + tl.arange(0, BLOCK_N)).to(tl.int64)
    word = tl.arange(0, BLOCK_M)
    column = tl.arange(0, BLOCK_D)
    split = tl.program_id(1)
    begin = split * SPLIT
    if EARLY:
        begin_early()
    total = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
    others = total
    for start in range(0, SPLIT, BLOCK_D):
        inside = column < SPLIT - start
        place = word[:, None] * D + (begin + start + column)[None, :]
        part = tl.load(x + place, mask=(word < M)[:, None] & inside[None, :], other=0.0)
        tile = some_columns(weight, row, begin + start, inside, N, D, BLOCK_D)
        total = tl.dot(part, tile, total, input_precision="tf32x3")
        if second is not None:
            tile = some_columns(second, row, begin + start, inside, N, D, BLOCK_D)
            others = tl.dot(part, tile, others, input_precision="tf32x3")
    if second is not None:
        total *= tl.sigmoid(total) * others
    place = (split * M + word).to(tl.int64)[:, None] * N + row[None, :]
    tl.store(y + place, total.to(y.dtype.element_ty), mask=(word < M)[:, None] & (row < N)[None, :])


@triton.jit
def project_kernel(
    x,
    weights,
    ys,
    sizes,
    norm,
    residual,
    eps,
    M,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    COUNT: tl.constexpr,
    GATED: tl.constexpr,
    SPLIT: tl.constexpr,
    EARLY: tl.constexpr,
):
    """y_i = x W_iᵀ for tuples of weights ``[N_i, D]``, outputs ``[M, N_i]`` and sizes N_i; BLOCK_M = 1 is one vector.

    The programs of the first weight come first. GATED: of COUNT = 1 weight, beside which there is a second.
    """
    block = tl.program_id(0)
    for i in tl.static_range(COUNT):  # type: ignore[misc]
        second = None
        if GATED:
            second = weights[1]
        blocks = tl.cdiv(sizes[i], BLOCK_N)
        if (block >= 0) & (block < blocks):
            if BLOCK_M == 1:
                project_one(
                    x, weights[i], second, ys[i], norm, residual, block, sizes[i], eps, D, BLOCK_N, BLOCK_D, EARLY
                )
            else:
                project_some(
                    x, weights[i], second, ys[i], block, sizes[i], M, D, BLOCK_M, BLOCK_N, BLOCK_D, SPLIT, EARLY
                )
        block -= blocks


@triton.jit
def add_norm_kernel(
    parts, residual, norm, y, z, eps, M, N: tl.constexpr, BLOCK: tl.constexpr, SPLITS: tl.constexpr, EARLY: tl.constexpr
):
    """y = residual + Σ parts, rounded, and z = y / RMS(y) ⊙ norm, of one row."""
    row = tl.program_id(0).to(tl.int64) * N
    column = tl.arange(0, BLOCK)
    inside = column < N
    scale = tl.load(norm + column, mask=inside, other=0.0).to(tl.float32)
    if EARLY:
        begin_early()
    before = tl.load(residual + row + column, mask=inside, other=0.0).to(tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for split in tl.static_range(SPLITS):  # type: ignore[misc]
        total += tl.load(parts + split * M * N + row + column, mask=inside, other=0.0)
    found = (before + total).to(y.dtype.element_ty)
    tl.store(y + row + column, found, mask=inside)
    x = found.to(tl.float32)
    x *= tl.rsqrt(tl.sum(x * x) / N + eps) * scale
    tl.store(z + row + column, x.to(z.dtype.element_ty), mask=inside)
