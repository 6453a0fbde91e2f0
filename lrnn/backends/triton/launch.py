"""Launching a kernel again costs the host less than the first time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor

_compiled: dict[Any, Any] = {}

STREAM, ROOM = 3, 7
"""Where a launcher is told the stream, and where the room for descriptors is."""

ALIGNMENT = 256
"""Of everything that is a part of a larger piece of memory, in bytes."""


class _Here(threading.local):
    """What holds for one thread."""

    writer: Callable[..., None] | None = None
    """Takes what would be launched, while it is written down (:mod:`lrnn.backends.triton.tape`)."""


here = _Here()


class Launch:
    """A kernel with its constants: called with a grid and the other parameters, it is ``kernel[grid](...)``.

    Kept by whoever launches again with tensors of the same dtypes in the same places, all of which begin at whole
    multiples of 16 bytes; integers are taken as they come. Then which compiled form is meant is known without looking
    at any argument, which takes the host about as long as the GPU takes for a small kernel, and most of what Triton
    does besides is left out: finding the device, the constants, hooks of profilers.

    Arguments:
        kernel: its parameters that are no constants come first.
        registers: of a thread, at most, so that more programs fit on a processor.
        beside: may it run beside the kernel before? That one has to allow it, and its results are not needed.
        early: may it begin before that one has ended? It waits for its results.
        constants: the others, by name.
    """

    def __init__(
        self, kernel: Any, *, num_warps: int, registers: int | None = None, beside: bool = False, early: bool = False,
        **constants: Any,
    ) -> None:  # fmt: skip
        self.kernel, self.constants, self.beside, self.early = kernel, constants, beside, early
        self.options: dict[str, Any] = {"num_warps": num_warps} | ({"maxnreg": registers} if registers else {})
        if beside or early:
            self.options["launch_pdl"] = True
        self.run: Any = None

    def __call__(self, grid: tuple[int, ...], *args: Tensor | int | None) -> None:
        """Now, or when what is being written down is read."""
        if here.writer is None:
            self.start(grid, *args)
        else:
            here.writer(self, grid, *args)

    def start(self, grid: tuple[int, ...], *args: Tensor | int | None) -> None:
        """On the current device."""
        run = self.run or self.find(grid, args)
        if run is None:
            return
        # of a tensor the launcher would ask the driver where it is, every time; of an address it does not
        told: list[Any] = list(args)
        for place in self.tensors:
            told[place] = told[place].data_ptr()
        line = self.line(grid, told)
        line[STREAM] = stream = current_stream(self.device)
        if size := self.room_of(grid):
            from triton.runtime import _allocation

            line[ROOM] = _allocation._allocator.get()(size, ALIGNMENT, stream)
        run(*line)

    @cached_property
    def apart(self) -> Launch:
        """The same, begun when everything before has ended."""
        if not self.early:
            return self
        how = {"num_warps": self.options["num_warps"], "registers": self.options.get("maxnreg")}
        return Launch(self.kernel, **how, **self.constants)

    def line(self, grid: tuple[int, ...], told: list[Any]) -> list[Any]:
        """What :attr:`run` takes; the stream is to be filled in, and the room for descriptors, if there is one."""
        x, y, z = (*grid, 1, 1)[:3]
        if self.own_room is None:
            return [x, y, z, None, *self.form, *told, *self.values]
        head = [x, y, z, None, self.form[0], False, self.beside or self.early, None, None]
        return [*head, *self.form[1:], *told, *self.values]

    def room_of(self, grid: tuple[int, ...]) -> int:
        """Bytes for the descriptors that the kernel makes; 0 too where the launcher finds room for them by itself."""
        return prod(grid) * (self.own_room or 0)

    def find(self, grid: tuple[int, ...], args: tuple[Any, ...]) -> Any:
        """What runs the compiled form, or None where that was launched already, as the first of its kind is."""
        kinds = tuple(arg.dtype if isinstance(arg, Tensor) else type(arg) for arg in args)
        self.device = torch.cuda.current_device() if torch.cuda.is_initialized() else 0
        key = (id(self.kernel), kinds, tuple(self.constants.items()), *self.options.values(), self.device)
        known = _compiled.get(key)
        compiled: Any = known
        if known is None:
            compiled = self.kernel[grid](*args, **self.constants, **self.options)
        # the interpreter compiles nothing, and a Triton to come may compile something else
        if all(hasattr(compiled, name) for name in ("run", "function", "packed_metadata")):
            # what Triton's own launch hands on: the function, how it is launched, and that there are no hooks
            self.form = (compiled.function, compiled.packed_metadata, None, None, None)
            self.tensors = [place for place, arg in enumerate(args) if isinstance(arg, Tensor)]
            self.values = [self.constants[name] for name in self.kernel.arg_names[len(args) :]]
            run, self.own_room = _within(compiled.run)
            _compiled[key], self.run = compiled, run  # at last: another thread may be looking
        return None if known is None else self.run


def _within(launcher: Any) -> tuple[Any, int | None]:
    """What a launcher of Triton 3.6 calls with room for descriptors, and the bytes of that for a program: it looks for
    room longer than it launches. Of another version the launcher itself, and None."""
    import triton

    special = (getattr(launcher, name, True) for name in ("launch_cooperative_grid", "profile_scratch_size"))
    if not triton.__version__.startswith("3.6.") or any(special) or launcher.global_scratch_align > ALIGNMENT:
        return launcher, None
    return launcher.launch, launcher.global_scratch_size * launcher.num_ctas


def current_stream(device: int) -> int:
    """The stream on which torch launches."""
    return torch._C._cuda_getCurrentRawStream(device)  # type: ignore[attr-defined]


def generation(device: torch.device) -> int:
    """The compute capability of a GPU, the number before the point; 0 without one."""
    return torch.cuda.get_device_properties(device).major if device.type == "cuda" else 0


def begins_early(device: torch.device) -> bool:
    """May a kernel begin before the one before it has ended (with ``launch_pdl``)?"""
    return generation(device) >= 9


def processors(device: torch.device) -> int:
    """Of a GPU; where there is none, as few as can differ from each other."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 2


def aligned(x: Tensor) -> Tensor:
    """The same numbers, contiguous and from a whole multiple of 16 bytes on."""
    x = x.contiguous()
    if torch.compiler.is_compiling() or not x.is_cuda or x.data_ptr() % 16 == 0:
        return x
    return x.clone()


class _Room:
    """Where the descriptors that a kernel makes are: for all kernels of an op two pieces of memory, in turns, as one
    kernel may run beside the next."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.memory: Tensor | None = None
        self.other: Tensor | None = None

    def __call__(self, size: int, alignment: int, stream: int | None) -> Tensor:
        memory, self.other = self.other, self.memory
        if memory is None or memory.numel() < size:
            memory = torch.empty(size, dtype=torch.int8, device=self.device)
        self.memory = memory
        return memory


def _memory_of(device: torch.device) -> Any:
    return lambda size, alignment, stream: torch.empty(size, dtype=torch.int8, device=device)


@contextmanager
def current_device(device: torch.device) -> Iterator[None]:
    """The device is current, and the descriptors that a kernel makes find their room there."""
    import triton

    triton.set_allocator(_Room(device))
    try:
        if device.type != "cuda" or device.index == torch.cuda.current_device():
            yield
        else:
            with torch.cuda.device(device):
                yield
    finally:
        triton.set_allocator(_memory_of(device))  # what others launch may run at any time
