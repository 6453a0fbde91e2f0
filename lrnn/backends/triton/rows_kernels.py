"""What the kernels of the chunked algorithm share: where a chunk's rows are, and products that keep the state.

C micro-rows of a chunk · RP micro-rows of a token, the next power of 2 of R · CT = C / RP tokens of a chunk · BK, BV
tiles of K and V, powers of 2. Row i of a chunk is micro-row i % RP of its token i // RP.

Tensors of rows ``[tokens, heads, R, width]`` are read through descriptors: what lies outside of the tensor, above R or
behind the width, is 0. Tokens behind the end of a word are those of the next one; whoever reads them masks.
"""

import triton
import triton.language as tl

# pyright: reportArgumentType=false


@triton.jit
def rows_of(
    base, tokens, heads, R: tl.constexpr, WIDTH: tl.constexpr, CT: tl.constexpr, RP: tl.constexpr, B: tl.constexpr
):
    """A descriptor of ``[tokens, heads, R, WIDTH]`` in tiles of CT tokens, RP micro-rows and B columns of one head."""
    if RP == 1:
        rows = tl.make_tensor_descriptor(base, [heads, tokens, WIDTH], [WIDTH, heads * WIDTH, 1], [1, CT, B])
    else:
        rows = tl.make_tensor_descriptor(
            base, [heads, tokens, R, WIDTH], [R * WIDTH, heads * R * WIDTH, WIDTH, 1], [1, CT, RP, B]
        )
    return rows


@triton.jit
def tile_at(rows, head, token, column, CT: tl.constexpr, RP: tl.constexpr, B: tl.constexpr):
    """The tile ``[CT * RP, B]`` of a descriptor of :func:`rows_of` from a token and a column on."""
    if RP == 1:
        tile = tl.reshape(rows.load([head, token, column]), [CT, B])
    else:
        tile = tl.reshape(rows.load([head, token, 0, column]), [CT * RP, B])
    return tile


@triton.jit
def store_tile(rows, head, token, column, tile, CT: tl.constexpr, RP: tl.constexpr, B: tl.constexpr):
    """Write a tile ``[CT * RP, B]`` where :func:`tile_at` reads it; what lies outside of the tensor is left out."""
    if RP == 1:
        rows.store([head, token, column], tl.reshape(tile, [1, CT, B]))
    else:
        rows.store([head, token, 0, column], tl.reshape(tile, [1, CT, RP, B]))


@triton.jit
def states_of(base, count, V: tl.constexpr, K: tl.constexpr, BV: tl.constexpr, BK: tl.constexpr):
    """A descriptor of transposed states ``[count, V, K]`` in tiles of BV columns of one state."""
    return tl.make_tensor_descriptor(base, [count, V, K], [V * K, K, 1], [1, BV, BK])


@triton.jit
def row_tile(base, token, micro, column, heads, head, R: tl.constexpr, WIDTH: tl.constexpr, mask):
    """Rows of ``[tokens, heads, R, WIDTH]`` from a pointer to the chunk's first token; 0 where masked."""
    at = ((token * heads + head) * R + micro) * WIDTH
    return tl.load(base + at[:, None] + column[None, :], mask=mask[:, None] & (column < WIDTH)[None, :], other=0.0)


@triton.jit
def rows_inside(token, micro, left, R: tl.constexpr, FULL: tl.constexpr):
    """Which rows of a chunk there are; all, where every chunk is FULL."""
    if FULL:
        inside = tl.zeros(token.shape, tl.int32) == 0
    else:
        inside = (token < left) & (micro < R)
    return inside


@triton.jit
def reads_inside(t, left, FULL: tl.constexpr):
    """Which reads of a chunk there are."""
    if FULL:
        inside = tl.zeros(t.shape, tl.int32) == 0
    else:
        inside = t < left
    return inside


@triton.jit
def micro_rows(row, R: tl.constexpr, RP: tl.constexpr):
    """Where the numbers of a chunk's rows are in ``[tokens, R]``, from the chunk's first token on."""
    if R == RP:
        at = row
    else:
        at = row // RP * R + row % RP
    return at


@triton.jit
def plain_dot(x, y):
    """x y with both in one dtype, accumulated in float32; float32 is never rounded to tf32."""
    if y.dtype == tl.float32:
        return tl.dot(x, y, input_precision="tf32x3")
    return tl.dot(x, y)


@triton.jit
def exact_product(x, y):
    """x y of two tiles of one dtype, exact but for the sums."""
    if y.dtype == tl.float32:
        return tl.dot(x, y, input_precision="ieee")
    return tl.dot(x, y)


