"""A gate maps a number x to β or to a decay a; its form says how it reaches the ends of the range.

Forms of the unit gate u(x) in [0, 1]; β = bound · u(x), with bound 1 for eigenvalues (0, 1) and 2 for (-1, 1), so
that the eigenvalue 1 - β is in the range:

| form    | u(x)                        | ends in float32                                                |
|---------|-----------------------------|----------------------------------------------------------------|
| sigmoid | σ(x)                        | the published form; 1 only for x >= 17.3, 0 only for x < -88.7  |
| sharp   | σ(10 x)                     | 1 for x >= 1.73, 0 for x < -8.87                               |
| clamp   | clamp(½ + 0.6 tanh x, 0, 1) | 1 for x >= 1.2, 0 for x <= -1.2; no gradient beyond            |
| pinned  | 1                           | always the end: β is no function of x                          |

A decay starts from the published log-decay g <= 0, with range (lo, 1) of width w = 1 - lo (lo = 0 or -1):

| form    | a(g)                                | ends in float32                                        |
|---------|-------------------------------------|--------------------------------------------------------|
| sigmoid | lo + w e^g                          | the published form; lo = -1 only for g <= -17.4        |
| sharp   | lo + w e^{10 g}                     | lo = -1 for g <= -1.74                                 |
| clamp   | clamp(mid + 1.2 w (e^g - ½), lo, 1) | lo for e^g <= 1/12, 1 for e^g >= 11/12; no gradient beyond |
| pinned  | 1 if e^g >= ½ else lo               | always an end; gradient of sigmoid (straight-through)  |

(With Δ = softplus(-x) and A = -1 the published e^g = e^{ΔA} of Mamba is σ(x), hence the name of the first row.)
The lower end of (0, 1) is 0, a reset: exactly 0 with clamp, and a decay of 1e-20 with pinned, whose gradient would
not pass through a reset; e^g alone comes near it only for g far below zero.

Source: 2σ(x) and 2e^g - 1: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues",
arXiv 2411.12537, §5 and eq. (2). The other forms are ours.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation, Eigenvalues, Form
from lrnn.transition import Diagonal, Scalar, SteppedDiagonal

SHARP = 10.0
OVERSHOOT = 1.2


def unit_gate(x: Float[Tensor, "*shape"], form: Form) -> Float[Tensor, "*shape"]:
    """u(x) in [0, 1] by the table above.

    >>> unit_gate(torch.tensor([-2.0, 0.0, 2.0]), "clamp")
    tensor([0.0000, 0.5000, 1.0000])
    """
    if form == "sigmoid":
        return x.sigmoid()
    if form == "sharp":
        return (SHARP * x).sigmoid()
    if form == "clamp":
        return (0.5 + 0.5 * OVERSHOOT * x.tanh()).clamp(0, 1)
    return torch.ones_like(x)


class Beta(nn.Module):
    """β_t = bound · u(W x_t), one number per reflector, in float32 or better; bound 1 or 2 as the eigenvalues ask.

    The form ``"pinned"`` has no weights, for its β is always the bound.
    """

    def __init__(self, dim: int, count: int, form: Form, eigenvalues: Eigenvalues) -> None:
        super().__init__()
        self.form: Form = form
        self.bound = float(1 - eigenvalues[0])
        self.count = count
        self.proj = None if form == "pinned" else nn.Linear(dim, count, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T R"]:
        if self.proj is None:
            return precise(x).new_full((*x.shape[:-1], self.count), self.bound)
        return self.bound * unit_gate(precise(self.proj(x)), self.form)


def signed_decay(g: Float[Tensor, "*shape"], form: Form, eigenvalues: Eigenvalues) -> Float[Tensor, "*shape"]:
    """a in [lo, 1] from the published log-decay g <= 0, by the table above.

    >>> signed_decay(torch.tensor([-40.0, 0.0]), "sigmoid", (-1, 1))
    tensor([-1., 1.])
    """
    low, width = float(eigenvalues[0]), float(1 - eigenvalues[0])
    if form == "sharp":
        g = SHARP * g
    a = 1 + width * torch.expm1(g)  # keeps what is lost in lo + w e^g near a = 1
    if form == "clamp":
        return ((1 + low) / 2 + OVERSHOOT * (a - (1 + low) / 2)).clamp(low, 1)
    if form == "pinned":
        end = torch.where(a.detach() >= (1 + low) / 2, 1.0, low).to(a.dtype)
        return end + (a - a.detach())
    return a


def scalar_decay(g: Float[Tensor, "B T H"], form: Form, eigenvalues: Eigenvalues, size: int) -> Scalar:
    """One decay per head from the published log-decay."""
    if eigenvalues == (0, 1) and form in ("sigmoid", "sharp"):  # stays in logarithms
        return Scalar(log_decay=g if form == "sigmoid" else SHARP * g, size=size)
    A = Scalar.of(a := signed_decay(g, form, eigenvalues), size=size)
    return replace(A, sign=a.detach().sign()) if form == "clamp" and eigenvalues == (0, 1) else A


def diagonal_decay(g: Float[Tensor, "B T H K"], form: Form, eigenvalues: Eigenvalues) -> Diagonal:
    """One decay per state row from the published log-decay."""
    if eigenvalues == (0, 1) and form in ("sigmoid", "sharp"):
        return Diagonal(log_decay=g if form == "sigmoid" else SHARP * g)
    A = Diagonal.of(a := signed_decay(g, form, eigenvalues))
    # where a is cut to 0 it has no gradient, so a reset loses none
    return replace(A, sign=a.detach().sign()) if form == "clamp" and eigenvalues == (0, 1) else A


def stepped_decay(
    step: Float[Tensor, "B T H"], rate: Float[Tensor, "H K"], form: Form, eigenvalues: Eigenvalues
) -> Diagonal | SteppedDiagonal:
    """One decay per state row from the published log-decay step · rate, which is written out only where it must be."""
    if eigenvalues == (0, 1) and form in ("sigmoid", "sharp"):
        return SteppedDiagonal(step=step, rate=(rate if form == "sigmoid" else SHARP * rate)[None, None])
    return diagonal_decay(step[..., None] * rate, form, eigenvalues)


def activate(x: Float[Tensor, "*shape"], name: Activation) -> Float[Tensor, "*shape"]:
    """The activation of keys and queries."""
    if name == "silu":
        return F.silu(x)
    if name == "relu":
        return F.relu(x)
    return 1 + F.elu(x) if name == "elu" else x


def precise(x: Tensor) -> Tensor:
    """x in float32 or better: where a rounding would be an eigenvalue."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def step_size_bias(count: int, least: float = 1e-3, most: float = 0.1, floor: float = 1e-4) -> Tensor:
    """b with softplus(b) log-uniform in [least, most], not below the floor: the published start of Mamba's Δ.

    Source: Gu & Dao, "Mamba", arXiv 2312.00752, §3.6.
    """
    low, high = math.log(least), math.log(most)
    dt = torch.exp(low + (high - low) * torch.rand(count)).clamp(min=floor)
    return dt + torch.log(-torch.expm1(-dt))  # the inverse of softplus
