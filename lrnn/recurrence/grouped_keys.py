"""One key for several heads: k and q may have G heads, where G divides the H heads of A."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor


def for_every_head(x: Shaped[Tensor, "B T G K"], heads: int) -> Shaped[Tensor, "B T H K"]:
    """Keys of G heads written out for H: head h uses key head h // (H / G); x itself where G = H.

    >>> import torch
    >>> for_every_head(torch.arange(2.0).reshape(1, 1, 2, 1), 4).flatten()
    tensor([0., 0., 1., 1.])
    """
    given = x.shape[2]
    if given == heads:
        return x
    if given == 1:  # a view
        return x.expand(-1, -1, heads, -1)
    return x[:, :, :, None].expand(-1, -1, -1, heads // given, -1).flatten(2, 3)
