"""What the laws of the kernels share, in the interpreter and on a GPU: where they run, and how far off is too far."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.calls import Call, Results, call, error, tolerance
from tests.cases import STRUCTURES

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""A GPU, or the CPU with Triton's interpreter; see conftest.py."""

SERVED = [name for name in STRUCTURES if not name.startswith(("dense", "permutation"))]
"""Diagonal plus low rank."""

NARROW = {torch.bfloat16: 1e-2, torch.float16: 4e-3}
"""Of what is read and of gradients: 1.3 and 4 roundings."""

FORWARD = ("y", "last state")
"""The results that are no gradients."""


def make(name: str, size: tuple[int, ...], dtype: torch.dtype, **options) -> Call:
    """A random call, rounded to a dtype, on the device."""
    return call(name, size, **options).to(dtype).map(lambda x: x.to(DEVICE))


def on_kernels(of: Call, **options) -> tuple[Tensor, Tensor]:
    """By a kernel or not at all."""
    return of.run(backend="triton", **options)


def allowed(name: str, dtype: torch.dtype, length: int) -> float:
    """The relative error of one result for inputs of this dtype.

    float32 is float32, by three products of tf32 on a GPU, where a gradient passes through more of them. Of bfloat16
    and float16, what is read and the gradients are sums of rounded products, and the state is kept by two numbers of
    the dtype.
    """
    exact = tolerance(torch.float32, length)
    if dtype == torch.float32:
        return exact if name in FORWARD or DEVICE.type == "cpu" else 10 * exact
    if name == "last state":
        return exact + min(1e-3, torch.finfo(dtype).eps ** 2 * max(length, 1) ** 0.5)
    return exact + NARROW[dtype]


def compare(got: Results, want: Results, dtype: torch.dtype, length: int) -> None:
    """Every result within what is allowed; all that are not, in one message."""
    assert got.keys() == want.keys()
    faults = []
    for name, tensor in want.items():
        off, limit = error(got[name].to(tensor.device), tensor), allowed(name, dtype, length)
        if off * tensor.norm() < tensor.numel() ** 0.5 * torch.finfo(dtype).smallest_normal:
            continue  # too small for the dtype, so its relative rounding is unbounded
        if off > limit:
            faults.append(f"{name}: {off:.1e} > {limit:.1e}")
    assert not faults, "; ".join(faults)
