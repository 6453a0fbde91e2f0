"""What the kernels of the chunked algorithm share: where a chunk's rows are, and products that keep the state.

C micro-rows of a chunk · RP micro-rows of a token, the next power of 2 of R · BK, BV tiles of K and V, powers of 2.
Row i of a chunk is micro-row i % RP of its token i // RP.
"""

import triton
import triton.language as tl


@triton.jit
def row_tile(base, token, micro, column, heads, head, R: tl.constexpr, WIDTH: tl.constexpr, mask):
    """Rows of ``[tokens, heads, R, WIDTH]`` from a pointer to the chunk's first token; 0 where masked."""
    at = ((token * heads + head) * R + micro) * WIDTH
    return tl.load(base + at[:, None] + column[None, :], mask=mask[:, None] & (column < WIDTH)[None, :], other=0.0)


@triton.jit
def plain_dot(x, y):
    """x y with both in one dtype, accumulated in float32; float32 is never rounded to tf32."""
    if y.dtype == tl.float32:
        return tl.dot(x, y, input_precision="tf32x3")
    return tl.dot(x, y)


@triton.jit
def exact_dot(x, y, acc):
    """acc + x y with x in float32 and y as it is, to 16 bits or better: x as two numbers of the dtype of y."""
    if y.dtype == tl.float32:
        return tl.dot(x, y, acc, input_precision="tf32x3")
    high = x.to(y.dtype)
    low = (x - high.to(tl.float32)).to(y.dtype)
    acc = tl.dot(low, y, acc)
    return tl.dot(high, y, acc)


@triton.jit
def exact_dot_of_two(x, y, y_low, acc):
    """acc + x (y + y_low), where y alone is all of a float32."""
    if y.dtype == tl.float32:
        return tl.dot(x, y, acc, input_precision="tf32x3")
    high = x.to(y.dtype)
    low = (x - high.to(tl.float32)).to(y.dtype)
    acc = tl.dot(low, y, acc)
    acc = tl.dot(high, y_low, acc)
    return tl.dot(high, y, acc)


@triton.jit
def low_part(x, high):
    """What rounding x to the dtype of ``high`` left, in that dtype."""
    return (x - high.to(tl.float32)).to(high.dtype)
