"""Several projections of the same few vectors in one kernel, for decoding: each alone is too small to fill a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrnn.backends.triton.launch import aligned, begins_early, generation, processors
from lrnn.backends.triton.rows_layout import tile

MAX_VECTORS = 64
"""More rows than this are better served by a matrix product each."""

MANY_ROWS = 8192
"""Rows of all weights together from which on a program takes more of them."""

ONE = {"BLOCK_N": 4, "BLOCK_D": 1024, "num_warps": 4}
"""For one vector: 8 KiB of 16-bit weights on their way in every program, twice as much where there are many rows."""

SOME = {
    2: {"BLOCK_N": 64, "BLOCK_D": 128, "num_warps": 4, "num_stages": 3},
    4: {"BLOCK_N": 32, "BLOCK_D": 32, "num_warps": 4, "num_stages": 3},
}
"""For some vectors, by the bytes of a number: up to 48 KiB of weights on their way."""

SPLIT = {"BLOCK_N": 64, "BLOCK_D": 64, "num_warps": 4, "num_stages": 6}
"""For some vectors of 16-bit numbers, where a program sums few columns."""

HOPPER = {"BLOCK_M": 64, "BLOCK_N": 64, "BLOCK_D": 64, "STAGES": 6}
"""For some vectors of 16-bit numbers, where there is a kernel for that GPU; two programs to a processor."""

MORE = HOPPER | {"STAGES": 8}
"""Where each takes half as many rows more and then every processor has one at most: vectors are read less often."""

MAX_WEIGHTS = 8
"""That kernel takes so many."""

PROGRAMS, LEAST_SPLIT = 128, 256
"""So many programs fill a GPU; each sums so many columns at least."""


def project(
    x: Float[Tensor, "M D"],
    weights: Sequence[Tensor],
    *,
    norm: Float[Tensor, "D"] | None = None,
    eps: float = 0.0,
    residual: Float[Tensor, "M N"] | None = None,
    gated: bool = False,
    early: bool = False,
) -> list[Tensor]:
    """x W_iᵀ ``[M, N_i]`` for every weight ``[N_i, D]``, in the dtype of x; sums in float32. There is no backward.

    Arguments:
        norm: w, of one vector; W_i (x ⊙ w) / √(mean x² + eps), of which x ⊙ w is rounded to the dtype of x.
        residual: what is added, of one vector and one weight.
        gated: of two weights [N, D] silu(x W_1ᵀ) ⊙ x W_2ᵀ instead.
        early: the kernel before this one in its stream writes no weight, so that they may be read while it runs.

    Raises:
        ValueError: no weights, other widths or dtypes than those of x, more than 64 rows, more than one row or weight
            where that is asked for which needs one, other than two alike to be gated.
    """
    wrong = [f"[{', '.join(map(str, w.shape))}] {w.dtype}" for w in weights if w.shape[1:] != x.shape[1:]]
    wrong += [f"{w.dtype}" for w in weights if w.dtype != x.dtype]
    if wrong or not weights or x.shape[0] > MAX_VECTORS:
        raise ValueError(
            f"x is {tuple(x.shape)} {x.dtype}, weights are {wrong or len(weights)}: wanted at most {MAX_VECTORS} "
            f"vectors and weights [N, {x.shape[1]}] of their dtype"
        )
    if x.shape[0] != 1 and not (norm is residual is None):
        raise ValueError(f"x is {tuple(x.shape)}: norm and residual are for one vector")
    rows = [weight.shape[0] for weight in weights]
    if gated and (len(rows) != 2 or rows[0] != rows[1]):
        raise ValueError(f"weights have {rows} rows: gated is for two of as many")
    if residual is not None and (len(rows) > 1 or residual.shape != (1, rows[0])):
        raise ValueError(f"residual is {tuple(residual.shape)}, weights have {rows} rows: wanted one weight and [1, N]")
    return torch.ops.lrnn.project(x, list(weights), norm, eps, residual, gated, early)


torch.library.define(
    "lrnn::project",
    "(Tensor x, Tensor[] weights, Tensor? norm=None, float eps=0.0, Tensor? residual=None, bool gated=False, "
    "bool early=False) -> Tensor[]",
    tags=torch.Tag.pt2_compliant_tag,
)


@torch.library.impl("lrnn::project", "CompositeExplicitAutograd")
def _project(x: Tensor, weights: list[Tensor], *how: Any) -> list[Tensor]:
    ys = _fake_project(x, weights, *how)
    if x.shape[0]:
        _run(x.device, *launch(x, weights, ys, *how))
    return ys


@torch.library.register_fake("lrnn::project")
def _fake_project(
    x: Tensor,
    weights: list[Tensor],
    norm: Tensor | None = None,
    eps: float = 0.0,
    residual: Tensor | None = None,
    gated: bool = False,
    early: bool = False,
) -> list[Tensor]:
    return [x.new_empty(x.shape[0], weight.shape[0]) for weight in weights[: 1 if gated else None]]


def splits_of(M: int, N: int, D: int, dtype: torch.dtype) -> int:
    """Into how many sums a product of some vectors is cut so that it fills a GPU."""
    splits = 1
    while (
        1 < M <= MAX_VECTORS
        and dtype.itemsize == 2
        and 2 * splits * -(-N // SPLIT["BLOCK_N"]) <= PROGRAMS
        and D % (2 * splits * SPLIT["BLOCK_D"]) == 0
        and D // (2 * splits) >= LEAST_SPLIT
    ):
        splits *= 2
    return splits


def project_parts(
    x: Float[Tensor, "M D"], weight: Float[Tensor, "N D"], splits: int, early: bool = False
) -> Float[Tensor, "splits M N"]:
    """Parts of x Wᵀ in float32, to be summed; each of as many columns. ``splits`` divides D."""
    return torch.ops.lrnn.project_parts(x, weight, splits, early)


torch.library.define(
    "lrnn::project_parts",
    "(Tensor x, Tensor weight, int splits, bool early=False) -> Tensor",
    tags=torch.Tag.pt2_compliant_tag,
)


@torch.library.impl("lrnn::project_parts", "CompositeExplicitAutograd")
def _project_parts(x: Tensor, weight: Tensor, splits: int, early: bool = False) -> Tensor:
    parts = _fake_project_parts(x, weight, splits)
    _run(x.device, *launch(x, [weight], [parts], early=early))
    return parts


@torch.library.register_fake("lrnn::project_parts")
def _fake_project_parts(x: Tensor, weight: Tensor, splits: int, early: bool = False) -> Tensor:
    return x.new_empty(splits, x.shape[0], weight.shape[0], dtype=torch.float32)


def add_norm(
    parts: Float[Tensor, "splits M N"], residual: Float[Tensor, "M N"], norm: Float[Tensor, "N"], eps: float
) -> tuple[Float[Tensor, "M N"], Float[Tensor, "M N"]]:
    """y = residual + Σ parts in the dtype of the residual, and y / √(mean y² + eps) ⊙ norm of every row."""
    return torch.ops.lrnn.add_norm(parts, residual, norm, eps)


torch.library.define(
    "lrnn::add_norm",
    "(Tensor parts, Tensor residual, Tensor norm, float eps) -> (Tensor, Tensor)",
    tags=torch.Tag.pt2_compliant_tag,
)


@torch.library.impl("lrnn::add_norm", "CompositeExplicitAutograd")
def _add_norm(parts: Tensor, residual: Tensor, norm: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    from lrnn.backends.triton.projections_kernels import add_norm_kernel

    (splits, M, N), early = parts.shape, norm.is_contiguous() and begins_early(parts.device)
    y, z = _fake_add_norm(parts, residual, norm, eps)
    arguments = {
        "parts": parts.contiguous(), "residual": residual.contiguous(), "norm": norm.contiguous(), "y": y, "z": z,
        "eps": eps, "M": M, "N": N, "BLOCK": 1 << (N - 1).bit_length(), "SPLITS": splits, "EARLY": early,
        "num_warps": 8,
    } | ({"launch_pdl": True} if early else {})  # fmt: skip
    _run(parts.device, add_norm_kernel, (M, 1), arguments)
    return y, z


@torch.library.register_fake("lrnn::add_norm")
def _fake_add_norm(parts: Tensor, residual: Tensor, norm: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return residual.new_empty(residual.shape), residual.new_empty(residual.shape)


def _run(device: torch.device, kernel: Any, grid: tuple[int, int], arguments: dict[str, Any]) -> None:
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        kernel[grid](**arguments)


def launch(
    x: Tensor,
    weights: Sequence[Tensor],
    ys: Sequence[Tensor],
    norm: Tensor | None = None,
    eps: float = 0.0,
    residual: Tensor | None = None,
    gated: bool = False,
    early: bool = False,
) -> tuple[Any, tuple[int, int], dict[str, Any]]:
    """The kernel for a call, its grid, and its arguments."""
    from lrnn.backends.triton.projections_kernels import project_kernel

    (M, D), splits = x.shape, ys[0].shape[0] if ys[0].ndim == 3 else 1
    if on_hopper(x, len(weights), D // splits):
        return _launch_on_hopper(x, weights, ys, splits, gated, early)
    early = early and all(weight.is_contiguous() for weight in weights) and begins_early(x.device)
    rows = [weight.shape[0] for weight in weights]
    sizes = ONE if M == 1 else SPLIT if splits > 1 else SOME[x.element_size()]
    if M == 1 and not gated and sum(rows) >= MANY_ROWS:
        sizes = sizes | {"BLOCK_N": 2 * sizes["BLOCK_N"]}
    if M > 1 and gated:
        sizes = sizes | {"BLOCK_N": sizes["BLOCK_N"] // 2}
    least, padded = (1, 1) if M == 1 else (16, tile(M))
    arguments = {
        "x": x.contiguous(), "weights": tuple(weight.contiguous() for weight in weights), "ys": tuple(ys),
        "sizes": tuple(rows), "norm": norm, "residual": None if residual is None else residual.contiguous(),
        "eps": eps, "M": M, "D": D, "COUNT": len(ys), "GATED": gated, "SPLIT": D // splits, "EARLY": early,
    }  # fmt: skip
    columns = max(least, min(sizes["BLOCK_D"], 1 << (D - 1).bit_length()))
    arguments |= sizes | {"BLOCK_M": padded, "BLOCK_D": columns}
    programs = sum(-(-count // sizes["BLOCK_N"]) for count in rows[: len(ys)])
    return project_kernel, (programs, splits), arguments | ({"launch_pdl": True} if early else {})


def on_hopper(x: Tensor, weights: int, columns: int) -> bool:
    """Is there a kernel for this GPU and so many weights, which sums so many columns?"""
    fits = columns % HOPPER["BLOCK_D"] == 0 and columns >= HOPPER["STAGES"] * HOPPER["BLOCK_D"]
    served = x.shape[0] > 1 and x.element_size() == 2 and weights <= MAX_WEIGHTS
    return fits and served and generation(x.device) == 9


def _launch_on_hopper(
    x: Tensor, weights: Sequence[Tensor], ys: Sequence[Tensor], splits: int, gated: bool, early: bool
) -> tuple[Any, tuple[int, int], dict[str, Any]]:
    from triton.experimental.gluon import language as gl
    from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

    from lrnn.backends.triton.projections_hopper_kernels import project_hopper_kernel

    early = early and all(weight.is_contiguous() and weight.data_ptr() % 16 == 0 for weight in weights)
    rows = [weight.shape[0] for weight in weights]
    M, N, D = (HOPPER[f"BLOCK_{name}"] for name in "MND")
    N, sizes = N // (1 + gated), HOPPER
    programs, fewer = (sum(-(-count // size) for count in rows[: len(ys)]) for size in (N, N + N // 2))
    columns = x.shape[1] // splits
    more = fewer * splits <= processors(x.device) < programs * splits and columns >= MORE["STAGES"] * D
    if more:
        programs, sizes = fewer, MORE
    layout = gl.NVMMASharedLayout(128, 16, rank=2)

    def tiles(x: Tensor, height: int) -> Any:
        return TensorDescriptor(aligned(x), list(x.shape), [x.shape[1], 1], [height, D], layout)

    found = [tiles(weight, N // 2 if more else N) for weight in weights]
    arguments = {f"w{i}": found[min(i, len(found) - 1)] for i in range(MAX_WEIGHTS)}
    arguments |= {
        "x": tiles(x, M), "ys": tuple(ys), "sizes": tuple(rows), "M": x.shape[0], "COUNT": len(ys), "GATED": gated,
        "SPLIT": columns, "MORE": more, "num_warps": 4, "maxnreg": 128,
    }  # fmt: skip
    return project_hopper_kernel, (programs, splits), arguments | sizes | ({"launch_pdl": True} if early else {})
