"""What happens to each row by itself: keys and values behind their convolution, and what is read out of a head.

W numbers of a row, in a tile of BLOCK · ROWS of them at a time. All arithmetic is float32; what a backward needs it
computes again from what came in.
"""

import triton
import triton.language as tl


@triton.jit
def activated(x, ACTIVATION: tl.constexpr):
    if ACTIVATION == "silu":
        x = x * tl.sigmoid(x)
    elif ACTIVATION == "relu":
        x = tl.maximum(x, 0.0)
    elif ACTIVATION == "elu":
        x = tl.where(x > 0, x + 1.0, tl.exp(tl.minimum(x, 0.0)))
    return x


@triton.jit
def slope(x, ACTIVATION: tl.constexpr):
    """The derivative of :func:`activated`."""
    if ACTIVATION == "silu":
        gate = tl.sigmoid(x)
        x = gate * (1.0 + x * (1.0 - gate))
    elif ACTIVATION == "relu":
        x = tl.where(x > 0, 1.0, 0.0)
    elif ACTIVATION == "elu":
        x = tl.where(x > 0, 1.0, tl.exp(tl.minimum(x, 0.0)))
    else:
        x = x * 0.0 + 1.0
    return x


@triton.jit
def places(block, rows, W: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """Rows, where their numbers are, and which of them there are."""
    row = block.to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    return row, row[:, None] * W + column[None, :], (row < rows)[:, None] & (column < W)[None, :]


@triton.jit
def activate_fwd_kernel(
    x,
    scale,
    y,
    rows,
    eps,
    W: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    ACTIVATION: tl.constexpr,
    NORM: tl.constexpr,
):
    """y = scale · a / max(|a|, eps) for a = act(x), where there is a scale, and with NORM."""
    row, at, there = places(tl.program_id(0), rows, W, BLOCK, ROWS)
    a = activated(tl.load(x + at, mask=there, other=0.0).to(tl.float32), ACTIVATION)
    if NORM:
        a = tl.where(there, a, 0.0)  # elu(0) + 1 is 1
        a /= tl.maximum(tl.sqrt(tl.sum(a * a, axis=1)), eps)[:, None]
    if scale is not None:
        a *= tl.load(scale + row, mask=row < rows, other=0.0).to(tl.float32)[:, None]
    tl.store(y + at, a.to(y.dtype.element_ty), mask=there)


@triton.jit
def activate_bwd_kernel(
    x,
    scale,
    dy,
    dx,
    dscale,
    rows,
    eps,
    W: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    ACTIVATION: tl.constexpr,
    NORM: tl.constexpr,
):
    """dscale = dy · u, da = scale (dy - u (u · dy)) / |a| for the unit row u, and dx = act'(x) da."""
    row, at, there = places(tl.program_id(0), rows, W, BLOCK, ROWS)
    z = tl.load(x + at, mask=there, other=0.0).to(tl.float32)
    d = tl.load(dy + at, mask=there, other=0.0).to(tl.float32)
    u = tl.where(there, activated(z, ACTIVATION), 0.0)
    if NORM:
        length = tl.sqrt(tl.sum(u * u, axis=1))
        divisor = tl.maximum(length, eps)
        u /= divisor[:, None]
    along = tl.sum(u * d, axis=1)
    if NORM:  # a row shorter than eps is divided by a number that does not depend on it
        d = (d - u * tl.where(length > eps, along, 0.0)[:, None]) / divisor[:, None]
    if scale is not None:
        tl.store(dscale + row, along.to(dscale.dtype.element_ty), mask=row < rows)
        d *= tl.load(scale + row, mask=row < rows, other=0.0).to(tl.float32)[:, None]
    tl.store(dx + at, (d * slope(z, ACTIVATION)).to(dx.dtype.element_ty), mask=there)


@triton.jit
def gated_norm_fwd_kernel(x, weight, gate, y, rows, eps, W: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr):
    """y = x / √(mean x² + eps) ⊙ weight ⊙ silu(gate)"""
    _row, at, there = places(tl.program_id(0), rows, W, BLOCK, ROWS)
    n = tl.load(x + at, mask=there, other=0.0).to(tl.float32)
    n *= tl.rsqrt(tl.sum(n * n, axis=1) / W + eps)[:, None]
    column = tl.arange(0, BLOCK)
    n *= tl.load(weight + column, mask=column < W, other=0.0).to(tl.float32)[None, :]
    if gate is not None:
        n *= activated(tl.load(gate + at, mask=there, other=0.0).to(tl.float32), "silu")
    tl.store(y + at, n.to(y.dtype.element_ty), mask=there)


@triton.jit
def gated_norm_bwd_kernel(
    x,
    weight,
    gate,
    dy,
    dx,
    dgate,
    sums,
    rows,
    eps,
    steps,
    W: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
):
    """With n = x / √(mean x² + eps): dgate = dy ⊙ n ⊙ weight ⊙ silu'(gate), dx = (dn - n mean(n ⊙ dn)) / √(…) for
    dn = dy ⊙ weight ⊙ silu(gate), and dy ⊙ n ⊙ silu(gate) summed over the rows of a program."""
    column = tl.arange(0, BLOCK)
    w = tl.load(weight + column, mask=column < W, other=0.0).to(tl.float32)[None, :]
    total = tl.zeros([ROWS, BLOCK], tl.float32)
    for step in range(steps):
        _row, at, there = places(tl.program_id(0) * steps + step, rows, W, BLOCK, ROWS)
        n = tl.load(x + at, mask=there, other=0.0).to(tl.float32)
        d = tl.load(dy + at, mask=there, other=0.0).to(tl.float32)
        scale = tl.rsqrt(tl.sum(n * n, axis=1) / W + eps)[:, None]
        n *= scale
        if gate is not None:
            g = tl.load(gate + at, mask=there, other=0.0).to(tl.float32)
            tl.store(dgate + at, (d * n * w * slope(g, "silu")).to(dgate.dtype.element_ty), mask=there)
            d *= activated(g, "silu")
        total += d * n
        d *= w
        d = scale * (d - n * (tl.sum(n * d, axis=1) / W)[:, None])
        tl.store(dx + at, d.to(dx.dtype.element_ty), mask=there)
    place = tl.program_id(0) * W + column
    tl.store(sums + place, tl.sum(total, axis=0), mask=column < W)
