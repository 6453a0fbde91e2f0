"""What a call launches, written down once and read at every later call of the same form.

Such calls differ in the addresses of their tensors only. Yet to make those tensors, to take parts of them and to find
the numbers that follow from sizes takes the host longer than the GPU takes for a short word. So a function that does
nothing but that and launch is run once on tensors without memory (:mod:`lrnn.backends.triton.tape_writing`), and from
then on its launches are read out, with tensors that are parts of few pieces of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lrnn.backends.triton.launch import ALIGNMENT, ROOM, STREAM, Launch, current_device, current_stream


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


def of_bytes(size: int) -> Made:
    """So many bytes."""
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
        self.has_room = False  # for descriptors, or do the launchers look for it?

    def read(self, *given: Tensor | None) -> tuple[Any, ...]:
        """The results that are apart, each in memory of its own, and a piece of memory with those that are kept."""
        if self.device.type == "cuda" and self.device.index != torch.cuda.current_device():
            with torch.cuda.device(self.device):
                return self.read(*given)
        lines = self.lines  # before the pieces are made, the last of which grows with it
        pieces: list[Any] = [*given, *self.constants]
        pieces += [made.now(self.device) for made in self.made]
        if lines and self.has_room:
            self._launch(lines, pieces)
        elif lines:
            with current_device(self.device):
                self._launch(lines, pieces)
        else:
            with current_device(self.device):
                for launch, grid, args in self.steps:
                    launch.start(grid, *(x.of(pieces) if isinstance(x, Part) else x for x in args))
            if all(launch.run is not None for launch, *_ in self.steps):
                self.has_room = all(launch.own_room is not None for launch, *_ in self.steps)
                self.lines = self._lines()
        return *(None if part is None else part.of(pieces) for part in self.apart), pieces[-2]

    def parts(self, kept: Tensor) -> list[Tensor]:
        """The results in a piece of memory that was kept."""
        pieces: list[Any] = [*[None] * self.given, *self.constants, *[None] * (len(self.made) - 2), kept]
        return [part.of(pieces) for part in self.kept]

    def _launch(self, lines: list[Any], pieces: list[Any]) -> None:
        addresses = [0 if x is None else x.data_ptr() for x in pieces]
        stream = current_stream(self.device.index)
        for run, form, places in lines:
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
        self.made[-1] = of_bytes(turns[1] + max(rooms[1::2], default=0))
        lines = []
        for n, (launch, grid, args) in enumerate(self.steps):
            line = launch.line(grid, list(args))
            first = len(line) - len(launch.values) - len(args)
            places = [(first + n, x.piece, x.at) for n, x in enumerate(args) if isinstance(x, Part)]
            if rooms[n]:
                places.append((ROOM, last, turns[n % 2]))
            lines.append((launch.run, line, places))
        return lines


def rounded(bytes: int) -> int:
    """As many as a part takes."""
    return -(-bytes // ALIGNMENT) * ALIGNMENT
