"""Several projections of the same few vectors in one kernel, for decoding: each alone is too small to fill a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

MAX_VECTORS = 64
"""More rows than this are better served by a matrix product each."""

ONE = {"BLOCK_N": 4, "BLOCK_D": 2048, "num_warps": 4}
"""For one vector: 16 KiB of 16-bit weights on their way in every program."""

SOME = {
    2: {"BLOCK_N": 32, "BLOCK_D": 128, "num_warps": 4, "num_stages": 4},
    4: {"BLOCK_N": 32, "BLOCK_D": 32, "num_warps": 4, "num_stages": 3},
}
"""For some vectors, by the bytes of a number: up to 24 KiB of weights on their way."""


def project(x: Float[Tensor, "M D"], weights: Sequence[Tensor]) -> list[Tensor]:
    """x W_iᵀ ``[M, N_i]`` for every weight ``[N_i, D]``, in the dtype of x; sums in float32. There is no backward.

    Raises:
        ValueError: no weights, other widths or dtypes than those of x, more than 64 rows.
    """
    wrong = [f"[{', '.join(map(str, w.shape))}] {w.dtype}" for w in weights if w.shape[1:] != x.shape[1:]]
    wrong += [f"{w.dtype}" for w in weights if w.dtype != x.dtype]
    if wrong or not weights or x.shape[0] > MAX_VECTORS:
        raise ValueError(
            f"x is {tuple(x.shape)} {x.dtype}, weights are {wrong or len(weights)}: wanted at most {MAX_VECTORS} "
            f"vectors and weights [N, {x.shape[1]}] of their dtype"
        )
    return torch.ops.lrnn.project(x, list(weights))


torch.library.define("lrnn::project", "(Tensor x, Tensor[] weights) -> Tensor[]", tags=torch.Tag.pt2_compliant_tag)


@torch.library.impl("lrnn::project", "CompositeExplicitAutograd")
def _project(x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    ys = _fake_project(x, weights)
    if x.shape[0]:
        kernel, programs, arguments = launch(x, weights, ys)
        with torch.cuda.device(x.device) if x.is_cuda else nullcontext():
            kernel[(programs,)](**arguments)
    return ys


@torch.library.register_fake("lrnn::project")
def _fake_project(x: Tensor, weights: list[Tensor]) -> list[Tensor]:
    return [x.new_empty(x.shape[0], weight.shape[0]) for weight in weights]


def launch(x: Tensor, weights: Sequence[Tensor], ys: Sequence[Tensor]) -> tuple[Any, int, dict[str, Any]]:
    """The kernel for a call, how many programs of it, and its arguments."""
    from lrnn.backends.triton.projections_kernels import project_kernel

    M, D = x.shape
    block_m = 1 if M == 1 else max(16, 1 << (M - 1).bit_length())
    sizes = ONE if M == 1 else SOME[x.element_size()]
    least = 1 if M == 1 else 16
    sizes = sizes | {"BLOCK_M": block_m, "BLOCK_D": max(least, min(sizes["BLOCK_D"], 1 << (D - 1).bit_length()))}
    arguments = {
        "x": x.contiguous(),
        "weights": tuple(weight.contiguous() for weight in weights),
        "ys": tuple(ys),
        "sizes": tuple(weight.shape[0] for weight in weights),
        "M": M,
        "D": D,
        "COUNT": len(weights),
    }
    programs = sum(-(-weight.shape[0] // sizes["BLOCK_N"]) for weight in weights)
    return project_kernel, programs, arguments | sizes