@triton.jit
def two_terms(x, X: tl.constexpr):
    """x in float32 as two numbers of a dtype, x ≈ high + low; in float32, twice itself.

    For bfloat16 in the GPU's own words: left to the compiler, rounding becomes an instruction for every number, which
    takes eight times as long as one for two.
    """
    if X == tl.bfloat16:
        high, low = tl.inline_asm_elementwise(
            """{
            .reg .b32 a, b;
            cvt.rn.bf16x2.f32 $0, $3, $2;
            shl.b32 a, $0, 16;
            and.b32 b, $0, 0xffff0000;
            sub.f32 a, $2, a;
            sub.f32 b, $3, b;
            cvt.rn.bf16x2.f32 $1, b, a;
            }""",
            constraints="=&r,=&r,r,r",
            args=[x],
            dtype=(tl.bfloat16, tl.bfloat16),
            is_pure=True,
            pack=2,
        )
    else:
        high = x.to(X)
        low = (x - high.to(tl.float32)).to(X) if X != tl.float32 else high
    return high, low


@triton.jit
def exact_dot(high, low, y, acc):
    """acc + (high + low) y: exact for float32, where high is all; else to 16 bits or better."""
    if y.dtype == tl.float32:
        return tl.dot(high, y, acc, input_precision="ieee")
    acc = tl.dot(low, y, acc)
    return tl.dot(high, y, acc)


@triton.jit
def exact_dot_of_two(high, low, y, y_low, acc):
    """acc + (high + low) (y + y_low), without the product of both low ones."""
    if y.dtype == tl.float32:
        return tl.dot(high, y, acc, input_precision="ieee")
    acc = tl.dot(low, y, acc)
    acc = tl.dot(high, y_low, acc)
    return tl.dot(high, y, acc)


@triton.jit
def low_part(x, high):
    """What rounding x to the dtype of ``high`` left, in that dtype."""
    return (x - high.to(tl.float32)).to(high.dtype)


@triton.jit
def decay_plane(decays, PLANE: tl.constexpr, tokens, H, h):
    """One head's numbers ``[tokens]`` in ``decays`` [planes, H, tokens]: exp of the log decays from the chunk's start
    on (0) and to its end (1), and their sum from the start on, for :func:`exp_of_differences` (2). Where writes are
    multiplied by numbers, so is what is in 1, and 3 is without them. The last one is the second number of 2; in
    bfloat16, where nobody looks at it, there is none."""
    return decays + (H * PLANE + h).to(tl.int64) * tokens


@triton.jit
def log_decays(decays, start, token, t, tokens, H, h, valid, read, X: tl.constexpr, WEIGH: tl.constexpr):
    """The log decays from the chunk's start on, each as two numbers, at its reads and at its rows."""
    LOW: tl.constexpr = 2 if X == tl.bfloat16 else 4 if WEIGH else 3
    high, low = decay_plane(decays, 2, tokens, H, h) + start, decay_plane(decays, LOW, tokens, H, h) + start
    return (
        tl.load(high + t, mask=read, other=0.0),
        tl.load(low + t, mask=read, other=0.0),
        tl.load(high + token, mask=valid, other=0.0),
        tl.load(low + token, mask=valid, other=0.0),
    )


@triton.jit
def in_two(x):
    """A logarithm in float64 as two numbers in float32, of base 2."""
    x = x * 1.4426950408889634
    high = x.to(tl.float32)
    return high, (x - high).to(tl.float32)


@triton.jit
def exp_of_difference(later, later_low, earlier, earlier_low, X: tl.constexpr):
    """``[i, j]`` of :func:`exp_of_differences`."""
    weights = exp_of_differences(later[None, :], later_low[None, :], earlier[None, :], earlier_low[None, :], X)
    return tl.reshape(weights, [later.shape[0], earlier.shape[0]])


@triton.jit
def exp_of_differences(later, later_low, earlier, earlier_low, X: tl.constexpr):
    """exp(later_i - earlier_j) for ``[blocks, i]``, ``[blocks, j]``, logarithms from :func:`in_two`, at most 1: what is
    later has decayed more.

    They may be large and far apart, as in float64; for bfloat16, which has few digits, the low ones are not looked at.
    """
    difference = later[:, :, None] - earlier[:, None, :]
    if X != tl.bfloat16:
        difference += later_low[:, :, None] - earlier_low[:, None, :]
    difference = tl.minimum(difference, 0.0)
    if X == tl.bfloat16:  # numbers below 10⁻³⁸ are 0
        weights = tl.inline_asm_elementwise(
            "ex2.approx.ftz.f32 $0, $1;", "=r,r", [difference], dtype=tl.float32, is_pure=True, pack=1
        )
    else:
        weights = tl.exp2(difference)
    return weights
