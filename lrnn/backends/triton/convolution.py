"""A short causal convolution of every channel by itself: the host side of ``convolution_kernels``.

B words · T tokens · C channels · J = size - 1.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrnn.backends.triton.launch import current_device

FORWARD = {"TOKENS": 32, "CHANNELS": 128, "num_warps": 4}
"""What a program takes at a time."""

BACKWARD = {"TOKENS": 4, "CHANNELS": 1024, "num_warps": 4}
"""The same, chosen so that what is added over tokens lies in one thread."""

RUNS = 2048
"""Programs of the backward, about: each leaves sums of its own, which are added in the order of the tokens."""


def convolve(
    x: Float[Tensor, "B T C"],
    weight: Float[Tensor, "C size"],
    bias: Float[Tensor, "C"] | None = None,
    tail: Float[Tensor, "B J C"] | None = None,
    position: Int[Tensor, "T"] | None = None,
) -> tuple[Float[Tensor, "B T C"], Float[Tensor, "B J C"]]:
    """y_t = Σ_{j<size} w_j ⊙ x_{t-j} (+ bias), in the dtype of x, sums and weights in float32; and the new tail.

    Arguments:
        tail: x before the word; None is 0.
        position: of packed words, where B = 1: how many tokens of its word lie before each, int32. What lies before a
            word is then 0, and the new tail is that of the last word.

    Raises:
        ValueError: both tail and position.
    """
    if tail is not None and position is not None:
        raise ValueError("tail and position are both given: packed words have no tail here")
    if x.stride(2) != 1:
        x = x.contiguous()
    return convolution_forward(x, weight.contiguous(), bias, None if tail is None else tail.contiguous(), position)


@torch.library.custom_op("lrnn::convolution_forward", mutates_args=())
def convolution_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, position: Tensor | None
) -> tuple[Tensor, Tensor]:
    """:func:`convolve` of arguments whose last axes are dense."""
    from lrnn.backends.triton.convolution_kernels import convolution_fwd_kernel

    y, rest = _results(x, weight)
    B, T, C = x.shape
    J = rest.shape[1]
    kernel: Any = convolution_fwd_kernel
    with current_device(x.device):
        kernel[-(-C // FORWARD["CHANNELS"]) * -(-T // FORWARD["TOKENS"]), B](
            x, tail, weight, bias, position, y, *x.stride()[:2], T, C,
            SIZE=J + 1, PACKED=position is not None, **FORWARD,
        )  # fmt: skip
    new = min(T, J)
    rest[:, J - new :] = x[:, T - new :]
    if new < J:
        rest[:, : J - new] = 0 if tail is None else tail[:, new:]
    return y, rest


def _results(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape[0], weight.shape[1] - 1, x.shape[2])


@convolution_forward.register_fake
def _(
    x: Tensor, weight: Tensor, bias: Tensor | None, tail: Tensor | None, position: Tensor | None
) -> tuple[Tensor, Tensor]:
    return _results(x, weight)


@torch.library.custom_op("lrnn::convolution_backward", mutates_args=())
def convolution_backward(
    dy: Tensor, drest: Tensor | None, x: Tensor, weight: Tensor, tail: Tensor | None, position: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, weight and a bias, and of the tail, empty where there is none."""
    from lrnn.backends.triton.convolution_kernels import convolution_bwd_kernel

    B, T, C = x.shape
    size, blocks, slices = weight.shape[1], -(-T // BACKWARD["TOKENS"]), -(-C // BACKWARD["CHANNELS"])
    steps = -(-blocks // min(blocks, max(1, RUNS // (B * slices))))
    runs = -(-blocks // steps)
    dx = x.new_empty(x.shape)
    dtail = None if tail is None else torch.empty_like(tail)
    sums = x.new_empty(B * runs, size + 1, C, dtype=torch.float32)
    kernel: Any = convolution_bwd_kernel
    with current_device(x.device):
        kernel[slices, runs, B](
            x, tail, weight, position, dy, drest, dx, dtail, sums, *x.stride()[:2], T, C, steps,
            SIZE=size, PACKED=position is not None, **BACKWARD,
        )  # fmt: skip
    total = sums.sum(0)
    nothing = x.new_empty(0) if dtail is None else dtail
    return dx, total[:size].mT.to(weight.dtype).contiguous(), total[size].clone(), nothing


@convolution_backward.register_fake
def _(
    dy: Tensor, drest: Tensor | None, x: Tensor, weight: Tensor, tail: Tensor | None, position: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    bias = x.new_empty(x.shape[2], dtype=torch.float32)
    return x.new_empty(x.shape), torch.empty_like(weight), bias, x.new_empty(0 if tail is None else tail.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, bias, tail, position = inputs
    ctx.save_for_backward(x, weight, bias, tail, position)
    ctx.set_materialize_grads(False)


def _gradients(ctx: Any, dy: Tensor | None, drest: Tensor | None) -> tuple[Tensor | None, ...]:
    x, weight, bias, tail, position = ctx.saved_tensors
    dy = x.new_zeros(x.shape) if dy is None else dy.contiguous()
    drest = None if drest is None else drest.contiguous()
    dx, dweight, dbias, dtail = convolution_backward(dy, drest, x, weight, tail, position)
    return dx, dweight, None if bias is None else dbias.to(bias.dtype), None if tail is None else dtail, None


def _no_second_derivative(ctx: Any, *gradients: Tensor) -> None:
    raise NotImplementedError("the convolution's kernel has no second derivative")


convolution_forward.register_autograd(_gradients, setup_context=_keep)
convolution_backward.register_autograd(_no_second_derivative)
