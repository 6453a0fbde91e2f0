"""The decays of all chunks, in the shapes in which they meet the rows of :mod:`lrnn.recurrence.chunk_scan`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lrnn.recurrence.chunk_crossings import from_earlier, per_step, to_later
from lrnn.recurrence.chunk_weights import DiagonalWeights, Exponents, PlainWeights, RowsPerStep, Weights
from lrnn.types import REAL


class Shape(NamedTuple):
    """What is not a tensor."""

    alive: tuple[int, ...]
    """Rows (words × heads) that have a chunk of depth d."""
    rows_per_step: int
    """r, micro-rows in a step; a read sees all of its own step."""
    group: int
    """This many consecutive micro-rows act at once: they do not see each other."""
    solves: bool
    """Is there any b?"""
    sees_own_decay: bool
    """Does b_i meet the state after the decay of its own step (a reflector) or before it (DPLR)?"""


class Decay:
    """Made from the log decays ``[M, C]`` or ``[M, C, K]`` and where they are resets."""

    def __init__(self, log_decay: Tensor | None, resets: Tensor | None, q: Tensor, key: Tensor, shape: Shape) -> None:
        self.shape, self.flat = shape, log_decay is not None and log_decay.ndim == 2
        self.dtype = REAL.get(q.dtype, q.dtype)
        C, L, device = q.shape[1], key.shape[1], q.device
        step, group = torch.arange(C, device=device), torch.arange(L, device=device) // shape.group
        self.read_sees = step[:, None] >= (torch.arange(L, device=device) // shape.rows_per_step)[None]
        self.solve_sees = group[:, None] > group[None]
        self.steps = self.micro = self.solve = None
        if log_decay is None:
            return
        g = log_decay.to(torch.float64).cumsum(1)
        self.steps = self.micro = Exponents.of(g, None if resets is None else resets.cumsum(1), self.dtype)
        if shape.rows_per_step > 1:
            self.micro = self._repeat(self.steps)
        self.solve = self.micro
        if shape.solves and not shape.sees_own_decay:
            before = (torch.cat([torch.zeros_like(part[:, :1]), part[:, :-1]], dim=1) for part in self.steps.parts)
            self.solve = self._repeat(Exponents(tuple(before)))

    def _repeat(self, exponents: Exponents) -> Exponents:
        return Exponents(tuple(part.repeat_interleave(self.shape.rows_per_step, dim=1) for part in exponents.parts))

    def weights(self) -> tuple[Weights, Weights | None]:
        """From key rows to reads, and from key rows to later micro-rows where a system is solved."""
        r = self.shape.rows_per_step
        solving = self.shape.solves
        reads, solves = RowsPerStep(1, r), RowsPerStep(r, r, self.shape.sees_own_decay)
        if self.steps is None or self.micro is None or self.solve is None:
            read = PlainWeights(self.read_sees.to(self.dtype), reads)
            return read, PlainWeights(self.solve_sees.to(self.dtype), solves) if solving else None
        if not self.flat:
            read = DiagonalWeights(self.steps, self.micro, self.steps, self.read_sees, reads)
            later = self.solve, self.micro, self.steps, self.solve_sees
            return read, DiagonalWeights(*later, solves) if solving else None
        read = PlainWeights.of_decay(self.steps, self.micro, self.read_sees, reads)
        if not solving:
            return read, None
        if self.solve is self.steps:  # one row per step: the same weights without the diagonal
            return read, PlainWeights(read.w * self.solve_sees, solves)
        return read, PlainWeights.of_decay(self.solve, self.micro, self.solve_sees, solves)

    def since_start(self, x: Tensor) -> Tensor:
        """x ∘ exp(g), rows of steps."""
        return x if self.steps is None else x * self._factor(self.steps)

    def since_start_micro(self, x: Tensor) -> Tensor:
        """x ∘ exp(g) as b meets it."""
        return x if self.solve is None else x * self._factor(self.solve)

    def read_start(self, q: Tensor, start: Tensor) -> Tensor:
        """(q ∘ exp(g)) S, the part of the reads that comes from the chunk's first state."""
        if self.steps is None:
            return q @ start
        factor = self._factor(self.steps)
        return (q @ start).mul_(factor) if self.flat else (q * factor) @ start

    def until_end(self, x: Tensor) -> Tensor:
        """x ∘ exp(g_C - g), micro-rows."""
        if self.steps is None or self.micro is None:
            return x
        weight = self.steps.rows(slice(-1, None)).minus(self.micro).exp()
        return x * (weight[..., None] if self.flat else weight)

    def whole(self) -> Tensor | None:
        """exp(g_C), the decay of a state across its chunk, ``[M, 1 or K, 1]``."""
        if self.steps is None:
            return None
        weight = self._factor(self.steps.rows(slice(-1, None)))
        return weight.mT

    def _factor(self, exponents: Exponents) -> Tensor:
        weight = sum(exponents.parts[1:], exponents.parts[0]).exp()
        return weight[..., None] if self.flat else weight

    def gradient(self, read: Tensor, ended: Tensor, carried: Tensor, solved: Tensor | None) -> Tensor:
        """The gradient of the log decays, from what crosses an end of the chunk.

        Arguments:
            read, ended, carried, solved: what the factors of :meth:`since_start`, :meth:`until_end`, :meth:`whole` and,
                where a system is solved, :meth:`since_start_micro` would receive, ``[M, rows, K]`` or ``[M, K]``.
        """
        if self.flat:  # one decay multiplies every state row
            read, ended, carried = read.sum(-1), ended.sum(-1), carried.sum(-1)
            solved = None if solved is None else solved.sum(-1)
        r = self.shape.rows_per_step
        later = read
        if solved is not None:
            later = later + RowsPerStep(r, r, self.shape.sees_own_decay).later_steps(solved)
        return to_later(later) + from_earlier(per_step(ended, r)) + carried[:, None]
