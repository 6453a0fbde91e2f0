"""A short causal convolution of every channel by itself, and its gradients.

N words · T tokens · C channels · J = SIZE - 1 inputs before a word. A program takes TOKENS tokens of CHANNELS channels
at a time; sums are float32.
"""

import triton
import triton.language as tl


@triton.jit
def _before(x, tail, n, t, c, within, stride_n, stride_t, T, C, SIZE: tl.constexpr, PACKED: tl.constexpr):
    """x_t where t may lie before the word: there it is the tail's, or 0; ``within`` says whether it is the word's."""
    there = (t >= 0) & (t < T)
    if PACKED:
        there = there & within
    inside = tl.load(
        x + n * stride_n + t.to(tl.int64)[:, None] * stride_t + c[None, :],
        mask=there[:, None] & (c < C)[None, :],
        other=0.0,
    ).to(tl.float32)
    if tail is not None:
        at = (n * (SIZE - 1) + SIZE - 1 + t).to(tl.int64)
        mask = ((t < 0) & (t >= 1 - SIZE))[:, None] & (c < C)[None, :]
        inside += tl.load(tail + at[:, None] * C + c[None, :], mask=mask, other=0.0).to(tl.float32)
    return inside


@triton.jit
def convolution_fwd_kernel(
    x,
    tail,
    weight,
    bias,
    position,
    y,
    stride_n,
    stride_t,
    T,
    C,
    SIZE: tl.constexpr,
    PACKED: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """y_t = Σ_j w_j x_{t-j} + bias"""
    n = tl.program_id(2).to(tl.int64)
    t = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    c = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    place = t
    if PACKED:
        place = tl.load(position + t, mask=t < T, other=0)
    total = tl.zeros([TOKENS, CHANNELS], tl.float32)
    if bias is not None:
        total += tl.load(bias + c, mask=c < C, other=0.0).to(tl.float32)[None, :]
    for j in tl.static_range(SIZE):
        w = tl.load(weight + c * SIZE + j, mask=c < C, other=0.0).to(tl.float32)
        total += w[None, :] * _before(x, tail, n, t - j, c, place >= j, stride_n, stride_t, T, C, SIZE, PACKED)
    at = (n * T + t)[:, None] * C + c[None, :]
    tl.store(y + at, total.to(y.dtype.element_ty), mask=(t < T)[:, None] & (c < C)[None, :])


@triton.jit
def convolution_bwd_kernel(
    x,
    tail,
    weight,
    position,
    dy,
    dx,
    dtail,
    dweight,
    stride_n,
    stride_t,
    T,
    C,
    blocks,
    SIZE: tl.constexpr,
    PACKED: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """dx_t = Σ_j w_j dy_{t+j}, and of this program's tokens dw_j = Σ_t dy_t x_{t-j} and dbias = Σ_t dy_t.

    ``dweight`` is ``[N · runs, SIZE + 1, C]``, a row for every program; a run is ``blocks`` blocks of tokens.
    """
    n = tl.program_id(2).to(tl.int64)
    run, runs = tl.program_id(1), tl.num_programs(1)
    c = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    there = (c < C)[None, :]
    of_bias = tl.zeros([CHANNELS], tl.float32)
    of_weight = ()
    for _ in tl.static_range(SIZE):
        of_weight = of_weight + (of_bias,)  # noqa: RUF005 - the compiler knows no stars
    for block in range(run * blocks, (run + 1) * blocks):
        t = block * TOKENS + tl.arange(0, TOKENS)
        place = t
        if PACKED:
            place = tl.load(position + t, mask=t < T, other=0)
        at = (n * T + t)[:, None] * C + c[None, :]
        own = tl.load(dy + at, mask=(t < T)[:, None] & there, other=0.0).to(tl.float32)
        of_bias += tl.sum(own, axis=0)
        sums = ()
        gradient = tl.zeros([TOKENS, CHANNELS], tl.float32)
        for j in tl.static_range(SIZE):
            w = tl.load(weight + c * SIZE + j, mask=c < C, other=0.0).to(tl.float32)
            before = _before(x, tail, n, t - j, c, place >= j, stride_n, stride_t, T, C, SIZE, PACKED)
            sums = sums + (of_weight[j] + tl.sum(own * before, axis=0),)  # noqa: RUF005
            seen = t + j < T
            if PACKED:
                seen = seen & (tl.load(position + t + j, mask=seen, other=0) >= j)
            after = tl.load(dy + at + j * C, mask=seen[:, None] & there, other=0.0)
            gradient += w[None, :] * after.to(tl.float32)
        of_weight = sums
        tl.store(dx + at, gradient.to(dx.dtype.element_ty), mask=(t < T)[:, None] & there)
    to = dweight + (n * runs + run) * (SIZE + 1) * C + c
    for j in tl.static_range(SIZE):
        tl.store(to + j * C, of_weight[j], mask=c < C)
    tl.store(to + SIZE * C, of_bias, mask=c < C)
    if dtail is not None:
        if run == 0:
            BEFORE: tl.constexpr = triton.next_power_of_2(SIZE)
            t = tl.arange(0, BEFORE) + 1 - SIZE
            gradient = tl.zeros([BEFORE, CHANNELS], tl.float32)
            for j in tl.static_range(1, SIZE):
                w = tl.load(weight + c * SIZE + j, mask=c < C, other=0.0).to(tl.float32)
                seen = (t < 0) & (t + j >= 0) & (t + j < T)
                after = tl.load(dy + (n * T + t + j)[:, None] * C + c[None, :], mask=seen[:, None] & there, other=0.0)
                gradient += w[None, :] * after.to(tl.float32)
            at = (n * (SIZE - 1) + SIZE - 1 + t)[:, None] * C + c[None, :]
            tl.store(dtail + at, gradient.to(dtail.dtype.element_ty), mask=(t < 0)[:, None] & there)
