"""A whole step of a DeltaNet head between two projections: convolution, keys, state, what is read of it.

B words · H heads · R reflectors · K, V · C channels of the convolution, which are those of q, then k, then v · J tokens
before this one. A program takes one head of one word after another; all arithmetic is float32. In Gluon, for the
layouts say where warps wait for each other: of the vectors, which are rows of one tile, each warp has whole ones, and
of the state whole rows.
"""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.ampere import async_copy

from lrnn.backends.triton.hopper_kernels import ask_for, begin_early, fetch_each, seen_as, wait_for_warps


@gluon.jit
def unit(x):
    return 1.0 / (1.0 + gl.exp(-x))


@gluon.jit
def activated(x, ACTIVATION: gl.constexpr):
    if ACTIVATION == "silu":
        x = x * unit(x)
    elif ACTIVATION == "relu":
        x = gl.maximum(x, 0.0)
    elif ACTIVATION == "elu":
        x = gl.where(x > 0, x + 1.0, gl.exp(gl.minimum(x, 0.0)))
    return x


@gluon.jit
def unit_gate(x, FORM: gl.constexpr):
    """As :func:`lrnn.layers.gates.unit_gate`."""
    if FORM == "sigmoid":
        x = unit(x)
    elif FORM == "sharp":
        x = unit(10.0 * x)
    elif FORM == "clamp":
        x = gl.minimum(gl.maximum(0.6 * (2.0 * unit(2.0 * x) - 1.0) + 0.5, 0.0), 1.0)
    else:
        x = x * 0.0 + 1.0
    return x


@gluon.jit
def softplus(x):
    e = gl.exp(gl.minimum(x, 20.0))
    small = e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - e * 0.25)))  # log(1 + e), which would lose what 1 + e loses
    return gl.where(x > 20.0, x, gl.where(e < 0.01, small, gl.log(1.0 + e)))


@gluon.jit
def vectors_of(tile, VECTORS: gl.constexpr, BLOCK: gl.constexpr):
    """The rows of a tile in shared memory."""
    return seen_as(tile, tile.dtype, [VECTORS, BLOCK], gl.SwizzledSharedLayout(1, 1, 1, [0]))


