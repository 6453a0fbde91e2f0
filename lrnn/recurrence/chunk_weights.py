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


class RowsPerStep(NamedTuple):
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

    def __init__(self, w: Tensor, rows: RowsPerStep) -> None:
        self.w, self.rows = w, rows

    @classmethod
    def of_decay(cls, later: Exponents, earlier: Exponents, visible: Tensor, rows: RowsPerStep) -> PlainWeights:
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

    def __init__(
        self, later: Exponents, earlier: Exponents, steps: Exponents, visible: Tensor, rows: RowsPerStep
    ) -> None:
        self.steps, self.rows = steps, rows
        self.blocks: list[Block] = []
        length = steps.parts[0].shape[1]
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            mine, theirs = slice(start * rows.later, end * rows.later), slice(start * rows.earlier, end * rows.earlier)
            past = slice(0, start * rows.earlier)
            difference = later.rows(mine).column().minus(earlier.rows(theirs).row())
            near = difference.masked_fill_(~visible[mine, theirs, None], -torch.inf).exp_()
            if start == 0:  # the first block has no past
                since, until = torch.ones_like(later.parts[0][:, mine]), earlier.parts[0][:, past]
            else:
                before = steps.rows(slice(start - 1, start))
                since, until = later.rows(mine).minus(before).exp(), before.minus(earlier.rows(past)).exp()
            self.blocks.append(Block(mine, theirs, past, near, since, until))

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """Σ_k left_ik w_ijk right_jk."""
        rows = []
        for mine, theirs, past, near, since, until in self.blocks:
            here = (left[:, mine, None] * right[:, None, theirs] * near).sum(-1)
            far = (left[:, mine] * since) @ (right[:, past] * until).mT
            rows.append(pad(torch.cat([far, here], dim=-1), (0, right.shape[1] - theirs.stop)))
        return torch.cat(rows, dim=1)

    def gradients(self, outer: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of the two factors, from that of the product."""
        left_rows, right_total = [], torch.zeros_like(right)
        for mine, theirs, past, near, since, until in self.blocks:
            here, far = outer[:, mine, theirs, None] * near, outer[:, mine, past]
            left_rows.append(
                (here * right[:, None, theirs].conj()).sum(2) + (far @ (right[:, past].conj() * until)) * since
            )
            past_rows = (far.mT @ (left[:, mine].conj() * since)) * until
            here_rows = (here * left[:, mine, None].conj()).sum(1)
            rows = torch.cat([past_rows, here_rows], dim=1)
            right_total = right_total + pad(rows, (0, 0, 0, right.shape[1] - theirs.stop))
        return torch.cat(left_rows, dim=1), right_total

    def decay_gradient(self, outer: Tensor, left: Tensor, right: Tensor, product: Tensor) -> Tensor:
        """The gradient of the log decays ``[M, C, K]``, from that of the product."""
        total = torch.zeros_like(self.steps.parts[0])
        for mine, theirs, past, near, since, until in self.blocks:
            pairs = left[:, mine, None] * right[:, None, theirs]
            block = between(self.rows.steps(inner(pairs, outer[:, mine, theirs, None]) * near))
            row, column = left[:, mine] * since, right[:, past] * until
            far = outer[:, mine, past]
            block = block + to_later(self.rows.later_steps(inner(row, far @ column.conj())))
            if past.stop:
                earlier = inner(column, far.mT @ row.conj())
                block = torch.cat([from_earlier(per_step(earlier, self.rows.earlier)), block], dim=1)
            total = total + pad(block, (0, 0, 0, total.shape[1] - block.shape[1]))
        return total


class Block(NamedTuple):
    """The later rows of 16 steps, and their weights."""

    mine: slice
    """The later rows."""
    theirs: slice
    """The earlier rows of the same steps."""
    past: slice
    """The earlier rows of all steps before."""
    near: Tensor
    """Weights between mine and theirs, ``[M, mine, theirs, K]``."""
    since: Tensor
    """exp of the decay from the start of the block to mine, ``[M, mine, K]``."""
    until: Tensor
    """exp of the decay from past to the start of the block, ``[M, past, K]``."""


Weights = PlainWeights | DiagonalWeights


def inner(x: Tensor, dx: Tensor) -> Tensor:
    """x·dx, what a factor of x would receive."""
    return (x.conj() * dx).real if x.is_complex() else x * dx
