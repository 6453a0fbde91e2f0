"""Muon: momentum whose direction is made orthogonal, for the hidden matrices of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

# Coefficients of the quintic a x + b x³ + c x⁵, chosen by Jordan for the steepest slope at 0; its fixed point is not
# exactly 1, so singular values land in about [0.7, 1.2].
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalize(matrix: Float[Tensor, "M N"], steps: int = 5) -> Float[Tensor, "M N"]:
    """U Vᵀ of the singular value decomposition U Σ Vᵀ, approximately, by `steps` Newton-Schulz iterations.

        X_0 = G / ‖G‖_F        X_{i+1} = a X_i + (b X_i X_iᵀ + c (X_i X_iᵀ)²) X_i

    Singular values between 1e-2 and 1 (relative to the Frobenius norm) come out in about [0.7, 1.2]. A zero matrix
    stays zero. Computed in float32 (float64 for float64).

    Raises ValueError if `matrix` is not 2-D.

    Source: K. Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024); J. Liu et al., Muon is
    Scalable for LLM Training, arXiv 2502.16982, eq. 2.
    """
    if matrix.ndim != 2:
        raise ValueError(f"matrix: got shape {tuple(matrix.shape)}, must be [M, N]")
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
    x = x.mT if tall else x  # the Gram matrix of the short side is the cheap one
    x = x / x.norm().clamp_min(torch.finfo(x.dtype).tiny)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(Optimizer):
    """Nesterov momentum M, made orthogonal, with decoupled weight decay:

        M ← μ M + G        θ ← (1 - lr λ) θ - lr √max(1, M/N) · orthogonalize(G + μ M)

    Args:
        params: parameters (or groups of them), every one 2-D.
        lr: in units of the spectral norm of an update.
        momentum: μ in [0, 1).
        weight_decay: λ >= 0.

    Raises ValueError for a parameter that is not 2-D.

    Source: as `orthogonalize`.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        wrong = [tuple(p.shape) for group in self.param_groups for p in group["params"] if p.ndim != 2]
        if wrong:
            raise ValueError(f"params: Muon moves matrices only, got shapes {wrong}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(p)
                buffer = state["momentum"].mul_(momentum).add_(p.grad)
                direction = orthogonalize(p.grad.add(buffer, alpha=momentum))
                p.mul_(1 - lr * group["weight_decay"])
                p.add_(direction, alpha=-lr * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)
        return loss
