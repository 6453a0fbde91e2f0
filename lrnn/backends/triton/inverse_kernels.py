"""The inverse of a unit lower-triangular matrix, in one program.

Pairs of blocks by X₂₁ = X₂₂ N₂₁ X₁₁, from blocks of one row up. Every number on the way is an entry of an inverse, and
for reflections these are bounded; powers of N, from which a Neumann series would be made, are not: for one key repeated
with β = 2 they reach 10⁶ in a block of 16.
"""

import triton
import triton.language as tl

from lrnn.backends.triton.rows_kernels import two_terms


@triton.jit
def unit_lower_inverse(N, C: tl.constexpr, Y: tl.constexpr):
    """(I - N)⁻¹ in float32 for a strictly lower-triangular N ``[C, C]`` in float32; C is 16, 32, 64 or 128.

    Y is the dtype of the inputs, which says how exact the products are, see :func:`_product`.
    """
    B: tl.constexpr = C // 16
    block = tl.arange(0, B)
    own = block[:, None, None, None] == block[None, None, :, None]
    X = inverse_of_blocks(tl.sum(tl.where(own, tl.reshape(N, [B, 16, B, 16]), 0.0), axis=2), Y)
    if C >= 32:
        X = merged(X, _below(N, 16, C // 32), Y)
    if C >= 64:
        X = merged(X, _below(N, 32, C // 64), Y)
    if C >= 128:
        X = merged(X, _below(N, 64, C // 128), Y)
    return tl.reshape(X, [C, C])


@triton.jit
def inverse_of_blocks(N, Y: tl.constexpr):
    """The inverses of matrices of 16 rows, ``[blocks, 16, 16]``."""
    row = tl.arange(0, 16)[None, :, None]
    column = tl.arange(0, 16)[None, None, :]
    X = tl.where(row == column, 1.0, tl.where((row // 2 == column // 2) & (row > column), N, 0.0))
    X = _doubled(X, N, row, column, 2, Y)
    X = _doubled(X, N, row, column, 4, Y)
    return _doubled(X, N, row, column, 8, Y)


@triton.jit
def _doubled(X, N, row, column, S: tl.constexpr, Y: tl.constexpr):
    """Inverses of blocks of 2 S rows on the diagonal of each matrix, from those of S rows: X + X below X."""
    below = (row // (2 * S) == column // (2 * S)) & (row // S > column // S)
    inner = _product(tl.where(below, N, 0.0), X, Y)
    return X + _product(X, inner, Y)


@triton.jit
def merged(X, below, Y: tl.constexpr):
    """Inverses of P blocks of 2 S rows ``[P, 2 S, 2 S]``, from those of 2 P blocks ``[2 P, S, S]`` and what is below
    every other one, ``[P, S, S]``."""
    P: tl.constexpr = below.shape[0]
    S: tl.constexpr = below.shape[1]
    first, second, corner = corners(X, below, Y)
    top = tl.reshape(tl.permute(tl.join(first, tl.zeros_like(first)), [0, 1, 3, 2]), [P, S, 2 * S])
    bottom = tl.reshape(tl.permute(tl.join(corner, second), [0, 1, 3, 2]), [P, S, 2 * S])
    return tl.reshape(tl.permute(tl.join(top, bottom), [0, 3, 1, 2]), [P, 2 * S, 2 * S])


@triton.jit
def corners(X, below, Y: tl.constexpr):
    """The three blocks of :func:`merged` that are not 0: above, below, and X₂₂ N₂₁ X₁₁ beside it, ``[P, S, S]``."""
    P: tl.constexpr = below.shape[0]
    S: tl.constexpr = below.shape[1]
    first, second = tl.split(tl.permute(tl.reshape(X, [P, 2, S, S]), [0, 2, 3, 1]))
    if P == 1:
        inner = _product(tl.reshape(second, [S, S]), tl.reshape(below, [S, S]), Y)
        corner = tl.reshape(_product(inner, tl.reshape(first, [S, S]), Y), [P, S, S])
    else:
        corner = _product(_product(second, below, Y), first, Y)
    return first, second, corner


@triton.jit
def _product(x, y, Y: tl.constexpr):
    """x y in float32: for bfloat16 inputs to 16 bits, which is what the inverse is stored in, and a third of the
    instructions of "tf32x3"; that is off by about 10⁻⁷, always to the same side."""
    if Y == tl.bfloat16:
        x, x_low = two_terms(x, Y)
        y, y_low = two_terms(y, Y)
        product = tl.dot(x_low, y)
        product = tl.dot(x, y_low, product)
        product = tl.dot(x, y, product)
    elif Y == tl.float32:
        product = tl.dot(x, y, input_precision="ieee")
    else:
        product = tl.dot(x, y, input_precision="tf32x3")
    return product


@triton.jit
def _below(N, S: tl.constexpr, P: tl.constexpr):
    """The blocks of S rows beside the diagonal of P pairs of them, ``[P, S, S]``."""
    _, lower = tl.split(tl.permute(tl.reshape(N, [P, 2, S, P * 2 * S]), [0, 2, 3, 1]))
    below, _ = tl.split(tl.permute(tl.reshape(lower, [P, S, P, 2, S]), [0, 1, 2, 4, 3]))
    pair = tl.arange(0, P)
    own = pair[:, None, None, None] == pair[None, None, :, None]
    return tl.sum(tl.where(own, below, 0.0), axis=2)
