"""The gradient of a log decay, as the sum of everything that crosses its step.

A contribution that leads from step j to a later step i carries the decays of the steps j+1 … i, so the gradient of the
log decay of step t is the sum of the contributions with j < t <= i. Adding them up, instead of taking differences of
sums over all of them, keeps every digit when a decay is tiny and all that crosses it is tiny too.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def to_later(x: Tensor) -> Tensor:
    """Contributions from before the chunk to step i, ``[M, C, …]``: at t, the sum over i >= t."""
    return x.flip(1).cumsum(1).flip(1)


def from_earlier(x: Tensor) -> Tensor:
    """Contributions from step j to beyond the chunk, ``[M, C, …]``: at t, the sum over j < t."""
    return pad(x[:, :-1].cumsum(1), (0, 0) * (x.ndim - 2) + (1, 0))


def between(x: Tensor) -> Tensor:
    """Contributions from step j to step i, ``[M, C (i), C (j), …]``: at t, the sum over j < t <= i."""
    step = torch.arange(x.shape[1], device=x.device)
    earlier = (step[:, None] < step).to(x.dtype)
    later = (step[:, None] >= step).to(x.dtype)
    if x.ndim == 3:  # one decay for all state rows: the sum over j is a matrix product
        return ((x @ earlier) * later).sum(1)
    before = pad(x[:, :, :-1].cumsum(2), (0, 0) * (x.ndim - 3) + (1, 0))
    return (before * later[..., None]).sum(1)


def per_step(x: Tensor, rows: int, axis: int = 1) -> Tensor:
    """Add up the micro-rows of each step."""
    return x if rows == 1 else x.unflatten(axis, (-1, rows)).sum(axis + 1)


def one_earlier(x: Tensor) -> Tensor:
    """Contributions that lead to a step before its own decay lead to the step before it."""
    return pad(x[:, 1:], (0, 0) * (x.ndim - 2) + (0, 1))
