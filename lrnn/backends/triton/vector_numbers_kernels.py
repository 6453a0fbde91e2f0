"""Numbers, decays and keys of the vector scan, as all its kernels load them.

A number is a tuple of P tensors: (x,) where all is real, (Re x, Im x) where the state is complex.

DECAY says what a decay is made of: FIXED, one number per head and row; FULL, one per token too; STEPPED, the step of
the token and head times the rate of the head and row. PHASE likewise, NONE where the decay is real.
OWN: every head has its own key; else GS neighboring heads share one, and NB blocks of heads cover them.
"""

# ruff: noqa: RUF005  (Triton's tuples are added, not unpacked)

import triton
import triton.language as tl

NONE = tl.constexpr(0)
FIXED = tl.constexpr(1)
FULL = tl.constexpr(2)
STEPPED = tl.constexpr(3)

LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def load(ptr, row, at, mask, PARTS: tl.constexpr, P: tl.constexpr):
    """A number of PARTS (1 or 2) parts in memory as one of P; where the mask is off, 0.

    row is one int64 and at a tile of int32, so that the tile of addresses costs little.
    """
    base = ptr + row * PARTS
    if PARTS == 2:
        return (tl.load(base + 2 * at, mask=mask, other=0.0), tl.load(base + 2 * at + 1, mask=mask, other=0.0))
    else:
        x = tl.load(base + at, mask=mask, other=0.0).to(tl.float32)
        if P == 2:
            return (x, tl.zeros_like(x))
        else:
            return (x,)


@triton.jit
def store(ptr, row, at, x, mask, PARTS: tl.constexpr):
    """x, or its real part where memory holds no more."""
    base = ptr + row * PARTS
    if PARTS == 2:
        tl.store(base + 2 * at, x[0], mask=mask)
        tl.store(base + 2 * at + 1, x[1], mask=mask)
    else:
        tl.store(base + at, x[0].to(ptr.dtype.element_ty), mask=mask)


@triton.jit
def mul(x, y, P: tl.constexpr):
    if P == 2:
        return (x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0])
    else:
        return (x[0] * y[0],)


@triton.jit
def mul_conj(x, y, P: tl.constexpr):
    """x times the conjugate of y."""
    if P == 2:
        return (x[0] * y[0] + x[1] * y[1], x[1] * y[0] - x[0] * y[1])
    else:
        return (x[0] * y[0],)


@triton.jit
def add(x, y, P: tl.constexpr):
    if P == 2:
        return (x[0] + y[0], x[1] + y[1])
    else:
        return (x[0] + y[0],)


@triton.jit
def total(x, axis: tl.constexpr, P: tl.constexpr):
    if P == 2:
        return (tl.sum(x[0], axis=axis, keep_dims=True), tl.sum(x[1], axis=axis, keep_dims=True))
    else:
        return (tl.sum(x[0], axis=axis, keep_dims=True),)


@triton.jit
def cos_sin(x):
    """cos x and sin x to 1e-7 for |x| < 1e3 and 1e-6 for |x| < 1e5: x = n π/2 + r, and minimax series on ±π/4.

    Together and without the branch for huge numbers they cost a third of the two functions of CUDA.
    """
    n = tl.floor(x * 0.6366197723675814 + 0.5)
    r = x - n * 1.5703125  # π/2 in three numbers, of which the first has few bits, so that nothing is rounded
    r = r - n * 4.837512969970703125e-4
    r = r - n * 7.549789948768648e-8
    s = r * r
    sine = tl.fma(tl.fma(tl.fma(s, -1.9515295891e-4, 8.3321608736e-3), s, -1.6666654611e-1), s * r, r)
    cosine = tl.fma(tl.fma(2.443315711809948e-5, s, -1.388731625493765e-3), s, 4.166664568298827e-2)
    cosine = tl.fma(cosine, s * s, tl.fma(s, -0.5, 1.0))
    quarter = n - 4.0 * tl.floor(n * 0.25)
    odd = (quarter == 1.0) | (quarter == 3.0)
    cos = tl.where(odd, sine, cosine)
    sin = tl.where(odd, cosine, sine)
    return tl.where((quarter == 1.0) | (quarter == 2.0), -cos, cos), tl.where(quarter >= 2.0, -sin, sin)


