"""A signed decay a = sign · exp(log_decay) and its two readings."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

FLOOR = {torch.float64: 1e-30, torch.float32: 1e-20, torch.bfloat16: 1e-20, torch.float16: 1e-4}
"""The smallest |a| that is told apart from 0 by :func:`log_and_sign`; far below the rounding of the state."""


def value_of(log_decay: Float[Tensor, "..."], sign: Float[Tensor, "..."] | None) -> Float[Tensor, "..."]:
    """a = sign · exp(log_decay)."""
    magnitude = log_decay.exp()
    return magnitude if sign is None else magnitude * sign


def log_and_sign(a: Float[Tensor, "..."]) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """(log max(|a|, floor), sign(a) with sign(0) = +1); differentiable in a with d log|a| / da = 1/a at every a.

    At and below the floor, 1/a is taken at the floor, which is the right derivative of everything that is a function
    of the product sign · exp(log_decay).

    >>> a = torch.tensor([0.0], requires_grad=True)
    >>> log_decay, sign = log_and_sign(a)
    >>> (3 * sign * log_decay.exp()).sum().backward()
    >>> a.grad
    tensor([3.])
    """
    sign = torch.where(a.detach() < 0, -1.0, 1.0).to(a.dtype)
    return _LogMagnitude.apply(a, sign), sign  # type: ignore[return-value]


def multiply_signs(left: Tensor | None, right: Tensor | None) -> Tensor | None:
    """The sign of a product, where None means +1 everywhere."""
    if left is None or right is None:
        return right if left is None else left
    return left * right


def add_phases(left: Float[Tensor, "..."], right: Float[Tensor, "..."], num_angles: int = 0) -> Float[Tensor, "..."]:
    """The phase of a product, brought back to half a turn around 0: the rounding of a sum would grow with it."""
    turn = num_angles or 2 * torch.pi
    total = left.to(torch.float64) + right.to(torch.float64)
    turns = (total / turn).detach().round()
    return (total - turn * turns).to(torch.promote_types(left.dtype, right.dtype))


def in_radians(phase: Float[Tensor, "..."], num_angles: int) -> Float[Tensor, "..."]:
    """A phase, or a sum of phases, in units of 2π/num_angles (0: in radians), brought to [0, 2π) in radians.

    >>> in_radians(torch.tensor([3_000_001.0]), 4)
    tensor([1.5708])
    """
    turn = num_angles or 2 * torch.pi
    return (phase.to(torch.float64) % turn * (2 * torch.pi / turn)).to(phase.dtype)


class _LogMagnitude(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, sign: Tensor) -> Tensor:
        return a.abs().clamp_min(FLOOR[a.dtype]).log()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        a, sign = ctx.saved_tensors
        return grads[0] * sign / a.abs().clamp_min(FLOOR[a.dtype]), None
