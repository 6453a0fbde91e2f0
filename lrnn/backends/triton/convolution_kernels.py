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
    program, n = tl.program_id(0), tl.program_id(1).to(tl.int64)
    slices = tl.cdiv(C, CHANNELS)
    t = program // slices * TOKENS + tl.arange(0, TOKENS)
    c = program % slices * CHANNELS + tl.arange(0, CHANNELS)
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
def _row(x, t, stride_t, c, there, T):
    """x_t of some channels, 0 where 0 <= t < T is not."""
    at = t + 0 * c
    return tl.load(x + at.to(tl.int64) * stride_t + c, mask=there & (at >= 0) & (at < T), other=0.0)


@triton.jit
def convolution_bwd_kernel(
    x,
    tail,
    weight,
    position,
    dy,
    drest,
    dx,
    dtail,
    dweight,
    stride_n,
    stride_t,
    T,
    C,
    steps,
    SIZE: tl.constexpr,
    PACKED: tl.constexpr,
    TOKENS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """dx_t = Σ_j w_j dy_{t+j}, and of this program's tokens dw_j = Σ_t dy_t x_{t-j} and dbias = Σ_t dy_t.

    A thread has all tokens of its channels and goes through them in order, with the J before and the J after in its
    registers, so each number is read once. ``dweight`` is ``[B · runs, SIZE + 1, C]``, a row for every program; a run
    is ``steps`` times TOKENS tokens. ``drest`` is the gradient of the last J of the tail and x.
    """
    J: tl.constexpr = SIZE - 1
    n = tl.program_id(2).to(tl.int64)
    run, runs = tl.program_id(1), tl.num_programs(1)
    c = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    there = c < C
    x, dy, dx = x + n * stride_n, dy + n * T * C, dx + n * T * C
    first = run * steps * TOKENS
    of_bias = tl.zeros([CHANNELS], tl.float32)
    w, of_weight, before, after = (), (), (), ()
    for j in tl.static_range(SIZE):
        w = w + (tl.load(weight + c * SIZE + j, mask=there, other=0.0).to(tl.float32),)  # noqa: RUF005
        of_weight = of_weight + (of_bias,)  # noqa: RUF005 - the compiler knows no stars
    for j in tl.static_range(J):
        t = first - J + j
        row = _row(x, t, stride_t, c, there, T)
        if tail is not None:
            row += _row(tail + n * J * C, J + t, C, c, there, J)
        before = before + (row,)  # noqa: RUF005
        after = after + (_row(dy, first + j, C, c, there, T),)  # noqa: RUF005
    for step in range(steps):
        start = first + step * TOKENS
        for i in tl.static_range(TOKENS):
            before = before + (_row(x, start + i, stride_t, c, there, T),)  # noqa: RUF005
            after = after + (_row(dy, start + J + i, C, c, there, T),)  # noqa: RUF005
        for i in tl.static_range(TOKENS):
            t = start + i
            own = after[i].to(tl.float32)
            of_bias += own
            gradient = tl.zeros([CHANNELS], tl.float32)
            sums = ()
            for j in tl.static_range(SIZE):
                seen, sees = before[J + i - j].to(tl.float32), after[i + j].to(tl.float32)
                if PACKED:
                    seen = tl.where(tl.load(position + t, mask=t < T, other=0) >= j, seen, 0.0)
                    sees = tl.where(tl.load(position + t + j, mask=t + j < T, other=0) >= j, sees, 0.0)
                sums = sums + (of_weight[j] + own * seen,)  # noqa: RUF005
                gradient += w[j] * sees
            of_weight = sums
            if drest is not None:
                gradient += _row(drest + n * J * C, t - (T - J), C, c, there, J).to(tl.float32)
            at = t + 0 * c
            tl.store(dx + at.to(tl.int64) * C + c, gradient.to(dx.dtype.element_ty), mask=there & (at < T))
        kept, ahead = (), ()
        for j in tl.static_range(J):
            kept, ahead = kept + (before[TOKENS + j],), ahead + (after[TOKENS + j],)  # noqa: RUF005
        before, after = kept, ahead
    to = dweight + (n * runs + run) * SIZE * C + (n * runs + run) * C + c
    for j in tl.static_range(SIZE):
        tl.store(to + j * C, of_weight[j], mask=there)
    tl.store(to + SIZE * C, of_bias, mask=there)
    if dtail is not None:
        if run == 0:
            for m in tl.static_range(J):
                gradient = tl.zeros([CHANNELS], tl.float32)
                for j in tl.static_range(J - m, SIZE):
                    gradient += w[j] * _row(dy, first + m - J + j, C, c, there, T).to(tl.float32)
                if drest is not None:
                    gradient += _row(drest + n * J * C, first + m - T, C, c, there, J).to(tl.float32)
                tl.store(dtail + (n * J + m) * C + c, gradient.to(dtail.dtype.element_ty), mask=there)
