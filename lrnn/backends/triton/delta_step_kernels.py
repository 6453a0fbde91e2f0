"""A whole step of a DeltaNet head between two projections: convolution, keys, state, what is read of it.

B words · H heads · R reflectors · K, V · C channels of the convolution, which are those of q, then k, then v · J tokens
before this one. A program takes one head of one word; all arithmetic is float32.
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
def convolved(x, tail, weight, local, channel, there, C, SIZE: tl.constexpr, AXIS: tl.constexpr):
    """Σ_j w_j x_{t-j} of some channels, whose tail moves on by this token.

    A tile of channels × tokens, summed over tokens, and not a token at a time: then every number is loaded once, and
    not by all threads that a key is handed to afterwards. AXIS is that of the tokens, the one along which the result
    will be spread over the state: were it the other, Triton would bring the state into the layout of this tile.
    """
    TOKENS: tl.constexpr = triton.next_power_of_2(SIZE)
    m = tl.expand_dims(tl.arange(0, TOKENS), 1 - AXIS)  # the last of SIZE tokens is this one
    local, channel, there = tl.expand_dims(local, AXIS), tl.expand_dims(channel, AXIS), tl.expand_dims(there, AXIS)
    older, own = there & (m < SIZE - 1), there & (m == SIZE - 1)
    window = tl.load(x + local + 0 * m, mask=own, other=0.0).to(tl.float32)
    if SIZE > 1:
        window += tl.load(tail + m * C + channel, mask=older, other=0.0).to(tl.float32)
    w = tl.load(weight + channel * SIZE + (SIZE - 1 - m), mask=older | own, other=0.0)
    total = tl.sum(window * w.to(tl.float32), axis=AXIS)
    if SIZE > 1:
        tl.debug_barrier()  # all of the tail has been read
        tl.store(tail + (m - 1) * C + channel, window.to(tail.dtype.element_ty), mask=(older | own) & (m > 0))
    return total


@triton.jit
def delta_step_kernel(
    q,
    k,
    v,
    tail,
    weight,
    beta,
    decay,
    gate,
    norm,
    state,
    y,
    stride_q,
    stride_k,
    stride_v,
    stride_gate,
    eps,
    H,
    K: tl.constexpr,
    V: tl.constexpr,
    DECAYS: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
    R: tl.constexpr,
    SIZE: tl.constexpr,
    KEYS: tl.constexpr,
    VALUES: tl.constexpr,
    KEY_NORM: tl.constexpr,
    KEY_EPS: tl.constexpr,
    NORMALIZE: tl.constexpr,
):
    """S ← decay S, then for each reflector S ← S - β/|k|² k (Sᵀk)ᵀ + β k vᵀ, and y = norm(Sᵀq) ⊙ silu(gate)."""
    h, b = tl.program_id(0), tl.program_id(1).to(tl.int64)
    i, j = tl.arange(0, BLOCK_K), tl.arange(0, BLOCK_V)
    of_k, of_v = i < K, j < V
    at = state + ((b * H + h) * K + i[:, None]) * V + j[None, :]
    there = of_k[:, None] & of_v[None, :]
    S = tl.load(at, mask=there, other=0.0)
    if decay is not None:
        each = (b * H + h) * DECAYS + (i if DECAYS > 1 else i * 0)
        S *= tl.load(decay + each, mask=of_k, other=1.0)[:, None]

    C = H * (K + R * K + R * V)
    tail += b * (SIZE - 1) * C
    query = activated(convolved(q + b * stride_q, tail, weight, h * K + i, h * K + i, of_k, C, SIZE, 0), KEYS)
    query = tl.where(of_k, query, 0.0)
    if KEY_NORM:
        query = query / tl.maximum(tl.sqrt(tl.sum(query * query)), KEY_EPS)
    for r in tl.static_range(R):
        head = h * R + r
        local = head * K + i
        key = activated(convolved(k + b * stride_k, tail, weight, local, H * K + local, of_k, C, SIZE, 0), KEYS)
        key = tl.where(of_k, key, 0.0)
        if KEY_NORM:
            key = key / tl.maximum(tl.sqrt(tl.sum(key * key)), KEY_EPS)
        local = head * V + j
        channel = H * (K + R * K) + local
        value = activated(convolved(v + b * stride_v, tail, weight, local, channel, of_v, C, SIZE, 1), VALUES)
        strength = tl.load(beta + b * H * R + head)
        erase = strength
        if NORMALIZE:
            square = tl.sum(key * key)
            erase = tl.where(square > 0, strength / tl.where(square > 0, square, 1.0), 0.0)
        seen = tl.sum(key[:, None] * S, axis=0)
        S += key[:, None] * (strength * value - erase * seen)[None, :]
    tl.store(at, S, mask=there)

    read = tl.sum(query[:, None] * S, axis=0)
    if norm is not None:
        read *= tl.rsqrt(tl.sum(tl.where(of_v, read * read, 0.0)) / V + eps)
        read *= tl.load(norm + j, mask=of_v, other=0.0).to(tl.float32)
    if gate is not None:
        read *= activated(tl.load(gate + b * stride_gate + h * V + j, mask=of_v, other=0.0).to(tl.float32), "silu")
    tl.store(y + (b * H + h) * V + j, read.to(y.dtype.element_ty), mask=of_v)
