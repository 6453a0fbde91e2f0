"""What a call launches, written down once and read at every later call of the same form.

Such calls differ in the addresses of their tensors only. Yet to make those tensors, to take parts of them and to find
the numbers that follow from sizes takes the host longer than the GPU takes for a short word. So a function that does
nothing but that and launch is run once on tensors without memory (:func:`write_down`), and from then on its launches
are read out, with tensors that are parts of few pieces of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lrnn.backends.triton.launch import ALIGNMENT, ROOM, STREAM, Launch, current_device, current_stream, here


class Part(NamedTuple):
    """A tensor in a piece of memory."""

    piece: int
    """Which: first those given, then those that are always the same, then those that a reading makes."""
    at: int
    """Its first byte there."""
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def of(self, pieces: Sequence[Any]) -> Tensor:
        """The tensor itself."""
        x: Tensor = pieces[self.piece]
        if (x.dtype, x.shape, x.stride()) == self[2:]:
            return x
        size = self.dtype.itemsize
        if x.dtype == self.dtype:
            return x.as_strided(self.shape, self.stride, x.storage_offset() + self.at // size)
        memory = x.view(-1).view(torch.uint8)
        memory = memory[: memory.numel() // size * size].view(self.dtype)
        return memory.as_strided(self.shape, self.stride, memory.storage_offset() + self.at // size)


class Step(NamedTuple):
    """A launch, with parts in place of tensors."""

    launch: Launch
    grid: tuple[int, ...]
    args: tuple[Part | int | None, ...]


class Made(NamedTuple):
    """A piece of memory that every reading makes, contiguous."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def now(self, device: torch.device) -> Tensor:
        # this way of making a tensor takes the host a third of what the usual one does
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=device)


def _bytes(size: int) -> Made:
    return Made((size,), (1,), torch.uint8)


class Tape:
    """Launches, and where what they find is."""

    def __init__(
        self, device: torch.device, steps: list[Step], given: int, constants: list[Tensor], made: list[Made],
        apart: list[Part | None], kept: list[Part],
    ) -> None:  # fmt: skip
        self.device, self.steps, self.given, self.constants, self.made = device, steps, given, constants, made
        self.apart, self.kept = apart, kept
        self.lines: list[tuple[Any, list[Any], list[tuple[int, int, int]]]] = []

    def read(self, *given: Tensor | None) -> tuple[Any, ...]:
        """The results that are apart, each in memory of its own, and a piece of memory with those that are kept."""
        if self.device.type == "cuda" and self.device.index != torch.cuda.current_device():
            with torch.cuda.device(self.device):
                return self.read(*given)
        pieces: list[Any] = [*given, *self.constants]
        pieces += [made.now(self.device) for made in self.made]
        if self.lines:
            self._launch(pieces)
        else:
            with current_device(self.device):
                for launch, grid, args in self.steps:
                    launch.start(grid, *(x.of(pieces) if isinstance(x, Part) else x for x in args))
            if all(launch.run is not None and launch.own_room is not None for launch, *_ in self.steps):
                self.lines = self._lines()
        return *(None if part is None else part.of(pieces) for part in self.apart), pieces[-2]

    def parts(self, kept: Tensor) -> list[Tensor]:
        """The results in a piece of memory that was kept."""
        pieces: list[Any] = [*[None] * self.given, *self.constants, *[None] * (len(self.made) - 2), kept]
        return [part.of(pieces) for part in self.kept]

    def _launch(self, pieces: list[Any]) -> None:
        addresses = [0 if x is None else x.data_ptr() for x in pieces]
        stream = current_stream(self.device.index)
        for run, form, places in self.lines:
            line = form.copy()  # another thread may be reading
            line[STREAM] = stream
            for place, piece, at in places:
                line[place] = addresses[piece] + at
            run(*line)

    def _lines(self) -> list[Any]:
        """What the launchers take, once they are known, and which addresses go where.

        Descriptors that kernels make have two rooms behind everything else, in turns, as one kernel may run beside the
        next.
        """
        rooms = [rounded(launch.room_of(grid)) for launch, grid, _ in self.steps]
        behind, last = self.made[-1].shape[0], len(self.made) + self.given + len(self.constants) - 1
        turns = behind, behind + max(rooms[::2], default=0)
        self.made[-1] = _bytes(turns[1] + max(rooms[1::2], default=0))
        lines = []
        for n, (launch, grid, args) in enumerate(self.steps):
            line = launch.line(grid, list(args))
            first = len(line) - len(launch.values) - len(args)
            places = [(first + n, x.piece, x.at) for n, x in enumerate(args) if isinstance(x, Part)]
            if rooms[n]:
                places.append((ROOM, last, turns[n % 2]))
            lines.append((launch.run, line, places))
        return lines


def write_down(
    function: Callable[..., tuple[Tensor | None, ...]],
    *given: Tensor | None,
    device: torch.device,
    apart: int,
    kept: Tape | None = None,
) -> Tape | None:
    """What a function of contiguous tensors launches; None where it computes anything in another way.

    Arguments:
        apart: how many of the first results have memory of their own; all others are parts of one piece.
        kept: the last of ``given`` is what this one kept, and the function takes the parts of that instead.
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
    except _OtherwiseComputedError:
        return None
    finally:
        here.writer = others
    return writer.tape(given, results, apart, device)


class _OtherwiseComputedError(Exception):
    """Something is not a launch, nor room for its results, nor a part of that."""


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
                raise _OtherwiseComputedError(func)
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
                made.append(Made(x.shape, x.stride, x.dtype) if whole else _bytes(x.memory.bytes))
                hosts.append(x.memory)
        size, last = 0, first + len(made)
        for memory in dict.fromkeys(x.memory for x in results[apart:] if x is not None):
            if memory.piece is None:
                memory.piece, memory.at = last, size
                size += rounded(memory.bytes)
                hosts.append(memory)
        behind = _place([x for x in self.new if x.piece is None and x.steps], hosts, last + 1)
        made += [_bytes(size), _bytes(behind)]
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


def rounded(bytes: int) -> int:
    """As many as a part takes."""
    return -(-bytes // ALIGNMENT) * ALIGNMENT
