"""What the kernels in Gluon share; see :mod:`rows_chain_hopper_kernels`."""

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.ampere import async_copy
from triton.experimental.gluon.language.nvidia.hopper import fence_async_shared, tma

# what Triton calls them changed after 3.6
wait_for_warps = gl.thread_barrier if hasattr(gl, "thread_barrier") else gl.barrier
fetch_tile = tma.async_load if hasattr(tma, "async_load") else tma.async_copy_global_to_shared
fetch_each = async_copy.async_load if hasattr(async_copy, "async_load") else async_copy.async_copy_global_to_shared
send_tile = tma.async_store if hasattr(tma, "async_store") else tma.async_copy_shared_to_global
memory = gl.shared_memory_descriptor
seen_as = memory.reinterpret if hasattr(memory, "reinterpret") else memory._reinterpret


@gluon.jit
def let_next_begin():
    """The kernel after this one may start, if it is one that may do so early (``launch_pdl``)."""
    gl.inline_asm_elementwise(
        "griddepcontrol.launch_dependents; // $0", constraints="=r", args=[], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.jit
def wait_for_previous():
    """What the kernel before this one wrote is there from here on."""
    gl.inline_asm_elementwise(
        "griddepcontrol.wait; // $0", constraints="=r", args=[], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.jit
def begin_early():
    """What the kernel before this one wrote is there from here on, and the kernel after it may start.

    Before it, while that one still runs, weights may be read, and :func:`ask_for` may ask for anything."""
    wait_for_previous()
    let_next_begin()


@gluon.jit
def ask_for(place, count):
    """Bring so many bytes from each of these places on, multiples of 16, into the cache that all processors share."""
    gl.inline_asm_elementwise(
        "cp.async.bulk.prefetch.L2.global [$1], $2; mov.u32 $0, 0;",
        constraints="=r,l,r",
        args=[place, count],
        dtype=gl.int32,
        is_pure=False,
        pack=1,
    )


@gluon.jit
def two_terms(x, X: gl.constexpr):
    """x in float32 as two numbers of a 16-bit dtype."""
    if X == gl.bfloat16:
        high, low = gl.inline_asm_elementwise(
            """{
            .reg .b32 a, b;
            cvt.rn.bf16x2.f32 $0, $3, $2;
            shl.b32 a, $0, 16;
            and.b32 b, $0, 0xffff0000;
            sub.f32 a, $2, a;
            sub.f32 b, $3, b;
            cvt.rn.bf16x2.f32 $1, b, a;
            }""",
            constraints="=&r,=&r,r,r",
            args=[x],
            dtype=(gl.bfloat16, gl.bfloat16),
            is_pure=True,
            pack=2,
        )
    else:
        high = x.to(X)
        low = (x - high.to(gl.float32)).to(X)
    return high, low


@gluon.jit
def exp_of_difference(later, earlier):
    """exp(later - earlier) of logarithms of base 2, at most 1; below 10⁻³⁸ it is 0."""
    return gl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;",
        constraints="=r,r",
        args=[gl.minimum(later - earlier, 0.0)],
        dtype=gl.float32,
        is_pure=True,
        pack=1,
    )


@gluon.jit
def rows_of(base, tokens, heads, R: gl.constexpr, W: gl.constexpr, CT: gl.constexpr, RP: gl.constexpr, B: gl.constexpr):
    """A descriptor of ``[tokens, heads, R, W]`` in tiles of CT tokens, RP micro-rows and B columns of one head."""
    SWIZZLE: gl.constexpr = 128 if B >= 64 else 2 * B
    L: gl.constexpr = gl.NVMMASharedLayout(SWIZZLE, 16, rank=4)
    return tma.make_tensor_descriptor(base, [heads, tokens, R, W], [R * W, heads * R * W, W, 1], [1, CT, RP, B], L)


@gluon.jit
def room_for(rows, STAGES: gl.constexpr, CT: gl.constexpr, RP: gl.constexpr, B: gl.constexpr):
    return gl.allocate_shared_memory(rows.dtype, [STAGES, 1, CT, RP, B], rows.layout)


@gluon.jit
def hand_out(found, seen, room, rows, place):
    """What all warps found, by way of their ``room`` in shared memory, ``seen`` in the order of the registers."""
    seen.store(found)
    fence_async_shared()
    wait_for_warps()
    send_tile(rows, place, room)


@gluon.jit
def decay_plane(decays, PLANE: gl.constexpr, tokens, H, h):
    """As in :mod:`rows_kernels`."""
    return decays + (H * PLANE + h).to(gl.int64) * tokens


@gluon.jit
def micro_rows(row, R: gl.constexpr, RP: gl.constexpr):
    """As in :mod:`rows_kernels`."""
    at = row
    if R != RP:
        at = row // RP * R + row % RP
    return at


@gluon.jit
def room_for_numbers(STAGES: gl.constexpr, SIZE: gl.constexpr):
    """One float32 for every row of a chunk, or for every read."""
    return gl.allocate_shared_memory(gl.float32, [STAGES, SIZE], gl.SwizzledSharedLayout(1, 1, 1, [0]))


@gluon.jit
def fetch_numbers(
    rooms,
    full,
    factors,
    since,
    until,
    R: gl.constexpr,
    RP: gl.constexpr,
    C: gl.constexpr,
    DECAY: gl.constexpr,
    SOLVE: gl.constexpr,
):
    """What a chunk's rows and states are multiplied by, into shared memory; the barrier counts it."""
    f_s, reads_s, end_s, whole_s = rooms
    CT: gl.constexpr = C // RP
    LANES: gl.constexpr = gl.BlockedLayout([1], [32], [1], [0])
    row, t = gl.arange(0, C, layout=LANES), gl.arange(0, CT, layout=LANES)
    if SOLVE:
        if R == RP:
            fetch_each(f_s, factors + row)
        else:
            at = factors + micro_rows(row, R, RP)
            fetch_each(f_s, at, mask=row % RP < R)
    if DECAY:
        fetch_each(reads_s, since + t)
        fetch_each(end_s, until + row // RP)
        fetch_each(whole_s, since + CT - 1 + row * 0)
    if SOLVE or DECAY:
        async_copy.mbarrier_arrive(full)


@gluon.jit
def load_of_rows(numbers, row, R: gl.constexpr, RP: gl.constexpr):
    """One number per row of a chunk; 0 for rows that only fill up a token."""
    if R == RP:
        found = gl.load(numbers)
    else:
        found = gl.load(numbers, mask=row % RP < R, other=0.0)
    return found


@gluon.jit
def store_of_rows(numbers, found, row, R: gl.constexpr, RP: gl.constexpr):
    """Where :func:`load_of_rows` reads."""
    if R == RP:
        gl.store(numbers, found)
    else:
        gl.store(numbers, found, mask=row % RP < R)


@gluon.jit
def not_zero(x):
    """What is divided by again: at least 2⁻⁴⁰ in size, whose square float32 holds as well."""
    return gl.where((x < 2.0**-40) & (x > -(2.0**-40)), 2.0**-40, x)


@gluon.jit
def operand(x, WIDTH: gl.constexpr):
    """As the left factor, in registers, of a product of WIDTH columns."""
    M: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, WIDTH, 16])
    return gl.convert_layout(x, gl.DotOperandLayout(0, M, 2))
