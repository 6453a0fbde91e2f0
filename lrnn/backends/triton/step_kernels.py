"""One program takes some columns of a head's state through a few tokens: the state is read once and written once.

A step is bound by the bytes of the state, so all of it is arithmetic in float32 on a tile that stays in registers. A
reflector needs kᵀS over all state rows, so a program has all of them and few columns.

Shapes: N words · T tokens · G key heads · H heads · R reflectors or rank · K state rows · V state columns. An argument
is a tuple of a tensor in any dtype and its strides, one per axis, or None where it is absent; a complex tensor is given
as pairs (Re, Im) with one stride more. The state comes in and goes out contiguous, and may be one memory.
"""

import triton
import triton.language as tl


@triton.jit
def numbers(pointer, mask):
    """What lies there in float32, 0 where the mask, if there is one, is off."""
    if mask is None:
        found = tl.load(pointer)
    else:
        found = tl.load(pointer, mask=mask, other=0.0)
    return found.to(tl.float32)


@triton.jit
def decay_of(log_decay, sign, mask):
    """sign · exp(log_decay)."""
    decay = tl.exp(numbers(log_decay, mask))
    if sign is not None:
        decay *= numbers(sign, mask)
    return decay


@triton.jit
def matrix_step_kernel(
    q,
    k,
    v,
    reflector,
    beta,
    a,
    b,
    log_decay,
    sign,
    state,
    final,
    y,
    T,
    H,
    heads_per_key,
    K: tl.constexpr,
    V: tl.constexpr,
    R: tl.constexpr,
    NORMALIZE: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
):
    """S ← D S, then per reflector S ← (I - β k kᵀ) S + k vᵀ; or S ← (D + Σ a bᵀ) S + k vᵀ; y = Sᵀ q.

    With beta, k and v have an axis R, and reflector None is k; without it they have none. log_decay has three axes, or
    four if there is one number per state row.
    """
    blocks: tl.constexpr = (V + BLOCK_V - 1) // BLOCK_V
    program = tl.program_id(0)
    head = (program // blocks % H).to(tl.int64)
    word = (program // blocks // H).to(tl.int64)
    group = head // heads_per_key
    row = tl.arange(0, BLOCK_K)
    column = program % blocks * BLOCK_V + tl.arange(0, BLOCK_V)
    in_row, in_column = row < K, column < V
    tile = (word * H + head) * (K * V) + row[:, None] * V + column[None, :]
    in_tile = in_row[:, None] & in_column[None, :]
    S = tl.load(state + tile, mask=in_tile, other=0.0)

    at_q = q[0] + word * q[1] + group * q[3] + row * q[4]
    at_y = y[0] + word * y[1] + head * y[3] + column * y[4]
    at_k = k[0] + word * k[1] + group * k[3]
    at_v = v[0] + word * v[1] + head * v[3]
    if beta is None:
        at_k += row * k[4]
        at_v += column * v[4]
    else:
        at_k += row * k[5]
        at_v += column * v[5]
        at_beta = beta[0] + word * beta[1] + head * beta[3]
        if reflector is not None:
            at_reflector = reflector[0] + word * reflector[1] + group * reflector[3] + row * reflector[5]
    if a is not None:
        at_a = a[0] + word * a[1] + group * a[3] + row * a[5]
        at_b = b[0] + word * b[1] + group * b[3] + row * b[5]
    at_sign = None
    if log_decay is not None:
        at_decay = log_decay[0] + word * log_decay[1] + head * log_decay[3]
        if len(log_decay) == 5:
            at_decay += row * log_decay[4]
        if sign is not None:
            at_sign = sign[0] + word * sign[1] + head * sign[3]
            if len(log_decay) == 5:
                at_sign += row * sign[4]

    for _ in range(T):
        # what the end of the step wants is asked for at its start, and each write one reflector ahead
        query = numbers(at_q, in_row)
        key = numbers(at_k, in_row)
        value = numbers(at_v, in_column)
        if beta is not None:
            strength = numbers(at_beta, None)
            direction = key
            if reflector is not None:
                direction = numbers(at_reflector, in_row)

        if a is not None:
            correction = tl.zeros([BLOCK_K, BLOCK_V], tl.float32)
            for r in tl.static_range(R):
                left = numbers(at_a + r * a[4], in_row)
                right = numbers(at_b + r * b[4], in_row)
                correction += left[:, None] * tl.sum(right[:, None] * S, axis=0)[None, :]
        if log_decay is not None:
            if len(log_decay) == 5:
                S *= decay_of(at_decay, at_sign, in_row)[:, None]
            else:
                S *= decay_of(at_decay, at_sign, None)
        if a is not None:
            S += correction

        if beta is None:
            S += key[:, None] * value[None, :]
        else:
            for r in tl.static_range(R):
                along = tl.sum(direction[:, None] * S, axis=0)
                if NORMALIZE:
                    square = tl.sum(direction * direction, axis=0)
                    strength = tl.where(square > 0, strength / tl.where(square > 0, square, 1.0), 0.0)
                if reflector is None:
                    S += key[:, None] * (value - strength * along)[None, :]
                else:
                    S += key[:, None] * value[None, :] - direction[:, None] * (strength * along)[None, :]
                if r + 1 < R:
                    key = numbers(at_k + (r + 1) * k[4], in_row)
                    value = numbers(at_v + (r + 1) * v[4], in_column)
                    strength = numbers(at_beta + (r + 1) * beta[4], None)
                    direction = key
                    if reflector is not None:
                        direction = numbers(at_reflector + (r + 1) * reflector[4], in_row)
        read = tl.sum(query[:, None] * S, axis=0)
        tl.store(at_y, read.to(y[0].dtype.element_ty), mask=in_column)

        at_q += q[2]
        at_k += k[2]
        at_v += v[2]
        at_y += y[2]
        if beta is not None:
            at_beta += beta[2]
            if reflector is not None:
                at_reflector += reflector[2]
        if a is not None:
            at_a += a[2]
            at_b += b[2]
        if log_decay is not None:
            at_decay += log_decay[2]
            if sign is not None:
                at_sign += sign[2]
    tl.store(final + tile, S, mask=in_tile)


@triton.jit
def pairs(pointer, mask, COMPLEX: tl.constexpr):
    """(Re, Im) of what lies there, with Im = 0 where the memory is real."""
    re = numbers(pointer, mask)
    if COMPLEX:
        im = numbers(pointer + 1, mask)
    else:
        im = tl.zeros_like(re)
    return re, im


@triton.jit
def diagonal_step_kernel(
    q,
    k,
    v,
    log_decay,
    sign,
    phase,
    state,
    final,
    y,
    T,
    H,
    heads_per_key,
    K: tl.constexpr,
    V: tl.constexpr,
    COMPLEX: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
):
    """S ← λ S + k vᵀ and y = Sᵀ q with λ = sign · exp(log_decay + i phase), for several heads of few numbers each.

    For one state column (Mamba, LRU), and for complex states of any size. log_decay, sign and phase have three axes, or
    four if there is one number per state row; with COMPLEX all but log_decay and sign may be complex.
    """
    blocks: tl.constexpr = (V + BLOCK_V - 1) // BLOCK_V
    groups = tl.cdiv(H, BLOCK_H)
    program = tl.program_id(0)
    word = (program // blocks // groups).to(tl.int64)
    head = (program // blocks % groups * BLOCK_H + tl.arange(0, BLOCK_H)).to(tl.int64)
    group = head // heads_per_key
    row = tl.arange(0, BLOCK_K)
    column = program % blocks * BLOCK_V + tl.arange(0, BLOCK_V)
    in_head = (head < H)[:, None]
    in_row = in_head & (row < K)[None, :]
    in_column = in_head & (column < V)[None, :]
    if COMPLEX:
        # Re and Im side by side in one row of memory, so that a thread reads 16 bytes at once
        place = program % blocks * 2 * BLOCK_V + tl.arange(0, 2 * BLOCK_V)
        in_tile = in_row[:, :, None] & (place < 2 * V)[None, None, :]
        tile = ((word * H + head) * (2 * K * V))[:, None, None] + (row * 2 * V)[None, :, None] + place[None, None, :]
        both = tl.load(state + tile, mask=in_tile, other=0.0)
        S, S_im = tl.split(tl.reshape(both, [BLOCK_H, BLOCK_K, BLOCK_V, 2]))
    else:
        in_tile = in_row[:, :, None] & (column < V)[None, None, :]
        tile = ((word * H + head) * (K * V))[:, None, None] + (row * V)[None, :, None] + column[None, None, :]
        S = tl.load(state + tile, mask=in_tile, other=0.0)

    at_q = q[0] + word * q[1] + (group * q[3])[:, None] + (row * q[4])[None, :]
    at_k = k[0] + word * k[1] + (group * k[3])[:, None] + (row * k[4])[None, :]
    at_v = v[0] + word * v[1] + (head * v[3])[:, None] + (column * v[4])[None, :]
    at_y = y[0] + word * y[1] + (head * y[3])[:, None] + (column * y[4])[None, :]
    at_sign = None
    if log_decay is not None:
        in_decay = in_head
        at_decay = log_decay[0] + word * log_decay[1] + (head * log_decay[3])[:, None]
        if len(log_decay) == 5:
            in_decay = in_row
            at_decay += (row * log_decay[4])[None, :]
        if sign is not None:
            at_sign = sign[0] + word * sign[1] + (head * sign[3])[:, None]
            if len(sign) == 5:
                at_sign += (row * sign[4])[None, :]
        if phase is not None:
            at_phase = phase[0] + word * phase[1] + (head * phase[3])[:, None]
            if len(phase) == 5:
                at_phase += (row * phase[4])[None, :]

    for _ in range(T):
        if COMPLEX:
            query, query_im = pairs(at_q, in_row, len(q) == 6)
            key, key_im = pairs(at_k, in_row, len(k) == 6)
            value, value_im = pairs(at_v, in_column, len(v) == 6)
        else:
            query, key, value = numbers(at_q, in_row), numbers(at_k, in_row), numbers(at_v, in_column)
        if log_decay is not None:
            decay = decay_of(at_decay, at_sign, in_decay)
            if phase is not None:
                angle = numbers(at_phase, in_decay)
                re, im = (decay * tl.cos(angle))[:, :, None], (decay * tl.sin(angle))[:, :, None]
                S, S_im = re * S - im * S_im, re * S_im + im * S
            else:
                S *= decay[:, :, None]
                if COMPLEX:
                    S_im *= decay[:, :, None]
        S += key[:, :, None] * value[:, None, :]
        if COMPLEX:
            S -= key_im[:, :, None] * value_im[:, None, :]
            S_im += key[:, :, None] * value_im[:, None, :] + key_im[:, :, None] * value[:, None, :]
            read = tl.sum(query[:, :, None] * S - query_im[:, :, None] * S_im, axis=1)
            read_im = tl.sum(query[:, :, None] * S_im + query_im[:, :, None] * S, axis=1)
            tl.store(at_y, read, mask=in_column)
            tl.store(at_y + 1, read_im, mask=in_column)
        else:
            read = tl.sum(query[:, :, None] * S, axis=1)
            tl.store(at_y, read.to(y[0].dtype.element_ty), mask=in_column)

        at_q += q[2]
        at_k += k[2]
        at_v += v[2]
        at_y += y[2]
        if log_decay is not None:
            at_decay += log_decay[2]
            if sign is not None:
                at_sign += sign[2]
            if phase is not None:
                at_phase += phase[2]
    if COMPLEX:
        S = tl.reshape(tl.join(S, S_im), [BLOCK_H, BLOCK_K, 2 * BLOCK_V])
    tl.store(final + tile, S, mask=in_tile)
