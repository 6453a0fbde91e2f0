"""The decays of all chunks, in the shapes in which they meet the rows of :mod:`lrnn.recurrence.chunk_scan`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lrnn.recurrence.chunk_weights import DiagonalWeights, Exponents, PlainWeights, Weights


class Shape(NamedTuple):
    """What is not a tensor."""

    alive: tuple[int, ...]
    """Rows (words × heads) that have a chunk of depth d."""
    rows_per_step: int
    """r, micro-rows in a step; a read sees all of its own step."""
    group: int
    """This many consecutive micro-rows act at once: they do not see each other."""
    sees_own_decay: bool
    """Does b_i meet the state after the decay of its own step (a reflector) or before it (DPLR)?"""


class Decay:
    """Made from g ``[M, C]`` or ``[M, C, K]``, the sum of log decays up to a step, in float64, and z, its resets."""

    def __init__(self, g: Tensor | None, z: Tensor | None, q: Tensor, key: Tensor, shape: Shape) -> None:
        self.shape, self.flat = shape, g is not None and g.ndim == 2
        self.dtype = q.dtype.to_real()
        C, L, device = q.shape[1], key.shape[1], q.device
        step, group = torch.arange(C, device=device), torch.arange(L, device=device) // shape.group
        self.read_sees = step[:, None] >= (torch.arange(L, device=device) // shape.rows_per_step)[None]
        self.solve_sees = group[:, None] > group[None]
        self.steps = self.micro = self.solve = None
        if g is None:
            return
        self.steps = self.micro = Exponents.of(g, z, self.dtype)
        if shape.rows_per_step > 1:
            self.micro = self._repeat(self.steps)
        self.solve = self.micro
        if not shape.sees_own_decay:
            before = (torch.cat([torch.zeros_like(part[:, :1]), part[:, :-1]], dim=1) for part in self.steps.parts)
            self.solve = self._repeat(Exponents(tuple(before)))

    def _repeat(self, exponents: Exponents) -> Exponents:
        return Exponents(tuple(part.repeat_interleave(self.shape.rows_per_step, dim=1) for part in exponents.parts))

    def weights(self, solving: bool) -> tuple[Weights, Weights | None]:
        """From key rows to reads, and from key rows to later micro-rows where a system is solved."""
        if self.steps is None or self.micro is None or self.solve is None:
            solve = PlainWeights(self.solve_sees.to(self.dtype)) if solving else None
            return PlainWeights(self.read_sees.to(self.dtype)), solve
        if self.flat:
            read = PlainWeights.of_decay(self.steps, self.micro, self.read_sees)
            if not solving:
                return read, None
            if self.solve is self.steps:  # one row per step: the same weights without the diagonal
                return read, PlainWeights(read.w * self.solve_sees)
            return read, PlainWeights.of_decay(self.solve, self.micro, self.solve_sees)
        r = self.shape.rows_per_step
        read = DiagonalWeights(self.steps, self.micro, self.steps, self.read_sees, (1, r))
        if not solving:
            return read, None
        return read, DiagonalWeights(self.solve, self.micro, self.steps, self.solve_sees, (r, r))

    def since_start(self, x: Tensor) -> Tensor:
        """x ∘ exp(g), rows of steps."""
        return x if self.steps is None else x * self._factor(self.steps)

    def since_start_micro(self, x: Tensor) -> Tensor:
        """x ∘ exp(g) as b meets it."""
        return x if self.solve is None else x * self._factor(self.solve)

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

    def per_step(self, reads: Tensor, micro: Tensor) -> Tensor:
        """Add the contributions of micro-rows to those of their steps."""
        return reads + self._gather(micro)

    def per_step_solve(self, micro: Tensor) -> Tensor:
        """The same for b, which may meet the decays of the step before."""
        steps = self._gather(micro)
        if self.shape.sees_own_decay:
            return steps
        return torch.cat([steps[:, 1:], torch.zeros_like(steps[:, :1])], dim=1)

    def _gather(self, micro: Tensor) -> Tensor:
        r = self.shape.rows_per_step
        return micro if r == 1 else micro.unflatten(1, (-1, r)).sum(2)
