"""`torch.empty` and its like are filled with NaN, so that memory read before it is written shows."""

import functools

import torch


def poisoned(make):
    """`make`, whose new memory holds NaN where the dtype has one."""

    @functools.wraps(make)
    def wrapper(*args, **kwargs):
        fresh = make(*args, **kwargs)
        if fresh.is_floating_point() or fresh.is_complex():
            with torch.no_grad():
                fresh.fill_(float("nan"))
        return fresh

    return wrapper


def poison() -> None:
    """From here on, in all of this process."""
    for holder, names in ((torch, ("empty", "empty_like")), (torch.Tensor, ("new_empty",))):
        for name in names:
            setattr(holder, name, poisoned(getattr(holder, name)))
