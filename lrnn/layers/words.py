"""Packed words, laid end to end in one row, and the same words as the rows of a padded batch."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from lrnn.recurrence import Packing


def lengths_of(packing: Packing, device: torch.device) -> Int[Tensor, "N"]:
    """The number of steps of each word."""
    return torch.tensor(packing.lengths, device=device)


def unpack(x: Shaped[Tensor, "1 T ..."], packing: Packing) -> Shaped[Tensor, "N L ..."]:
    """One word per row, from the left; what follows a word is finite and means nothing.

    >>> unpack(torch.arange(5).reshape(1, 5), Packing((3, 2)))
    tensor([[0, 1, 2],
            [3, 4, 4]])
    """
    lengths = lengths_of(packing, x.device)
    steps = torch.arange(max(packing.lengths), device=x.device)
    position = (lengths.cumsum(0) - lengths)[:, None] + steps
    return x[0][position.clamp(max=x.shape[1] - 1)]


def pack(rows: Shaped[Tensor, "N L ..."], packing: Packing) -> Shaped[Tensor, "1 T ..."]:
    """The inverse of :func:`unpack`; what followed the words is dropped."""
    lengths = lengths_of(packing, rows.device)
    total = packing.total
    word = torch.arange(packing.num_words, device=rows.device).repeat_interleave(lengths, output_size=total)
    step = torch.arange(total, device=rows.device) - (lengths.cumsum(0) - lengths)[word]
    return rows[word, step][None]


def last(rows: Shaped[Tensor, "N L ..."], packing: Packing | None) -> Shaped[Tensor, "N ..."]:
    """What each row holds at its word's last step; without packing the words fill their rows."""
    if packing is None:
        return rows[:, -1].clone()
    return rows[torch.arange(rows.shape[0], device=rows.device), lengths_of(packing, rows.device) - 1]


def positions(packing: Packing, device: torch.device) -> Int[Tensor, "T"]:
    """How many tokens of its word lie before each, int32.

    >>> positions(Packing((3, 2)), torch.device("cpu"))
    tensor([0, 1, 2, 0, 1], dtype=torch.int32)
    """
    lengths = lengths_of(packing, device)
    first = (lengths.cumsum(0) - lengths).repeat_interleave(lengths, output_size=packing.total)
    return (torch.arange(packing.total, device=device) - first).int()


def ends(x: Shaped[Tensor, "1 T C"], packing: Packing, count: int) -> Shaped[Tensor, "N count C"]:
    """The last steps of every word; 0 before its start.

    >>> ends(torch.arange(1, 5).reshape(1, 4, 1), Packing((1, 3)), 2).flatten(1)
    tensor([[0, 1],
            [3, 4]])
    """
    lengths = lengths_of(packing, x.device)
    back = torch.arange(count, 0, -1, device=x.device)
    rows = x[0][(lengths.cumsum(0)[:, None] - back).clamp(min=0)]
    return torch.where((back <= lengths[:, None])[..., None], rows, 0)
