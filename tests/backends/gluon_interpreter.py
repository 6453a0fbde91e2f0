"""Gluon kernels on the CPU, for there is no interpreter of them: their source, with torch for the names of Gluon.

The partitions of a program are threads, barriers count as on the GPU, and a product or a copy is made at once; so the
arithmetic, the addresses and the phases are tested, but not whether something is waited for.
"""

from __future__ import annotations

import itertools
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

PATIENCE = 20.0
"""Seconds after which a barrier that nobody completes is a fault."""

program = threading.local()


class Pointer:
    def __init__(self, flat: Tensor, at: Any = 0) -> None:
        self.flat, self.at = flat, at
        self.dtype = SimpleNamespace(element_ty=flat.dtype)

    def __add__(self, offset: Any) -> Pointer:
        return Pointer(self.flat, self.at + offset)

    def __sub__(self, offset: Any) -> Pointer:
        return Pointer(self.flat, self.at - offset)


class Memory:
    """Shared memory, or a view of it."""

    def __init__(self, numbers: Tensor) -> None:
        self.numbers, self.dtype = numbers, numbers.dtype

    def index(self, i: int) -> Memory:
        return Memory(self.numbers[i])

    def slice(self, start: int, length: int) -> Memory:
        return Memory(self.numbers[start : start + length])

    def reshape(self, shape: list[int]) -> Memory:
        return Memory(self.numbers.view(shape))

    def permute(self, order: tuple[int, ...]) -> Memory:
        return Memory(self.numbers.permute(order))

    def reinterpret(self, dtype: Any, shape: list[int], layout: Any) -> Memory:
        return Memory(self.numbers.view(dtype).view(shape))

    def load(self, layout: Any) -> Tensor:
        return self.numbers.clone()

    def store(self, value: Tensor) -> None:
        assert value.dtype == self.numbers.dtype and value.shape == self.numbers.shape
        self.numbers.copy_(value)


