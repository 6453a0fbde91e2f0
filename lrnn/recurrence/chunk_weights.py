"""Products of rows inside a chunk, weighted by the decay between their steps.

M chunks (times heads) · I, J rows · K state rows. Row i of a chunk carries the exponent g_i, the sum of the log decays
of its chunk up to its step, and z_i, the number of exact resets up to there. The weight between a later row i and an
earlier row j is w_ij = exp(g_i - g_j) if z_i = z_j, else 0, per chunk (scalar decay) or per state row (diagonal decay).
Differences are formed before the exponential, so nothing overflows however strong the decay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.recurrence.chunk_crossings import between, from_earlier, one_earlier, per_step, to_later

BLOCK = 16
"""Steps in a block of :class:`DiagonalWeights`."""

RESET = 2.0**14
"""Subtracted from an exponent at each reset: exp of it is 0 in every dtype, and its multiples are exact."""


@dataclass(frozen=True)
class Exponents:
    """The exponents of rows as parts that are subtracted one by one, exactly where the sum would round."""

    parts: tuple[Tensor, ...]

    @classmethod
    def of(cls, g: Tensor, z: Tensor | None, dtype: torch.dtype) -> Exponents:
        """From g in float64 and the number of resets; in float32, g is kept as two terms."""
        parts = () if z is None else (z.to(dtype) * -RESET,)
        high = g.to(dtype)
        if dtype == torch.float64:
            return cls((*parts, high))
        return cls((*parts, high, (g - high).to(dtype)))

    def rows(self, index: slice) -> Exponents:
        """Some of the rows."""
        return Exponents(tuple(part[:, index] for part in self.parts))

    def column(self) -> Exponents:
        """With an axis for the earlier rows."""
        return Exponents(tuple(part.unsqueeze(2) for part in self.parts))

    def row(self) -> Exponents:
        """With an axis for the later rows."""
        return Exponents(tuple(part.unsqueeze(1) for part in self.parts))

    def minus(self, earlier: Exponents) -> Tensor:
        """g_i - g_j."""
        difference = self.parts[0] - earlier.parts[0]
        for later_part, earlier_part in zip(self.parts[1:], earlier.parts[1:], strict=True):
            difference += later_part - earlier_part
        return difference


class Rows(NamedTuple):
    """How rows belong to steps."""

    later: int
    """Later rows per step."""
    earlier: int
    """Earlier rows per step."""
    own_decay: bool = True
    """Has the decay of a later row's own step already happened?"""

    def steps(self, x: Tensor) -> Tensor:
        """``[M, I, J, …]`` contributions of rows as those of steps ``[M, C, C, …]``."""
        x = per_step(per_step(x, self.later), self.earlier, axis=2)
        return x if self.own_decay else one_earlier(x)

    def later_steps(self, x: Tensor) -> Tensor:
        """``[M, I, …]`` contributions of later rows as those of steps."""
        x = per_step(x, self.later)
        return x if self.own_decay else one_earlier(x)


