"""`torch.empty` and its like are filled with NaN, so that memory read before it is written shows."""

import functools

import torch


def poisoned(make):
    """`make`, whose new memory holds NaN where the dtype has one; bytes are NaN in every dtype that has one."""

    @functools.wraps(make)
    def wrapper(*args, **kwargs):
        fresh = make(*args, **kwargs)
        if fresh.is_meta:
            return fresh
        with torch.no_grad():
            if fresh.is_floating_point() or fresh.is_complex():
                fresh.fill_(float("nan"))
            elif fresh.dtype == torch.uint8:
                fresh.fill_(255)
        return fresh

    return wrapper


def poison() -> None:
    """From here on, in all of this process."""
    for holder, names in ((torch, ("empty", "empty_like", "empty_strided")), (torch.Tensor, ("new_empty",))):
        for name in names:
            setattr(holder, name, poisoned(getattr(holder, name)))
