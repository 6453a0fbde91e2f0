"""Launching a kernel again costs the host less than the first time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_compiled: dict[Any, tuple[Any, list[str]]] = {}


def launch(kernel: Any, grid: tuple[int, ...], *args: Tensor | int | None, num_warps: int, **constants: Any) -> None:
    """``kernel[grid](*args, **constants)``, without looking at every argument to find which compiled form is meant.

    The kernels are compiled for the dtypes of their tensors, for which of them are there, and for the constants;
    integers are taken as they come, and tensors begin at whole multiples of 16 bytes. So the form is known without
    looking further, which takes the host about as long as the GPU takes for a small kernel.

    Arguments:
        args: all of the kernel's parameters that are no constants, in order.
        constants: the others, by name.
    """
    kinds = tuple(arg.dtype if isinstance(arg, Tensor) else type(arg) for arg in args)
    device = torch.cuda.current_device() if torch.cuda.is_initialized() else None
    key = (id(kernel), kinds, tuple(constants.items()), num_warps, device)
    known = _compiled.get(key)
    if known is None:
        compiled = kernel[grid](*args, **constants, num_warps=num_warps)
        if compiled is not None:  # the interpreter compiles nothing
            _compiled[key] = compiled, kernel.arg_names[len(args) :]
        return
    compiled, names = known
    # of a tensor the launcher would ask the driver where it is, every time; of an address it does not
    addresses = (arg.data_ptr() if isinstance(arg, Tensor) else arg for arg in args)
    compiled[grid + (1,) * (3 - len(grid))](*addresses, *(constants[name] for name in names))


def aligned(x: Tensor) -> Tensor:
    """The same numbers, contiguous and from a whole multiple of 16 bytes on."""
    x = x.contiguous()
    if torch.compiler.is_compiling() or not x.is_cuda or x.data_ptr() % 16 == 0:
        return x
    return x.clone()