@gluon.jit
def delta_step_kernel(
    q,
    k,
    v,
    tail,
    weight,
    beta,
    decay,
    rate,
    bias,
    gate,
    norm,
    state,
    y,
    stride_q,
    stride_k,
    stride_v,
    stride_gate,
    eps,
    bound,
    H,
    heads,
    K: gl.constexpr,
    V: gl.constexpr,
    DECAYS: gl.constexpr,
    BLOCK_K: gl.constexpr,
    BLOCK_V: gl.constexpr,
    BLOCK: gl.constexpr,
    VECTORS: gl.constexpr,
    R: gl.constexpr,
    SIZE: gl.constexpr,
    KEYS: gl.constexpr,
    VALUES: gl.constexpr,
    KEY_NORM: gl.constexpr,
    KEY_EPS: gl.constexpr,
    NORMALIZE: gl.constexpr,
    FORM: gl.constexpr,
    WARPS: gl.constexpr,
    EARLY: gl.constexpr,
    UNTOUCHED: gl.constexpr,
    AGAIN: gl.constexpr,
):
    """S ← decay S, then for each reflector S ← S - β/|k|² k (Sᵀk)ᵀ + β k vᵀ, and y = norm(Sᵀq) ⊙ silu(gate), with
    β = bound · u(beta) and, where there is a rate, the decay exp(-exp(rate) softplus(decay + bias)).

    BLOCK is the larger of BLOCK_K and BLOCK_V, VECTORS a power of 2 that 1 + 2R fit in: q, all k, all v. AGAIN:
    programs have more than one of the ``heads`` of all words, and fetch the next state while they change this one.
    UNTOUCHED: the kernel before this one writes neither tail nor state, so that they are read while it runs.
    """
    LANES: gl.constexpr = 32 if BLOCK_V >= 128 else BLOCK_V // 4
    L: gl.constexpr = gl.BlockedLayout([1, 4], [32 // LANES, LANES], [WARPS, 1], [1, 0])
    PLAIN: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [1, 0])
    i, j = gl.arange(0, BLOCK_K, layout=gl.SliceLayout(1, L)), gl.arange(0, BLOCK_V, layout=gl.SliceLayout(0, L))
    of_k, of_v = i < K, j < V
    inside = i[:, None] * V + j[None, :]
    there = of_k[:, None] & of_v[None, :]
    n = gl.arange(0, VECTORS, layout=gl.SliceLayout(1, L))[:, None]
    place = gl.arange(0, BLOCK, layout=gl.SliceLayout(0, L))[None, :]
    is_v = n > R
    used = (n <= 2 * R) & gl.where(is_v, place < V, place < K)
    C = H * (K + R * K + R * V)
    x_s = gl.allocate_shared_memory(gl.float32, [VECTORS, BLOCK], PLAIN)
    erase_s = gl.allocate_shared_memory(gl.float32, [VECTORS, BLOCK], PLAIN)
    first, programs = gl.program_id(0), gl.num_programs(0)
    if norm is not None:
        scale = gl.load(norm + j, mask=of_v, other=0.0).to(gl.float32)
    if EARLY and not UNTOUCHED:
        if K % 4 == 0 and V % 4 == 0:
            LINES: gl.constexpr = gl.BlockedLayout([1], [32], [WARPS], [0])
            row = gl.minimum(gl.arange(0, BLOCK_K, layout=LINES), K - 1)
            ask_for(state + (first.to(gl.int64) * K + row) * V, 4 * V + 0 * row)
        begin_early()
    S_s = x_s
    if AGAIN:
        S_s = gl.allocate_shared_memory(gl.float32, [BLOCK_K, BLOCK_V], PLAIN)
        fetch_each(S_s, state + first.to(gl.int64) * K * V + inside, mask=there)
        async_copy.commit_group()
    for item in range(first, heads, programs):
        b, h = gl.cast(item // H, gl.int64), item % H
        of_reflector = h * R + gl.where(is_v, n - 1 - R, n - 1)
        local = gl.where(n == 0, h * K, gl.where(is_v, of_reflector * V, of_reflector * K)) + place
        channel = local + gl.where(n == 0, 0, gl.where(is_v, H * (K + R * K), H * K))
        older = tail + b * (SIZE - 1) * C + channel
        at = state + gl.cast(item, gl.int64) * K * V + inside

        # all that is needed is asked for before any of it is waited for
        window = ()
        factors = ()
        if not AGAIN:
            S = gl.load(at, mask=there, other=0.0)
        for token in gl.static_range(SIZE - 1):
            window = window + (gl.load(older + token * C, mask=used, other=0.0),)  # noqa: RUF005
        for token in gl.static_range(SIZE):
            at_weight = weight + channel * SIZE + (SIZE - 1 - token)
            factors = factors + (gl.load(at_weight, mask=used, other=0.0),)  # noqa: RUF005
        if EARLY and UNTOUCHED:
            if item == first:
                begin_early()
        own = gl.load(q + b * stride_q + local, mask=used & (n == 0), other=0.0).to(gl.float32)
        own += gl.load(k + b * stride_k + local, mask=used & (n > 0) & (n <= R), other=0.0).to(gl.float32)
        own += gl.load(v + b * stride_v + local, mask=used & is_v, other=0.0).to(gl.float32)
        strength = n * 0.0
        if beta is not None:
            strength = gl.load(beta + b * H * R + of_reflector, mask=(n > 0) & (n <= 2 * R), other=0.0).to(gl.float32)
        if decay is not None:
            if DECAYS > 1:
                kept = gl.load(decay + item * DECAYS + i, mask=of_k, other=0.0).to(gl.float32)[:, None]
            else:
                kept = gl.load(decay + item).to(gl.float32)
        if rate is not None:
            fastest, shift = gl.load(rate + h).to(gl.float32), gl.load(bias + h).to(gl.float32)
        if gate is not None:
            opening = gl.load(gate + b * stride_gate + h * V + j, mask=of_v, other=0.0).to(gl.float32)

        strength = bound * unit_gate(strength, FORM)
        x = own * factors[SIZE - 1].to(gl.float32)
        for token in gl.static_range(SIZE - 1):
            x += window[token].to(gl.float32) * factors[token].to(gl.float32)
        x = gl.where(is_v, activated(x, VALUES), activated(x, KEYS))
        x = gl.where(used, x, 0.0)
        if KEY_NORM:
            length = gl.maximum(gl.sqrt(gl.sum(x * x, axis=1)), KEY_EPS)[:, None]
            x = gl.where(is_v, x, x / length)
        erase = strength
        if NORMALIZE:
            square = gl.sum(x * x, axis=1)[:, None]
            erase = gl.where(square > 0, strength / gl.where(square > 0, square, 1.0), 0.0)
        x = gl.where(is_v, x * strength, x)
        if AGAIN:
            async_copy.wait_group(0)
            wait_for_warps()
            S = gl.where(there, S_s.load(L), 0.0)
        x_s.store(x)
        erase_s.store(erase + 0.0 * x)
        wait_for_warps()
        # now all of the tail has been read, and of the state
        for token in gl.static_range(SIZE - 1):
            following = own.to(tail.dtype.element_ty)
            if token < SIZE - 2:
                following = window[token + 1]
            gl.store(older + token * C, following, mask=used)
        if AGAIN:
            following = gl.cast(gl.minimum(item + programs, heads - 1), gl.int64)
            fetch_each(S_s, state + following * K * V + inside, mask=there & (item + programs < heads))
            async_copy.commit_group()

        if decay is not None:
            if rate is not None:
                kept = gl.exp(-gl.exp(fastest) * softplus(kept + shift))
            S *= kept
        xs, erases = vectors_of(x_s, VECTORS, BLOCK), vectors_of(erase_s, VECTORS, BLOCK)
        for r in gl.static_range(R):
            key = xs.index(1 + r).slice(0, BLOCK_K).load(gl.SliceLayout(1, L))
            value = xs.index(1 + R + r).slice(0, BLOCK_V).load(gl.SliceLayout(0, L))
            erased = erases.index(1 + r).slice(0, BLOCK_V).load(gl.SliceLayout(0, L))
            known = gl.sum(key[:, None] * S, axis=0)
            S += key[:, None] * (value - erased * known)[None, :]
        gl.store(at, S, mask=there)

        query = xs.index(0).slice(0, BLOCK_K).load(gl.SliceLayout(1, L))
        read = gl.sum(query[:, None] * S, axis=0)
        if norm is not None:
            mean = gl.sum(gl.where(of_v, read * read, 0.0), axis=0) / V
            read *= gl.rsqrt(mean + eps) * scale
        if gate is not None:
            read *= opening * unit(opening)
        gl.store(y + gl.cast(item, gl.int64) * V + j, read.to(y.dtype.element_ty), mask=of_v)
