"""How a function's launches are written down, and where its tensors are put: see :mod:`lrnn.backends.triton.tape`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lrnn.backends.triton.launch import Launch, here
from lrnn.backends.triton.tape import Made, Part, Step, Tape, of_bytes, rounded


def write_down(
    function: Callable[..., Sequence[Tensor | None]],
    *given: Tensor | None,
    device: torch.device,
    apart: int,
    kept: Tape | None = None,
) -> Tape:
    """What a function of contiguous tensors launches.

    Arguments:
        apart: how many of the first results have memory of their own; all others are parts of one piece.
        kept: the last of ``given`` is what this one kept, and the function takes the parts of that instead.

    Raises:
        RuntimeError: torch is asked for anything but room and parts of tensors.
    """
    writer = _Writer()
    twins = [None if x is None else writer.twin(x, n) for n, x in enumerate(given)]
    if kept is not None:
        before = [*[None] * kept.given, *kept.constants]
        twins[-1:] = [
            part.of(before) if part.piece < len(before) else writer.twin(part, len(given) - 1, part.at)
            for part in kept.kept
        ]
    others, here.writer = here.writer, writer.launch
    try:
        with writer:
            results = [None if x is None else writer.seen(x) for x in function(*twins)]
    finally:
        here.writer = others
    return writer.tape(given, results, apart, device)


@dataclass(eq=False)
class _Memory:
    """What a tensor lies in: a piece, or a place in one that is to be found."""

    bytes: int
    piece: int | None = None
    at: int = 0
    steps: list[int] = field(default_factory=list)
    """Those that use it."""

    @property
    def life(self) -> tuple[float, float]:
        """From its first use to the last."""
        return (self.steps[0], self.steps[-1]) if self.steps else (inf, inf)


class _Seen(NamedTuple):
    """A tensor while the function runs."""

    memory: _Memory
    at: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def part(self) -> Part:
        assert self.memory.piece is not None
        return Part(self.memory.piece, self.memory.at + self.at, *self[2:])


class _Writer(TorchDispatchMode):
    """Takes note of tensors, which have no memory, and of launches."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: list[Tensor] = []  # so that no other has its storage
        self.memory: dict[int, _Memory] = {}
        self.new: list[_Memory] = []
        self.constants: list[Tensor] = []
        self.steps: list[tuple[Launch, tuple[int, ...], list[Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (torch.ops.aten.empty.memory_format, torch.ops.aten.empty_like.default):
            if not func.is_view:
                raise RuntimeError(f"{func} is computed where launches are written down")
            return func(*args, **(kwargs or {}))
        x = func(*args, **(kwargs or {}) | {"device": "meta"})
        self.new.append(self.lies(x, _Memory(x.nbytes)))
        return x

    def lies(self, x: Tensor, memory: _Memory) -> _Memory:
        self.alive.append(x)
        self.memory[x.untyped_storage()._cdata] = memory
        return memory

    def twin(self, of: Tensor | Part, piece: int, at: int = 0) -> Tensor:
        """A tensor without memory that stands for one in that piece."""
        x = torch.empty(of.shape, dtype=of.dtype, device="meta")
        self.lies(x, _Memory(x.nbytes, piece, at))
        return x

    def seen(self, x: Tensor) -> _Seen:
        memory = self.memory.get(x.untyped_storage()._cdata)
        if memory is None:  # it was there before, and is there as long as what is written down
            self.constants.append(x)
            memory = self.lies(x, _Memory(x.nbytes))
        return _Seen(memory, int(x.storage_offset()) * x.dtype.itemsize, x.dtype, tuple(x.shape), x.stride())

    def launch(self, launch: Launch, grid: tuple[int, ...], *args: Any) -> None:
        told = [self.seen(x) if isinstance(x, Tensor) else x for x in args]
        if not self.steps:  # what was launched before may have memory that was given back, and is that of this one now
            launch = launch.apart
        before = self.steps[-1][2] if launch.beside and self.steps else []  # the two run at the same time
        for x in told + before:
            if isinstance(x, _Seen):
                x.memory.steps.append(len(self.steps))
        self.steps.append((launch, grid, told))

    def tape(
        self, given: Sequence[Tensor | None], results: list[_Seen | None], apart: int, device: torch.device
    ) -> Tape:
        """All this, with every tensor in its place."""
        for n, x in enumerate(self.constants):
            self.memory[x.untyped_storage()._cdata].piece = len(given) + n
        made: list[Made] = []
        first = len(given) + len(self.constants)
        hosts: list[_Memory] = []
        for x in results[:apart]:
            if x is not None and x.memory.piece is None:
                x.memory.piece = first + len(made)
                whole = x.bytes == x.memory.bytes
                made.append(Made(x.shape, x.stride, x.dtype) if whole else of_bytes(x.memory.bytes))
                hosts.append(x.memory)
        size, last = 0, first + len(made)
        for memory in dict.fromkeys(x.memory for x in results[apart:] if x is not None):
            if memory.piece is None:
                memory.piece, memory.at = last, size
                size += rounded(memory.bytes)
                hosts.append(memory)
        behind = _place([x for x in self.new if x.piece is None and x.steps], hosts, last + 1)
        made += [of_bytes(size), of_bytes(behind)]
        steps = [
            Step(launch, grid, tuple(x.part() if isinstance(x, _Seen) else x for x in told))
            for launch, grid, told in self.steps
        ]
        found, kept = results[:apart], [x.part() for x in results[apart:] if x is not None]
        return Tape(device, steps, len(given), self.constants, made, [x and x.part() for x in found], kept)


def _place(new: list[_Memory], hosts: list[_Memory], scratch: int) -> int:
    """What is not returned lies where a result will be, if that comes later, or in a piece for nothing else, whose
    bytes are returned; in one place may be those of which one comes later than the other."""
    end = 0
    placed: list[_Memory] = []
    for memory in sorted(new, key=lambda x: -x.bytes):
        born, dead = memory.life
        meanwhile = [x for x in placed if x.life[0] <= dead and born <= x.life[1]]
        rooms = [(x.piece, x.at, x.at + x.bytes) for x in hosts if dead < x.life[0]] + [(scratch, 0, inf)]
        for piece, begin, behind in rooms:
            there = sorted((x.at, x.at + rounded(x.bytes)) for x in meanwhile if x.piece == piece)
            at = begin
            for first, last in there:
                if first < at + rounded(memory.bytes):
                    at = max(at, last)
            if at + memory.bytes <= behind:
                memory.piece, memory.at = piece, at
                break
        placed.append(memory)
        if memory.piece == scratch:
            end = max(end, memory.at + rounded(memory.bytes))
    return end
