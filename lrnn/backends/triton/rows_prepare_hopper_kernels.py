"""What happens inside each chunk, that of :mod:`rows_prepare_kernels`, for Hopper, in Gluon.

A program takes one chunk of one head after the other, and while it works on the products of one the keys and queries of
the next arrive. The inverse X of I - N, for N ``[64, 64]``, goes by rows of 16 × 16 blocks,

    X_i = T_i (I_i + Σ_{k<i} N_ik X_k)    with T_i the inverse of the block on the diagonal, and I_i of the unit matrix,

all transposed, so that every X_k is in registers the left factor of the next products. The T_i are found by
substitution, row after row, in float32. Every number on the way is an entry of an inverse.

For inputs of 16 bits, decays that are one number per head (bfloat16) or none, and chunks that have all their tokens.
"""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from lrnn.backends.triton.hopper_kernels import (
    begin_early,
    decay_plane,
    exp_of_difference,
    fetch_tile,
    load_of_rows,
    micro_rows,
    not_zero,
    operand,
    rows_of,
    send_tile,
    store_of_rows,
    two_terms,
    wait_for_warps,
)


@gluon.jit
def add(x, y):
    return x + y


@gluon.jit
def first_token(chunks, n, begin, per_piece, per_run, AGAIN: gl.constexpr):
    """Of the n-th chunk, or of that of the piece."""
    if AGAIN:
        n = n // per_piece * per_run + begin + n % per_piece
    return gl.load(chunks + 2 * n)


@gluon.jit
def fetch_rows(keys, queries, k_s, q_s, full, at, item, H, heads, BYTES: gl.constexpr):
    hk = item % H // heads
    mbarrier.expect(full.index(0), BYTES)
    fetch_tile(keys, [hk, at, 0, 0], full.index(0), k_s)
    fetch_tile(queries, [hk, at, 0, 0], full.index(0), q_s)


@gluon.jit
def inverses_of_blocks(blocks_s):
    """The inverses ``[64, 16]``, of I - N for the four diagonal blocks of N, ``[row, block, column]``."""
    L: gl.constexpr = gl.BlockedLayout([1, 1, 8, 1], [1, 1, 2, 16], [1, 4, 1, 1], [3, 2, 1, 0])
    OF_X: gl.constexpr = gl.SliceLayout(2, L)
    row = gl.arange(0, 16, layout=gl.SliceLayout(0, gl.SliceLayout(1, gl.SliceLayout(3, L))))
    column = gl.arange(0, 16, layout=gl.SliceLayout(0, gl.SliceLayout(1, OF_X)))
    row, column = row[None, None, :, None], column[None, None, :]
    X = gl.where((row == 0) & (column[:, :, None, :] == 0), 1.0, gl.zeros([1, 4, 16, 16], gl.float32, L))
    for i in gl.static_range(1, 16):
        N = blocks_s.slice(i, 1).load(gl.SliceLayout(3, L))
        x = gl.sum(N[:, :, :, None] * X, axis=2) + gl.where(column == i, 1.0, 0.0)
        X = gl.where(row == i, x[:, :, None, :], X)
    return X.reshape([64, 16])


@gluon.jit
def times_two(acc, high, low, y, y_low, FROM_ZERO: gl.constexpr):
    """acc + (high + low) (y + y_low)ᵀ, without the product of both low ones."""
    acc = warpgroup_mma(operand(low, 16), y.permute((1, 0)), acc, use_acc=not FROM_ZERO, is_async=True)
    acc = warpgroup_mma(operand(high, 16), y_low.permute((1, 0)), acc, is_async=True)
    return warpgroup_mma(operand(high, 16), y.permute((1, 0)), acc, is_async=True)


@gluon.jit
def plus_block(Z, high, low, N_s, N_low_s, i: gl.constexpr, k: gl.constexpr):
    """(Z + N_ik X_k)ᵀ"""
    at: gl.constexpr = 16 * (4 * i + k)
    return times_two(Z, high, low, N_s.slice(at, 16), N_low_s.slice(at, 16), False)


@gluon.jit
def rows_of_inverse(Z, T_s, T_low_s, X_s, X_low_s, i: gl.constexpr, X: gl.constexpr):
    """X_iᵀ = (T_i Z)ᵀ, as two numbers; Zᵀ ``[64, 16]``."""
    Z = warpgroup_mma_wait(0, [Z])
    high, low = two_terms(Z, X)
    found = times_two(Z, high, low, T_s.slice(16 * i, 16), T_low_s.slice(16 * i, 16), True)
    high, low = two_terms(warpgroup_mma_wait(0, [found]), X)
    X_s.reshape([64, 64]).slice(16 * i, 16).permute((1, 0)).store(high)
    X_low_s.reshape([64, 64]).slice(16 * i, 16).permute((1, 0)).store(low)
    return high, low