class Barrier:
    """Completes its phase when all arrivals and all announced bytes have come."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.phase = self.count = self.arrivals = self.bytes = 0

    def take(self, arrivals: int, bytes: int) -> None:
        with self.changed:
            self.arrivals += arrivals
            self.bytes += bytes
            assert self.arrivals <= self.count, "more arrivals than the barrier counts"
            if self.arrivals == self.count and self.bytes == 0:
                self.phase, self.arrivals = self.phase + 1, 0
                self.changed.notify_all()

    def wait(self, parity: int) -> None:
        with self.changed:
            done = self.changed.wait_for(lambda: self.phase % 2 != parity, PATIENCE)
        assert done, "a barrier that nobody completes"


class Barriers:
    def __init__(self, stages: int) -> None:
        self.all = [Barrier() for _ in range(stages)]

    def index(self, i: int) -> Barrier:
        return self.all[i]


class Descriptor:
    def __init__(self, base: Pointer, shape: list, strides: list, block: list[int], layout: Any) -> None:
        self.base, self.block, self.layout, self.dtype = base, block, layout, base.flat.dtype
        self.shape, self.strides = [int(n) for n in shape], [int(n) for n in strides]

    def places(self, corner: list) -> tuple[Tensor, Tensor]:
        """Where the numbers of a tile are, and which of them there are."""
        at, inside = torch.zeros(self.block, dtype=torch.long), torch.ones(self.block, dtype=torch.bool)
        for axis, (start, size) in enumerate(zip(corner, self.block, strict=True)):
            form = [-1 if other == axis else 1 for other in range(len(self.block))]
            along = (int(start) + torch.arange(size)).view(form)
            at = at + along * self.strides[axis]
            inside = inside & (along >= 0) & (along < self.shape[axis])
        return at + self.base.at, inside


def _load(pointer: Pointer, mask: Any = True, other: float = 0.0) -> Tensor:
    if mask is True:
        return pointer.flat[pointer.at]
    return torch.where(mask, pointer.flat[torch.where(mask, pointer.at, 0)], other)


def _minimum(x: Any, y: Any) -> Any:
    return x.clamp(max=y) if isinstance(x, Tensor) and (x.ndim or x.is_floating_point()) else min(int(x), int(y))


def _store(pointer: Pointer, value: Tensor, mask: Any = True) -> None:
    if mask is True:
        pointer.flat[pointer.at] = value
    else:
        mask = mask.expand_as(pointer.at)
        pointer.flat[pointer.at[mask]] = value[mask]


def _in(descriptor: Descriptor, corner: list, barrier: Barrier, room: Memory) -> None:
    at, inside = descriptor.places(corner)
    numbers = torch.where(inside, descriptor.base.flat[at.clamp(0, descriptor.base.flat.numel() - 1)], 0)
    room.numbers.copy_(numbers.to(descriptor.dtype))
    barrier.take(0, -room.numbers.numel() * room.numbers.element_size())


def _out(descriptor: Descriptor, corner: list, room: Memory) -> None:
    at, inside = descriptor.places(corner)
    descriptor.base.flat[at[inside]] = room.numbers[inside]


def _product(a: Any, b: Memory, acc: Tensor, use_acc: bool = True, is_async: bool = False) -> Tensor:
    a = a.numbers if isinstance(a, Memory) else a
    assert a.dtype == b.numbers.dtype and a.dtype.itemsize == 2 and acc.dtype == torch.float32
    product = a.float() @ b.numbers.float()
    assert product.shape == acc.shape
    return product + acc if use_acc else product


def _asm(asm: str, args: list[Tensor], dtype: Any, **_: Any) -> Any:
    if asm.startswith(("griddepcontrol", "cp.async.bulk.prefetch")):
        return None
    if asm.startswith("ex2"):
        return args[0].exp2()
    high = args[0].to(dtype[0])
    return high, (args[0] - high.float()).to(dtype[1])


def _initialize(barrier: Barrier, count: int) -> None:
    barrier.count = count


def _specialize(parts: list, warps: list[int], registers: list[int]) -> None:
    faults: list[BaseException] = []

    def run(function: Any, given: tuple, place: tuple, grid: tuple) -> None:
        program.place, program.grid = place, grid
        try:
            with torch.no_grad():  # which is a thread's own
                function(*given)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(*part, program.place, program.grid)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _allocate(dtype: Any, shape: list[int], layout: Any) -> Memory | Barriers:
    if dtype is torch.int64:
        return Barriers(shape[0])
    return Memory(torch.full(shape, float("nan"), dtype=dtype))


def _nothing(*_: Any, **__: Any) -> SimpleNamespace:
    return SimpleNamespace()


gl = SimpleNamespace(
    constexpr=int, bfloat16=torch.bfloat16, float32=torch.float32, int32=torch.int32, int64=torch.int64,
    program_id=lambda axis: torch.tensor(program.place[axis]), num_programs=lambda axis: program.grid[axis],
    static_range=range, float64=torch.float64, exp=torch.exp, associative_scan=lambda x, axis, f: x.cumsum(axis),
    arange=lambda start, end, layout: torch.arange(start, end),
    zeros=lambda shape, dtype, layout: torch.zeros(shape, dtype=dtype),
    full=lambda shape, value, dtype, layout: torch.full(shape, value, dtype=dtype),
    load=_load, store=_store, cast=lambda x, dtype: x, minimum=_minimum,
    multiple_of=lambda x, values: x, max_contiguous=lambda x, values: x,
    sqrt=torch.sqrt, rsqrt=torch.rsqrt, log=torch.log,
    maximum=lambda x, y: x.clamp(min=y), where=torch.where, sum=torch.sum, cdiv=lambda x, y: -(-int(x) // y),
    convert_layout=lambda x, layout: x, inline_asm_elementwise=_asm, thread_barrier=_nothing,
    allocate_shared_memory=_allocate, warp_specialize=_specialize, NVMMADistributedLayout=_nothing,
    NVMMASharedLayout=_nothing, DotOperandLayout=_nothing, SliceLayout=_nothing,
    BlockedLayout=_nothing, SwizzledSharedLayout=_nothing, shared_memory_descriptor=Memory,
)  # fmt: skip
tma = SimpleNamespace(
    make_tensor_descriptor=Descriptor,
    async_copy_global_to_shared=_in,
    async_copy_shared_to_global=_out,
    store_wait=_nothing,
)
async_copy = SimpleNamespace(
    async_copy_global_to_shared=lambda room, pointer, mask=True: room.store(_load(pointer, mask)),
    # a copy is made at once
    mbarrier_arrive=lambda at, increment_count=True: None if increment_count else at.take(at.count, 0),
    commit_group=_nothing,
    wait_group=_nothing,
)
mbarrier = SimpleNamespace(
    MBarrierLayout=_nothing, init=_initialize, expect=lambda barrier, bytes: barrier.take(1, bytes),
    wait=lambda barrier, parity: barrier.wait(parity), arrive=lambda barrier: barrier.take(1, 0),
)  # fmt: skip


def _jit(function: Any = None, **_: Any) -> Any:
    return function or (lambda function: function)


def kernels_of(*paths: Path) -> dict[str, Any]:
    """The functions of kernel files, runnable; a later file uses those of the ones before."""
    names: dict[str, Any] = {
        "async_copy": async_copy, "gluon": SimpleNamespace(jit=_jit), "gl": gl, "tma": tma, "mbarrier": mbarrier,
        "fence_async_shared": _nothing, "warpgroup_mma": _product,
        "INTEGERS": (),  # which are not compiled for; they stand in a file for Triton
        "warpgroup_mma_wait": lambda count, deps: deps[0] if len(deps) == 1 else tuple(deps),
    }  # fmt: skip
    for path in paths:
        source = re.sub(r"^from (triton|lrnn)[^(\n]*(\([^)]*\)|[^\n]*)$", "", path.read_text(), flags=re.MULTILINE)
        exec(compile(source, str(path), "exec"), names)
    return names


def run(kernel: Any, grid: tuple[int, ...], *args: Any, **constants: Any) -> None:
    """All programs of a launch, one after the other."""

    def pointed(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(pointed(each) for each in x)
        if hasattr(x, "block_shape"):
            return Descriptor(pointed(x.base), x.shape, x.strides, x.block_shape, x.layout)
        return Pointer(x.detach().view(-1)) if isinstance(x, Tensor) else x

    given, named = [pointed(x) for x in args], {name: pointed(x) for name, x in constants.items()}
    program.grid = grid
    for place in itertools.product(*(range(n) for n in grid)):
        program.place = place
        kernel(*given, **named)
