"""What layers do to each row by itself, each in one kernel: the host side of ``pointwise_kernels``.

W numbers of a row, the last axis; PyTorch alone takes a pass over memory for each operation, half of them in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lrnn.backends.triton.launch import current_device

TILE = 4096
"""Numbers of a tile: 32 in a thread."""

WIDEST = 4096
"""Numbers of a row, at most."""

PROGRAMS = 1024
"""Of the backward of a norm, about: each leaves a sum of its own, which are added in the order of the rows."""


def activate_rows(
    x: Float[Tensor, "... W"], scale: Float[Tensor, "..."] | None, activation: str, eps: float | None
) -> Float[Tensor, "... W"]:
    """scale · a / max(|a|, eps) for a = act(x), in the dtype of x, rounded once.

    Arguments:
        scale: of each row; None is 1.
        activation: a name of :func:`lrnn.layers.gates.activate`.
        eps: the least length that is divided by; None leaves the length as it is.
    """
    scale = None if scale is None else scale.contiguous()
    return activate_forward(x.contiguous(), scale, activation, -1.0 if eps is None else eps)


def gated_norm(
    x: Float[Tensor, "... W"], weight: Float[Tensor, "W"], gate: Float[Tensor, "... W"] | None, eps: float
) -> Float[Tensor, "... W"]:
    """x / √(mean x² + eps) ⊙ weight ⊙ silu(gate), in the dtype of x, rounded once; a gate of None is left out."""
    return norm_forward(x.contiguous(), weight.contiguous(), None if gate is None else gate.contiguous(), eps)


def _tiles(x: Tensor) -> tuple[int, dict[str, int]]:
    """Rows, and how many of them are taken at a time."""
    W = x.shape[-1]
    block = 1 << (W - 1).bit_length()
    return x.numel() // W, {"W": W, "BLOCK": block, "ROWS": max(1, TILE // block), "num_warps": 4}


def _launch(kernel: Any, x: Tensor, *others: Tensor | None, programs: int | None = None, **how: Any) -> None:
    """Over all rows of x, if there are any."""
    rows, tiles = _tiles(x)
    if rows:
        with current_device(x.device):
            kernel[(programs or -(-rows // tiles["ROWS"]),)](x, *others, rows=rows, **how, **tiles)


@torch.library.custom_op("lrnn::activate_forward", mutates_args=())
def activate_forward(x: Tensor, scale: Tensor | None, activation: str, eps: float) -> Tensor:
    """:func:`activate_rows` of contiguous tensors; a negative eps is none."""
    from lrnn.backends.triton.pointwise_kernels import activate_fwd_kernel

    y = torch.empty_like(x)
    _launch(activate_fwd_kernel, x, scale, y, eps=eps, ACTIVATION=activation, NORM=eps >= 0)
    return y


@activate_forward.register_fake
def _(x: Tensor, scale: Tensor | None, activation: str, eps: float) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("lrnn::activate_backward", mutates_args=())
def activate_backward(
    dy: Tensor, x: Tensor, scale: Tensor | None, activation: str, eps: float
) -> tuple[Tensor, Tensor]:
    """The gradients of x and of the scale, empty where there is none."""
    from lrnn.backends.triton.pointwise_kernels import activate_bwd_kernel

    dx, dscale = torch.empty_like(x), x.new_empty(0) if scale is None else torch.empty_like(scale)
    _launch(activate_bwd_kernel, x, scale, dy, dx, dscale, eps=eps, ACTIVATION=activation, NORM=eps >= 0)
    return dx, dscale


@activate_backward.register_fake
def _(dy: Tensor, x: Tensor, scale: Tensor | None, activation: str, eps: float) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty(0) if scale is None else torch.empty_like(scale)


@torch.library.custom_op("lrnn::gated_norm_forward", mutates_args=())
def norm_forward(x: Tensor, weight: Tensor, gate: Tensor | None, eps: float) -> Tensor:
    """:func:`gated_norm` of contiguous tensors."""
    from lrnn.backends.triton.pointwise_kernels import gated_norm_fwd_kernel

    y = torch.empty_like(x)
    _launch(gated_norm_fwd_kernel, x, weight, gate, y, eps=eps)
    return y


@norm_forward.register_fake
def _(x: Tensor, weight: Tensor, gate: Tensor | None, eps: float) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op("lrnn::gated_norm_backward", mutates_args=())
def norm_backward(
    dy: Tensor, x: Tensor, weight: Tensor, gate: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and gate, the last empty where there is none."""
    from lrnn.backends.triton.pointwise_kernels import gated_norm_bwd_kernel

    dx, dgate = torch.empty_like(x), x.new_empty(0) if gate is None else torch.empty_like(gate)
    rows, tiles = _tiles(x)
    blocks = -(-rows // tiles["ROWS"])
    steps = max(1, -(-blocks // PROGRAMS))
    sums = x.new_empty(-(-blocks // steps), x.shape[-1], dtype=torch.float32)
    _launch(
        gated_norm_bwd_kernel, x, weight, gate, dy, dx, dgate, sums, programs=len(sums), eps=eps, steps=steps
    )  # fmt: skip
    return dx, sums.sum(0).to(weight.dtype), dgate


@norm_backward.register_fake
def _(dy: Tensor, x: Tensor, weight: Tensor, gate: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight), x.new_empty(0) if gate is None else torch.empty_like(gate)


def _keep_rows(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, scale, *ctx.how = inputs
    ctx.save_for_backward(x, scale)


def _gradients_of_rows(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, scale = ctx.saved_tensors
    dx, dscale = activate_backward(dy.contiguous(), x, scale, *ctx.how)
    return dx, None if scale is None else dscale, None, None


def _keep_norm(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, gate, ctx.eps = inputs
    ctx.save_for_backward(x, weight, gate)


def _gradients_of_norm(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, gate = ctx.saved_tensors
    dx, dweight, dgate = norm_backward(dy.contiguous(), x, weight, gate, ctx.eps)
    return dx, dweight, None if gate is None else dgate, None


def _no_second_derivative(ctx: Any, *gradients: Tensor) -> None:
    raise NotImplementedError("what a kernel does to rows has no second derivative")


activate_forward.register_autograd(_gradients_of_rows, setup_context=_keep_rows)
norm_forward.register_autograd(_gradients_of_norm, setup_context=_keep_norm)
activate_backward.register_autograd(_no_second_derivative)
norm_backward.register_autograd(_no_second_derivative)
