"""What can be wrong with the inputs of a recurrence, in the user's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lrnn.recurrence.inputs import Inputs
from lrnn.recurrence.packing import Packing
from lrnn.transition import Householder, Transition
from lrnn.transition.base import require, shape_fault

_checking = False


@contextmanager
def checked() -> Iterator[None]:
    """Inside this context every recurrence looks at the values of its inputs too, not only at their shapes.

    NaN and inf are reported where they enter, and so are ``log_decay > 0``, ``beta`` outside [0, 2], a ``sign`` that
    is not -1, 0 or +1 and an ``index`` outside 0…K-1. It reads every tensor once and waits for the GPU, so it is off
    by default.

    >>> import lrnn
    >>> A = lrnn.Scalar(log_decay=torch.full((1, 2, 1), 0.5), size=3)
    >>> k = v = q = torch.ones(1, 2, 1, 3)
    >>> with lrnn.checked():
    ...     lrnn.recurrence(A, k, v, q)
    Traceback (most recent call last):
    ValueError: log_decay is 0.5 at [0, 0, 0], wanted numbers <= 0 (2 of 2 are not)
    """
    global _checking
    before, _checking = _checking, True
    try:
        yield
    finally:
        _checking = before


def is_checked() -> bool:
    """Inside :func:`checked`?"""
    return _checking


def check_inputs(given: Inputs) -> None:
    """Raise one error that lists every fault of the call."""
    A, k, v, q, state, strength, packing = given
    if not isinstance(A, Transition):
        raise TypeError(f"A is {type(A).__name__}, wanted a lrnn.Transition such as lrnn.Householder or lrnn.Diagonal")
    for name, tensor in (("k", k), ("v", v), ("q", q), ("strength", strength)):
        optional = name in ("q", "strength")
        if not isinstance(tensor, Tensor) and not (optional and tensor is None):
            wanted = "a torch.Tensor or None" if optional else "a torch.Tensor"
            raise TypeError(f"{name} is {type(tensor).__name__}, wanted {wanted}")
    if packing is not None and not isinstance(packing, Packing):
        raise TypeError(f"packing is {type(packing).__name__}, wanted lrnn.Packing or None")
    shape, device = A.shape, A.device
    if len(shape) != 4:
        raise ValueError(f"A has leading axes {A.leading}, wanted (B, T, H)")
    B, T, H, K = shape
    V = v.shape[-1] if v.ndim else 0
    writes, axes = (B, T, H), "B, T, H"
    if isinstance(A, Householder):
        writes, axes = (B, T, H, A.num_reflectors), "B, T, H, R (one write per reflector)"
    own_heads = isinstance(A, Householder)  # its keys are those of the reflectors
    rows = B if packing is None else packing.num_words
    tensors = given.tensors
    require(
        shape_fault("k", k, (*writes, K), f"{axes}, K of A") if own_heads else _key_fault("k", k, writes, K),
        shape_fault("v", v, (*writes, V), f"{axes} of A, V"),
        shape_fault("q", q, (B, T, H, K), "B, T, H, K of A") if own_heads else _key_fault("q", q, (B, T, H), K),
        shape_fault("strength", strength, writes, f"{axes} of A"),
        "strength is complex, wanted real numbers" if strength is not None and strength.is_complex() else None,
        shape_fault("state", state, (rows, H, K, V), "B or packed words, H, K, V"),
        _packing_fault(packing, B, T),
        *(_dtype_fault(name, tensor) for name, tensor in tensors.items()),
        *(
            f"{name} is on {tensor.device}, wanted {device} as A"
            for name, tensor in tensors.items()
            if tensor.device != device
        ),
    )
    if _checking:
        require(*(_value_fault(name, tensor, K) for name, tensor in (A.tensors() | tensors).items()))


def _key_fault(name: str, x: Tensor | None, leading: tuple[int, ...], K: int) -> str | None:
    """What is wrong with keys that several heads may share."""
    B, T, H = leading
    fits = x is None or (x.ndim == 4 and x.shape[2] > 0 and H % x.shape[2] == 0)
    if x is None or (fits and (*x.shape[:2], x.shape[3]) == (B, T, K)) or tuple(x.shape) == (B, T, H, K):
        return None
    shared = f", or a number of key heads that divides {H} in place of {H}" if H > 1 else ""
    return f"{name} has shape {tuple(x.shape)}, wanted {(B, T, H, K)} (B, T, H, K of A{shared})"


def _packing_fault(packing: Packing | None, B: int, T: int) -> str | None:
    if packing is None:
        return None
    if B != 1:
        return f"packing needs a batch of one row, got B = {B}"
    if packing.total != T:
        return f"packing lengths {packing.lengths} add up to {packing.total}, wanted T = {T}"
    return None


def _dtype_fault(name: str, tensor: Tensor) -> str | None:
    if tensor.is_floating_point() or tensor.is_complex():
        return None
    return f"{name} has dtype {tensor.dtype}, wanted float64, float32, bfloat16, float16 or complex"


def _value_fault(name: str, tensor: Tensor, K: int) -> str | None:
    field = name.rpartition(".")[2]
    if not tensor.numel():
        return None
    if tensor.dtype == torch.int64:
        bad, wanted = (tensor < 0) | (tensor >= K), f"row numbers in 0…{K - 1}"
    else:
        bad, wanted = ~torch.isfinite(tensor), "finite numbers"
    if not bad.any():
        if field == "log_decay":
            bad, wanted = tensor > 0, "numbers <= 0"
        elif field == "beta":
            bad, wanted = (tensor < 0) | (tensor > 2), "numbers in [0, 2]"
        elif field == "sign":
            bad, wanted = (tensor != 0) & (tensor.abs() != 1), "-1, 0 or +1"
    if not bad.any():
        return None
    where = bad.nonzero()[0].tolist()
    return (
        f"{name} is {tensor[tuple(where)].item():.6g} at {where}, wanted {wanted} "
        f"({int(bad.sum())} of {bad.numel()} are not)"
    )