class PlainWeights:
    """w_ij as one number for all state rows: 1 where row j is visible from row i, else 0, times the decay between."""

    def __init__(self, w: Tensor, rows: Rows) -> None:
        self.w, self.rows = w, rows

    @classmethod
    def of_decay(cls, later: Exponents, earlier: Exponents, visible: Tensor, rows: Rows) -> PlainWeights:
        """One decay for all state rows."""
        difference = later.column().minus(earlier.row())
        return cls(difference.masked_fill_(~visible, -torch.inf).exp_(), rows)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """Σ_k left_ik w_ij right_jk."""
        return (left @ right.mT).mul_(self.w)

    def gradients(self, outer: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of the two factors, from that of the product."""
        outer = outer * self.w
        return outer @ right.conj(), outer.mT @ left.conj()

    def decay_gradient(self, outer: Tensor, left: Tensor, right: Tensor, product: Tensor) -> Tensor:
        """The gradient of the log decays ``[M, C]``, from that of the product."""
        return between(self.rows.steps(inner(product, outer)))


class DiagonalWeights:
    """One decay per state row: w_ij is a vector, and exp(g_i) · exp(-g_j) would overflow.

    Rows are taken in blocks of 16 steps. Between blocks, the exponent at the start of the later block lies between
    both, so each factor can be weighted by itself with numbers <= 1; inside a block the weights are written out.

    Source: Yang et al., "Gated Linear Attention Transformers", arXiv 2312.06635, §4.3 (secondary chunking).
    """

    def __init__(self, later: Exponents, earlier: Exponents, steps: Exponents, visible: Tensor, rows: Rows) -> None:
        self.later, self.earlier, self.visible, self.rows = later, earlier, visible, rows
        self.steps = steps
        self.blocks: list[tuple[slice, slice, slice, Exponents]] = []
        length = steps.parts[0].shape[1]
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            mine, theirs = slice(start * rows.later, end * rows.later), slice(start * rows.earlier, end * rows.earlier)
            before = steps.rows(slice(max(start - 1, 0), max(start, 1)))
            self.blocks.append((mine, theirs, slice(0, start * rows.earlier), before))

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """Σ_k left_ik w_ijk right_jk."""
        rows = []
        for mine, theirs, past, before in self.blocks:
            near = (left[:, mine, None] * right[:, None, theirs] * self._near(mine, theirs)).sum(-1)
            far = (left[:, mine] * self._since(mine, before)) @ (right[:, past] * self._until(past, before)).mT
            rows.append(pad(torch.cat([far, near], dim=-1), (0, right.shape[1] - theirs.stop)))
        return torch.cat(rows, dim=1)

    def gradients(self, outer: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of the two factors, from that of the product."""
        left_rows, right_total = [], torch.zeros_like(right)
        for mine, theirs, past, before in self.blocks:
            since, until = self._since(mine, before), self._until(past, before)
            near = outer[:, mine, theirs, None] * self._near(mine, theirs)
            far = outer[:, mine, past]
            left_rows.append(
                (near * right[:, None, theirs].conj()).sum(2) + (far @ (right[:, past].conj() * until)) * since
            )
            past_rows = (far.mT @ (left[:, mine].conj() * since)) * until
            near_rows = (near * left[:, mine, None].conj()).sum(1)
            rows = torch.cat([past_rows, near_rows], dim=1)
            right_total = right_total + pad(rows, (0, 0, 0, right.shape[1] - theirs.stop))
        return torch.cat(left_rows, dim=1), right_total

    def decay_gradient(self, outer: Tensor, left: Tensor, right: Tensor, product: Tensor) -> Tensor:
        """The gradient of the log decays ``[M, C, K]``, from that of the product."""
        total = torch.zeros_like(self.steps.parts[0])
        for mine, theirs, past, before in self.blocks:
            since, until = self._since(mine, before), self._until(past, before)
            pairs = left[:, mine, None] * right[:, None, theirs]
            near = between(self.rows.steps(inner(pairs, outer[:, mine, theirs, None]) * self._near(mine, theirs)))
            row, column = left[:, mine] * since, right[:, past] * until
            far = outer[:, mine, past]
            near = near + to_later(self.rows.later_steps(inner(row, far @ column.conj())))
            block = near
            if past.stop:
                earlier = inner(column, far.mT @ row.conj())
                block = torch.cat([from_earlier(per_step(earlier, self.rows.earlier)), near], dim=1)
            total = total + pad(block, (0, 0, 0, total.shape[1] - block.shape[1]))
        return total

    def _near(self, mine: slice, theirs: slice) -> Tensor:
        difference = self.later.rows(mine).column().minus(self.earlier.rows(theirs).row())
        return difference.masked_fill_(~self.visible[mine, theirs, None], -torch.inf).exp_()

    def _since(self, mine: slice, before: Exponents) -> Tensor:
        if mine.start == 0:  # the first block has no past
            return torch.ones_like(self.later.parts[0][:, mine])
        return self.later.rows(mine).minus(before).exp()

    def _until(self, past: slice, before: Exponents) -> Tensor:
        return before.minus(self.earlier.rows(past)).exp()


Weights = PlainWeights | DiagonalWeights


def inner(x: Tensor, dx: Tensor) -> Tensor:
    """x·dx, what a factor of x would receive."""
    return (x.conj() * dx).real if x.is_complex() else x * dx
