"""What the laws of the kernels share, in the interpreter and on a GPU: where they run, and how far off is too far."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lrnn import Chunked, ComplexDiagonal, Householder, Packing
from lrnn.recurrence.grouped_keys import for_every_head
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


def terms(name: str, of: Call, want: Results, packing: Packing | None = None) -> float:
    """How large the terms are that a result is a difference of, added as their roundings add; 0 where it is none.

    A phase turns every q, k, a and b from its step on (the gauge), so its gradient is a sum of what all of these give.
    Where the state decays to nothing they cancel, down to the size of the decay. A reflector takes from the state what
    is there, and where nothing is written less and less of the first state is left, besides its decay. No dtype keeps
    digits of such a remainder: its error is one of the terms, and relative to them.
    """
    if name == "last state" and isinstance(of.A, Householder) and of.state is not None:
        return _without_reflectors(of, packing).norm().item()
    if not name.endswith("phase"):
        return 0.0
    squares = torch.zeros_like(want[name])  # [B, T, H, K]
    for turned, x in of.tensors().items():
        if turned in ("q", "k", "A.a", "A.b"):
            term = (want[f"d {turned}"] * x).abs().to(squares) ** 2
            term = for_every_head(term if term.ndim == 4 else term.sum(3), squares.shape[2])
            squares += term.flip(1).cumsum(1).flip(1)
    decay = getattr(of.A, "decay", of.A)
    assert isinstance(decay, ComplexDiagonal)
    return squares.sum().sqrt().item() * (2 * torch.pi / decay.num_angles if decay.num_angles else 1.0)


def _without_reflectors(of: Call, packing: Packing | None) -> Tensor:
    """The last state where nothing but decay happens to the first one."""
    tensors = of.A.tensors()
    A = of.A._with(tensors | {"beta": torch.zeros_like(tensors["beta"])})
    k, v = A.tensors()["k"] if of.delta else of.k, torch.zeros_like(of.v)
    with torch.no_grad():
        return replace(of, A=A, k=k, v=v).run(packing=packing, backend="reference", algorithm=Chunked(32))[1]


def compare(got: Results, want: Results, dtype: torch.dtype, length: int, of: Call | None = None) -> None:
    """Every result within what is allowed; all that are not, in one message. With the call, by :func:`terms`."""
    assert got.keys() == want.keys()
    faults = []
    for name, tensor in want.items():
        off, limit = error(got[name].to(tensor.device), tensor), allowed(name, dtype, length)
        if off * tensor.norm() < tensor.numel() ** 0.5 * torch.finfo(dtype).smallest_normal:
            continue  # too small for the dtype, so its relative rounding is unbounded
        if of is not None:
            off *= min(1.0, tensor.norm().item() / (terms(name, of, want) or 1e-300))
        if off > limit:
            faults.append(f"{name}: {off:.1e} > {limit:.1e}")
    assert not faults, "; ".join(faults)