@triton.jit
def block_of_heads(block, skipped, H, GS, NB, C: tl.constexpr, HL: tl.constexpr):
    """The group of a block, and for each of its C tiles the heads [1, HL] and which of them there are.

    Blocks are counted without the first so many of every group, which are skipped.
    """
    group = block // NB
    inside = (skipped + block % NB) * (C * HL) + tl.arange(0, HL)[None, :]
    heads = ()
    there = ()
    for c in tl.static_range(C):  # type: ignore[attr-defined]
        heads = heads + (group * GS + inside + c * HL,)
        there = there + ((inside + c * HL < GS) & (group * GS + inside + c * HL < H),)
    return group, heads, there


@triton.jit
def fixed_decays(
    log_ptr, rate_ptr, phase_ptr, heads, there, n, K, DECAY: tl.constexpr, PHASE: tl.constexpr, C: tl.constexpr
):
    """What of the decays does not depend on the token, by tile: |λ| or the rate, then cos and sin of the phase."""
    found = ()
    for c in tl.static_range(C):  # type: ignore[attr-defined]
        at = heads[c] * K + n
        mask = there[c] & (n < K)
        size = tl.zeros(at.shape, tl.float32)
        cos = size
        sin = size
        if DECAY == FIXED:
            size = tl.exp2(tl.load(log_ptr + at, mask=mask, other=0.0).to(tl.float32) * LOG2_E)
        if DECAY == STEPPED:
            size = tl.load(rate_ptr + at, mask=mask, other=0.0).to(tl.float32)
        if PHASE == FIXED:
            phase = tl.load(phase_ptr + at, mask=mask, other=0.0).to(tl.float32)
            cos, sin = cos_sin(phase)
        found = found + ((size, cos, sin),)
    return found


@triton.jit
def decay_of(
    log_ptr,
    step_ptr,
    sign_ptr,
    phase_ptr,
    fixed,
    row,  # of the token in [tokens, H]
    head,
    n,
    K,
    mask,
    live,
    DECAY: tl.constexpr,
    PHASE: tl.constexpr,
    SIGN: tl.constexpr,
    P: tl.constexpr,
):
    """λ of one token and tile, and the step; 1 where there is no token or head, so that the state stays."""
    at = head * K + n
    inside = mask & (n < K)
    step = tl.zeros(head.shape, tl.float32)
    size = fixed[0]
    if DECAY == FULL:
        size = tl.exp2(load(log_ptr, row * K, at, inside, 1, 1)[0] * LOG2_E)
    if DECAY == STEPPED:
        step = load(step_ptr, row, head, mask, 1, 1)[0]
        size = tl.exp2((step * LOG2_E) * fixed[0])
    if SIGN:
        size = size * tl.load(sign_ptr + row * K + at, mask=inside, other=1.0).to(tl.float32)
    if P == 2:
        cos = fixed[1]
        sin = fixed[2]
        if PHASE == FULL:
            cos, sin = cos_sin(load(phase_ptr, row * K, at, inside, 1, 1)[0])
        if PHASE == NONE:
            re = size
            im = tl.zeros_like(size)
        else:
            re = size * cos
            im = size * sin
        if DECAY == FIXED or PHASE == FIXED:
            re = tl.where(live, re, 1.0)
            im = tl.where(live, im, 0.0)
        return (re, im), step
    else:
        if DECAY == FIXED:
            size = tl.where(live, size, 1.0)
        return (size,), step


@triton.jit
def key_of(ptr, token, group, G, H, head, n, K, mask, live, OWN: tl.constexpr, PARTS: tl.constexpr, P: tl.constexpr):
    """The key of one token: [BK, HL] where every head has its own, else [BK, 1]."""
    if OWN:
        return load(ptr, token * H * K, head * K + n, mask & (n < K), PARTS, P)
    else:
        return load(ptr, (token * G + group) * K, n, tl.where(live, n < K, False), PARTS, P)
