"""Chunks in the order in which their states are needed.

A word of length l has ceil(l / C) chunks; chunk number d of a word has depth d. All chunks of depth 0 come first, then
those of depth 1, and so on, longest words first: at depth d the first ``alive[d]`` rows are the words that have such a
chunk. One algorithm then serves plain and packed batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.recurrence.packing import Packing


@dataclass(frozen=True)
class Layout:
    """Where each step of ``[B, T, …]`` stands among chunks ``[M, C, …]``."""

    batch: int
    length: int
    size: int
    alive: tuple[int, ...]
    """Rows (words) that have a chunk of depth d, not increasing in d."""
    order: tuple[int, ...] | None
    """Packed words from the longest to the shortest, or None for a plain batch."""
    index: Tensor | None
    """``[M, C]``: position in the packed row, T for padding; None for a plain batch."""

    @classmethod
    def of(cls, batch: int, length: int, size: int, packing: Packing | None, device: torch.device) -> Layout:
        """The layout of a batch of words of one length, or of one packed row."""
        size = min(size, length if packing is None else max(packing.lengths))
        if packing is None:
            return cls(batch, length, size, (batch,) * -(-length // size), None, None)
        order = tuple(sorted(range(packing.num_words), key=lambda n: -packing.lengths[n]))
        depths = -(-packing.lengths[order[0]] // size)
        alive = tuple(sum(packing.lengths[n] > d * size for n in order) for d in range(depths))
        starts, ends = torch.tensor(packing.starts), torch.tensor(packing.ends)
        first = torch.cat([starts[list(order[:count])] + d * size for d, count in enumerate(alive)])
        last = torch.cat([ends[list(order[:count])] for count in alive])
        index = first[:, None] + torch.arange(size)
        index = torch.where(index < last[:, None], index, length)
        return cls(batch, length, size, alive, order, index.to(device))

    def split(self, x: Tensor, fill: float = 0.0) -> Tensor:
        """``[B, T, …]`` to ``[M, C, …]``, padding with ``fill``."""
        if self.index is not None:
            row = torch.cat([x[0], torch.full_like(x[0, :1], fill)])
            return row[self.index]
        depths = len(self.alive)
        missing = depths * self.size - self.length
        if missing:
            x = pad(x, (0, 0) * (x.ndim - 2) + (0, missing), value=fill)
        return x.reshape(self.batch, depths, self.size, *x.shape[2:]).transpose(0, 1).flatten(0, 1)

    def join(self, x: Tensor) -> Tensor:
        """``[M, C, …]`` to ``[B, T, …]``, dropping the padding."""
        if self.index is not None:
            kept = (self.index < self.length).flatten()
            positions = self.index.flatten()[kept]
            return x.flatten(0, 1)[kept][positions.argsort()][None]
        x = x.reshape(len(self.alive), self.batch, self.size, *x.shape[2:]).transpose(0, 1)
        return x.flatten(1, 2)[:, : self.length]

    def sort(self, state: Tensor) -> Tensor:
        """Initial states in the order of the rows."""
        return state if self.order is None else state[list(self.order)]

    def unsort(self, state: Tensor) -> Tensor:
        """Final states back in the order of the words."""
        if self.order is None:
            return state
        return state[sorted(range(len(self.order)), key=self.order.__getitem__)]
