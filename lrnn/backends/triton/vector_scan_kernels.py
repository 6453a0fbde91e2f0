"""The kernels of a diagonal recurrence whose state is one vector per head, S_t = λ_t ∘ S_{t-1} + k_t v_t.

A program takes one segment of one word and C · HL heads, and walks over the tokens U at a time. What it holds of a
state is C tiles of [BK, HL] (K and heads), so that a sum over K and a sum over heads each cross few lanes.
"""

# ruff: noqa: RUF005  (Triton's tuples are added, not unpacked)

import triton
import triton.language as tl

from lrnn.backends.triton.vector_numbers_kernels import (
    add,
    block_of_heads,
    decay_of,
    fixed_decays,
    key_of,
    load,
    mul,
    mul_conj,
    store,
    total,
)


@triton.jit(do_not_specialize=["H", "G", "GS", "NB"])
def vector_scan_fwd_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    log_ptr,
    step_ptr,
    rate_ptr,
    sign_ptr,
    phase_ptr,
    starts_ptr,  # [segments, H, K], the state before each
    y_ptr,  # [tokens, H]
    ends_ptr,  # [segments, H, K], the state after each
    kept_ptr,  # [chunks, H, K], the state before each chunk
    segments_ptr,  # int32 [segments, 3]: first token, number of tokens, first chunk
    H,
    G,
    GS,
    NB,
    K: tl.constexpr,
    BK: tl.constexpr,
    HL: tl.constexpr,
    C: tl.constexpr,
    U: tl.constexpr,
    L: tl.constexpr,
    P: tl.constexpr,
    QP: tl.constexpr,
    KP: tl.constexpr,
    VP: tl.constexpr,
    DECAY: tl.constexpr,
    PHASE: tl.constexpr,
    SIGN: tl.constexpr,
    OWN: tl.constexpr,
    KEEP: tl.constexpr,
):
    """y and the last states of every segment; with KEEP the state before every chunk of L tokens."""
    blocks = tl.cdiv(H, GS) * NB
    segment = tl.program_id(0) // blocks
    group, heads, there = block_of_heads(tl.program_id(0) % blocks, 0, H, GS, NB, C, HL)
    n = tl.arange(0, BK)[:, None]
    first = tl.load(segments_ptr + 3 * segment).to(tl.int64)
    count = tl.load(segments_ptr + 3 * segment + 1)
    chunk = tl.load(segments_ptr + 3 * segment + 2).to(tl.int64)
    fixed = fixed_decays(log_ptr, rate_ptr, phase_ptr, heads, there, n, K, DECAY, PHASE, C)
    state = ()
    for c in tl.static_range(C):
        state = state + (load(starts_ptr, segment.to(tl.int64) * H * K, heads[c] * K + n, there[c] & (n < K), P, P),)

    for t in range(0, count, U):
        if KEEP:
            if t % L == 0:
                for c in tl.static_range(C):
                    store(kept_ptr, (chunk + t // L) * H * K, heads[c] * K + n, state[c], there[c] & (n < K), P)
        outputs = ()
        for i in tl.static_range(U):
            live = count > t + i
            token = first + t + i
            after = ()
            for c in tl.static_range(C):
                mask = tl.where(live, there[c], False)
                if OWN or c == 0:
                    key = key_of(k_ptr, token, group, G, H, heads[c], n, K, mask, live, OWN, KP, P)
                    query = key_of(q_ptr, token, group, G, H, heads[c], n, K, mask, live, OWN, QP, P)
                value = load(v_ptr, token * H, heads[c], mask, VP, P)
                decay, _ = decay_of(
                    log_ptr, step_ptr, sign_ptr, phase_ptr, fixed[c], token * H, heads[c], n, K, mask, live,
                    DECAY, PHASE, SIGN, P,
                )  # fmt: skip
                S = add(mul(decay, state[c], P), mul(key, value, P), P)
                outputs = outputs + (total(mul(query, S, P), 0, P),)
                after = after + (S,)
            state = after
        for i in tl.static_range(U):  # after all that is loaded, which could not be moved before a store
            for c in tl.static_range(C):
                mask = tl.where(count > t + i, there[c], False)
                store(y_ptr, (first + t + i) * H, heads[c], outputs[i * C + c], mask, P)
    for c in tl.static_range(C):
        store(ends_ptr, segment.to(tl.int64) * H * K, heads[c] * K + n, state[c], there[c] & (n < K), P)


@triton.jit(do_not_specialize=["H", "G", "GS", "NB"])
def vector_scan_ends_kernel(
    key_ptr,
    v_ptr,
    log_ptr,
    step_ptr,
    rate_ptr,
    sign_ptr,
    phase_ptr,
    ends_ptr,  # [segments, H, K], what a segment makes of the zero state
    products_ptr,  # [segments, H, K], the product of its decays
    segments_ptr,
    H,
    G,
    GS,
    NB,
    K: tl.constexpr,
    BK: tl.constexpr,
    HL: tl.constexpr,
    C: tl.constexpr,
    U: tl.constexpr,
    P: tl.constexpr,
    KP: tl.constexpr,
    VP: tl.constexpr,
    DECAY: tl.constexpr,
    PHASE: tl.constexpr,
    SIGN: tl.constexpr,
    OWN: tl.constexpr,
    BACK: tl.constexpr,
):
    """The segments by themselves; with BACK from the last token to the first, as the gradient of the state goes."""
    blocks = tl.cdiv(H, GS) * NB
    segment = tl.program_id(0) // blocks
    group, heads, there = block_of_heads(tl.program_id(0) % blocks, 0, H, GS, NB, C, HL)
    n = tl.arange(0, BK)[:, None]
    first = tl.load(segments_ptr + 3 * segment).to(tl.int64)
    count = tl.load(segments_ptr + 3 * segment + 1)
    fixed = fixed_decays(log_ptr, rate_ptr, phase_ptr, heads, there, n, K, DECAY, PHASE, C)
    state = ()
    product = ()
    for _tile in tl.static_range(C):
        zero = tl.zeros([BK, HL], tl.float32)
        if P == 2:
            state = state + ((zero, zero),)
            product = product + ((zero + 1.0, zero),)
        else:
            state = state + ((zero,),)
            product = product + ((zero + 1.0,),)

    for start in range(0, count, U):
        for i in tl.static_range(U):
            t = start + i
            live = count > t
            if BACK:
                t = count - 1 - t
            token = first + t
            after = ()
            longer = ()
            for c in tl.static_range(C):
                mask = tl.where(live, there[c], False)
                value = load(v_ptr, token * H, heads[c], mask, VP, P)
                key = key_of(key_ptr, token, group, G, H, heads[c], n, K, mask, live, OWN, KP, P)
                decay, _ = decay_of(
                    log_ptr, step_ptr, sign_ptr, phase_ptr, fixed[c], token * H, heads[c], n, K, mask, live,
                    DECAY, PHASE, SIGN, P,
                )  # fmt: skip
                if BACK:
                    S = mul_conj(add(state[c], mul_conj(value, key, P), P), decay, P)
                    longer = longer + (mul_conj(product[c], decay, P),)
                else:
                    S = add(mul(decay, state[c], P), mul(key, value, P), P)
                    longer = longer + (mul(decay, product[c], P),)
                after = after + (S,)
            state = after
            product = longer
    for c in tl.static_range(C):
        row, at, mask = segment.to(tl.int64) * H * K, heads[c] * K + n, there[c] & (n < K)
        store(ends_ptr, row, at, state[c], mask, P)
        store(products_ptr, row, at, product[c], mask, P)


@triton.jit(do_not_specialize=["size"])
def vector_scan_combine_kernel(
    first_ptr,  # [words, H·K], the state before each word, or the gradient after it
    ends_ptr,
    products_ptr,
    starts_ptr,  # [segments, H·K], the state before each segment, or the gradient after it
    words_ptr,  # int32 [words, 2]: first segment, number of segments
    size,  # H·K
    BLOCK: tl.constexpr,
    P: tl.constexpr,
    BACK: tl.constexpr,
):
    """From the segments by themselves to the states between them, word by word."""
    blocks = tl.cdiv(size, BLOCK)
    word = tl.program_id(0) // blocks
    x = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    mask = x < size
    segment = tl.load(words_ptr + 2 * word).to(tl.int64)
    count = tl.load(words_ptr + 2 * word + 1)
    state = load(first_ptr, word.to(tl.int64) * size, x, mask, P, P)
    for i in range(0, count):
        row = (segment + (count - 1 - i if BACK else i)) * size
        store(starts_ptr, row, x, state, mask, P)
        product = load(products_ptr, row, x, mask, P, P)
        state = add(mul(product, state, P), load(ends_ptr, row, x, mask, P, P), P)
