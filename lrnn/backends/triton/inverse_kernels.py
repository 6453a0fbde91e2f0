"""The inverse of a unit lower-triangular matrix, in one program.

Blocks of 16 rows by forward substitution, pairs of blocks by X₂₁ = X₂₂ N₂₁ X₁₁. Every number on the way is an entry of an
inverse, and for reflections these are bounded; powers of N, from which a Neumann series would be made, are not: for one
key repeated with β = 2 they reach 10⁶ in a block of 16.
"""

import triton
import triton.language as tl


@triton.jit
def unit_lower_inverse(N, C: tl.constexpr):
    """(I - N)⁻¹ in float32 for a strictly lower-triangular N ``[C, C]`` in float32; C is 16, 32, 64 or 128."""
    X = _blocks_of_16(N, C)
    if C >= 32:
        X = _merged(X, N, 16, C // 32)
    if C >= 64:
        X = _merged(X, N, 32, C // 64)
    if C >= 128:
        X = _merged(X, N, 64, C // 128)
    return tl.reshape(X, [C, C])


@triton.jit
def _blocks_of_16(N, C: tl.constexpr):
    """The inverses of the blocks on the diagonal, ``[C / 16, 16, 16]``."""
    B: tl.constexpr = C // 16
    block = tl.arange(0, B)
    own = block[:, None, None, None] == block[None, None, :, None]
    D = tl.sum(tl.where(own, tl.reshape(N, [B, 16, B, 16]), 0.0), axis=2)
    row = tl.arange(0, 16)[None, :, None]
    column = tl.arange(0, 16)[None, None, :]
    X = tl.where(row == column, 1.0, tl.zeros([B, 16, 16], tl.float32))
    for i in range(1, 16):
        n = tl.sum(tl.where(row == i, D, 0.0), axis=1)
        x = tl.sum(n[:, :, None] * X, axis=1)
        X += tl.where(row == i, x[:, None, :], 0.0)
    return X


@triton.jit
def _merged(X, N, S: tl.constexpr, P: tl.constexpr):
    """Inverses of P blocks of 2 S rows ``[P, 2 S, 2 S]``, from those of 2 P blocks of S rows."""
    first, second = tl.split(tl.permute(tl.reshape(X, [P, 2, S, S]), [0, 2, 3, 1]))
    _, lower = tl.split(tl.permute(tl.reshape(N, [P, 2, S, P * 2 * S]), [0, 2, 3, 1]))
    below, _ = tl.split(tl.permute(tl.reshape(lower, [P, S, P, 2, S]), [0, 1, 2, 4, 3]))
    pair = tl.arange(0, P)
    own = pair[:, None, None, None] == pair[None, None, :, None]
    below = tl.sum(tl.where(own, below, 0.0), axis=2)
    if P == 1:
        below = tl.reshape(below, [S, S])
        inner = tl.dot(tl.reshape(second, [S, S]), below, input_precision="tf32x3")
        corner = tl.reshape(tl.dot(inner, tl.reshape(first, [S, S]), input_precision="tf32x3"), [1, S, S])
    else:
        corner = tl.dot(tl.dot(second, below, input_precision="tf32x3"), first, input_precision="tf32x3")
    top = tl.reshape(tl.permute(tl.join(first, tl.zeros_like(first)), [0, 1, 3, 2]), [P, S, 2 * S])
    bottom = tl.reshape(tl.permute(tl.join(corner, second), [0, 1, 3, 2]), [P, S, 2 * S])
    return tl.reshape(tl.permute(tl.join(top, bottom), [0, 3, 1, 2]), [P, 2 * S, 2 * S])