@gluon.jit(do_not_specialize=["tokens", "num_chunks", "begin", "per_piece", "per_run", "H", "G"])
def rows_prepare_fwd_hopper_kernel(
    q,
    key,
    beta,
    log_decay,
    chunks,
    inverse,
    reads,
    factor,
    decays,
    tokens,
    num_chunks,
    begin,
    per_piece,
    per_run,
    H,
    G,
    R: gl.constexpr,
    RP: gl.constexpr,
    C: gl.constexpr,
    K: gl.constexpr,
    DECAY: gl.constexpr,
    NORMALIZE: gl.constexpr,
    DELTA: gl.constexpr,
    AGAIN: gl.constexpr,
):
    """DELTA: beta multiplies what is written, too, and so the columns of the inverse; the factors to the first state
    are without it.
    AGAIN: in the backward, only of the chunks of a piece, and only the inverse and the reads, chunk by chunk."""
    CT: gl.constexpr = C // RP
    held = tokens
    if AGAIN:
        held = num_chunks * CT
    keys, queries = rows_of(key, tokens, G, R, K, CT, RP, K), rows_of(q, tokens, G, 1, K, CT, 1, K)
    reading = rows_of(reads, held, H, 1, C, CT, 1, C)
    inverses = rows_of(inverse, 2 * held, H, R, C, CT, RP, C)  # the second numbers behind the first
    X: gl.constexpr = keys.dtype
    TILES: gl.constexpr = gl.NVMMASharedLayout(32, 16, rank=2)
    LINES: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [2, 1, 0])
    k_s = gl.allocate_shared_memory(X, [1, CT, RP, K], keys.layout)
    q_s = gl.allocate_shared_memory(X, [1, CT, 1, K], queries.layout)
    A_s = gl.allocate_shared_memory(X, [1, CT, 1, C], reading.layout)
    X_s = gl.allocate_shared_memory(X, [1, CT, RP, C], inverses.layout)
    X_low_s = gl.allocate_shared_memory(X, [1, CT, RP, C], inverses.layout)
    N_s, N_low_s = gl.allocate_shared_memory(X, [256, 16], TILES), gl.allocate_shared_memory(X, [256, 16], TILES)
    T_s, T_low_s = gl.allocate_shared_memory(X, [64, 16], TILES), gl.allocate_shared_memory(X, [64, 16], TILES)
    blocks_s = gl.allocate_shared_memory(gl.float32, [16, 4, 16], LINES)
    full = gl.allocate_shared_memory(gl.int64, [1, 1], mbarrier.MBarrierLayout())
    mbarrier.init(full.index(0), count=1)
    fence_async_shared()
    wait_for_warps()
    begin_early()

    MC: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, C, 16])
    MT: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, CT, 16])
    MB: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, 16, 16])
    LINE: gl.constexpr = gl.BlockedLayout([1], [32], [4], [0])
    row, column = gl.arange(0, C, layout=gl.SliceLayout(1, MC)), gl.arange(0, C, layout=gl.SliceLayout(0, MC))
    row_of_t, t = gl.arange(0, C, layout=gl.SliceLayout(1, MT)), gl.arange(0, CT, layout=gl.SliceLayout(0, MT))
    row_of_b, within = gl.arange(0, C, layout=gl.SliceLayout(1, MB)), gl.arange(0, 16, layout=gl.SliceLayout(0, MB))
    line, short = gl.arange(0, C, layout=LINE), gl.arange(0, CT, layout=LINE)
    sees = t[None, :] >= (row_of_t // RP)[:, None]
    below, own = row[:, None] > column[None, :], (row // 16)[:, None] == (column // 16)[None, :]
    unit = row_of_b[:, None] - within[None, :]

    BYTES: gl.constexpr = 2 * K * (C + CT)
    pid, programs, heads = gl.program_id(0), gl.num_programs(0), H // G
    items = (num_chunks * H - pid + programs - 1) // programs
    at = first_token(chunks, pid // H, begin, per_piece, per_run, AGAIN)
    fetch_rows(keys, queries, k_s, q_s, full, at, pid, H, heads, BYTES)
    for n in range(items):
        item = pid + n * programs
        h = item % H
        out = at
        if AGAIN:
            out = item // H * CT
        at_rows = ((at.to(gl.int64) + row // RP) * H + h) * R + row % RP
        strength = -load_of_rows(beta + at_rows, row, R, RP).to(gl.float32)
        if DELTA:
            strength = -not_zero(-strength)
        if DECAY and AGAIN:
            logs = decay_plane(decays, 2, tokens, H, h) + at
            g_read, g_of_t = gl.load(logs + t), gl.load(logs + row_of_t // RP)
            g_row, g_column = gl.load(logs + row // RP), gl.load(logs + column // RP)
        elif DECAY:
            gates = log_decay + at.to(gl.int64) * H + h
            of_rows = gl.where(line % RP == 0, gl.load(gates + line // RP * H), 0.0).to(gl.float64)
            of_reads = gl.load(gates + short * H).to(gl.float64)
            total = gl.sum(of_reads, axis=0)
            of_rows, of_reads = gl.associative_scan(of_rows, 0, add), gl.associative_scan(of_reads, 0, add)
            here = at + short
            gl.store(decay_plane(decays, 0, tokens, H, h) + here, gl.exp(of_reads.to(gl.float32)))
            gl.store(decay_plane(decays, 1, tokens, H, h) + here, gl.exp((total - of_reads).to(gl.float32)))
            of_reads = of_reads * 1.4426950408889634
            g_read = of_reads.to(gl.float32)
            gl.store(decay_plane(decays, 2, tokens, H, h) + here, g_read)
            g_read = gl.convert_layout(g_read, gl.SliceLayout(0, MT))
            g = (of_rows * 1.4426950408889634).to(gl.float32)
            since = gl.convert_layout(gl.exp(of_rows.to(gl.float32)), gl.SliceLayout(1, MC))
            g_of_t = gl.convert_layout(g, gl.SliceLayout(1, MT))
            g_row, g_column = gl.convert_layout(g, gl.SliceLayout(1, MC)), gl.convert_layout(g, gl.SliceLayout(0, MC))
        mbarrier.wait(full.index(0), n & 1)
        k = k_s.reshape([C, K])
        A = warpgroup_mma(
            k, q_s.reshape([CT, K]).permute((1, 0)), gl.zeros([C, CT], gl.float32, MT), use_acc=False, is_async=True
        )
        N = warpgroup_mma(k, k.permute((1, 0)), gl.zeros([C, C], gl.float32, MC), use_acc=False, is_async=True)
        A, N = warpgroup_mma_wait(0, [A, N])
        tma.store_wait(0)
        wait_for_warps()
        following = at
        if n + 1 < items:
            following = first_token(chunks, (item + programs) // H, begin, per_piece, per_run, AGAIN)
            fetch_rows(keys, queries, k_s, q_s, full, following, item + programs, H, heads, BYTES)
        if NORMALIZE:
            square = gl.sum(gl.where(row[:, None] == column[None, :], N, 0.0), axis=1)
            strength = gl.where(square > 0, strength / gl.where(square > 0, square, 1.0), 0.0)
        N = N * strength[:, None]
        if DECAY:
            A = A * exp_of_difference(g_read[None, :], g_of_t[:, None])
            N = N * exp_of_difference(g_row[:, None], g_column[None, :])
        if not AGAIN:
            of_rows = strength
            if DELTA:
                of_rows = gl.full([C], -1.0, gl.float32, gl.SliceLayout(1, MC))
            if DECAY:
                of_rows = of_rows * since
            to_store = factor + (h.to(gl.int64) * tokens + at) * R + micro_rows(row, R, RP)
            store_of_rows(to_store, of_rows, row, R, RP)
        N = gl.where(below, N, 0.0)
        of_blocks = gl.sum(gl.where(own, N, 0.0).reshape([4, 16, 4, 16]), axis=2)
        blocks_s.store(of_blocks.permute((1, 0, 2)))
        A_s.reshape([CT, C]).permute((1, 0)).store(gl.where(sees, A, 0.0).to(X))
        high, low = two_terms(N, X)
        N_s.store(high.reshape([4, 16, 4, 16]).permute((0, 2, 1, 3)).reshape([256, 16]))
        N_low_s.store(low.reshape([4, 16, 4, 16]).permute((0, 2, 1, 3)).reshape([256, 16]))
        wait_for_warps()
        high, low = two_terms(inverses_of_blocks(blocks_s), X)
        T_s.store(high)
        T_low_s.store(low)
        fence_async_shared()
        wait_for_warps()
        send_tile(reading, [h, out, 0, 0], A_s)

        zero, one = gl.zeros([C, 16], gl.float32, MB), gl.full([C, 16], 1.0, gl.float32, MB)
        if DELTA:
            one = one * gl.convert_layout(-strength, gl.SliceLayout(1, MB))[:, None]
        Z0, Z1 = gl.where(unit == 0, one, zero), gl.where(unit == 16, one, zero)
        Z2, Z3 = gl.where(unit == 32, one, zero), gl.where(unit == 48, one, zero)
        high, low = rows_of_inverse(Z0, T_s, T_low_s, X_s, X_low_s, 0, X)
        Z1 = plus_block(Z1, high, low, N_s, N_low_s, 1, 0)
        Z2 = plus_block(Z2, high, low, N_s, N_low_s, 2, 0)
        Z3 = plus_block(Z3, high, low, N_s, N_low_s, 3, 0)
        high, low = rows_of_inverse(Z1, T_s, T_low_s, X_s, X_low_s, 1, X)
        Z2 = plus_block(Z2, high, low, N_s, N_low_s, 2, 1)
        Z3 = plus_block(Z3, high, low, N_s, N_low_s, 3, 1)
        high, low = rows_of_inverse(Z2, T_s, T_low_s, X_s, X_low_s, 2, X)
        Z3 = plus_block(Z3, high, low, N_s, N_low_s, 3, 2)
        rows_of_inverse(Z3, T_s, T_low_s, X_s, X_low_s, 3, X)
        fence_async_shared()
        wait_for_warps()
        send_tile(inverses, [h, out, 0, 0], X_s)
        send_tile(inverses, [h, held + out, 0, 0], X_low_s)
        at = following
    tma.store_wait(0)
