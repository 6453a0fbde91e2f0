"""RWKV-7: a diagonal decay and, in one rank-one term, the removal of what a key holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Eigenvalues, Form, HeadsConfig
from lrnn.layers.convolution import previous
from lrnn.layers.gates import precise, unit_gate
from lrnn.layers.mixer import Drive, LinearMixer, heads, normed, undecayed
from lrnn.recurrence import Packing
from lrnn.transition import DPLR, Diagonal


@dataclass(frozen=True, kw_only=True)
class RWKV7Config(HeadsConfig):
    """RWKV-7: K = V = dim / num_heads where not given."""

    eigenvalues: Eigenvalues = (0, 1)
    """(0, 1) is the published removal a = σ(·) in (0, 1), which by itself reaches down to e^{-e^-½} - 1 = -0.455;
    (-1, 1) is a = (1 + w) σ(·), the largest that keeps the eigenvalues in [-1, 1]."""
    beta_form: Form = "sigmoid"
    """How the removal a reaches the end of its range."""
    token_shift: bool = True
    """Mix every token with the one before it."""
    rank: int | None = None
    """Rank of the projections to decay and removal, half of the gate's; None is 2.5 √dim to the nearest 32, >= 32."""

    least_value_dim: ClassVar[int] = 2


class RWKV7(LinearMixer[RWKV7Config]):
    """S_t = (diag(w_t) - (a_t ⊙ κ_t) κ_tᵀ) S_{t-1} + k̃_t v_tᵀ, y_t = S_tᵀ r_t,
    x' = W_o ((GroupNorm(y) + (Σ r ⊙ ρ ⊙ k̃) v) ⊙ g).

    Each of r, w, k, v, a, g sees x_t + μ ⊙ (x_{t-1} - x_t) with its own μ. r, k, v = W x; log w = -e^{-½} σ(w_0 + W_2
    tanh(W_1 x)); a = bound · u(a_0 + A_2 A_1 x) (:mod:`lrnn.layers.gates`); κ = k ⊙ ξ normalized per head; k̃ = k ⊙ (1 +
    α ⊙ (a - 1)); g = G_2 σ(G_1 x). In our letters q = r. The matrix is the transpose of the paper's, as is the state.
    The paper's value residual from the first layer is a matter of the stack, not of a mixer, and is left out.

    Start: that of the official code for its first layer; W_o = W_1 = A_1 = G_1 = 0.

    Source: Peng et al., "RWKV-7 Goose with Expressive Dynamic State Evolution", arXiv 2503.14456, §4.
    """

    Config = RWKV7Config

    def build(self) -> None:
        c = self.config
        H, K, V = c.state_shape
        rank = c.rank or max(32, 32 * round(2.5 * c.dim**0.5 / 32))
        channel = torch.arange(H * K) / max(1, H * K - 1)
        zigzag = (torch.arange(H * K) % K - (K - 1) / 2) / max(0.5, (K - 1) / 2)
        zigzag = zigzag * zigzag.abs()
        if c.token_shift:  # of r, w, k, v, a, g
            powers = torch.tensor([0.2, 0.9, 0.7, 0.7, 0.9, 0.2])[:, None]
            self.mix = undecayed(1 - (torch.arange(c.dim) / c.dim) ** powers)
        self.r_proj, self.k_proj = nn.Linear(c.dim, H * K, bias=False), nn.Linear(c.dim, H * K, bias=False)
        self.v_proj, self.out_proj = nn.Linear(c.dim, H * V, bias=False), nn.Linear(H * V, c.dim, bias=False)
        for proj, bound in ((self.r_proj, 0.5), (self.k_proj, 0.05), (self.v_proj, 0.5), (self.out_proj, 0.0)):
            nn.init.uniform_(proj.weight, -bound * c.dim**-0.5, bound * c.dim**-0.5)
        self.decay_proj = low_rank(c.dim, rank, H * K, nn.Tanh(), -5.5 + 6 * channel + 2.5 * zigzag)
        start = -0.19 + 0.3 * zigzag + 0.4 * (channel - 0.5)
        pinned = c.beta_form == "pinned"
        self.removal_proj = None if pinned else low_rank(c.dim, rank, H * K, nn.Identity(), start)
        self.gate_proj = low_rank(c.dim, 2 * rank, H * V, nn.Sigmoid(), None)
        self.removal_scale = undecayed((0.71 - 0.1 * (channel - 0.5)).reshape(H, K))  # ξ
        # with a = 1 always, k̃ = k whatever α is
        self.key_scale = None if pinned and c.eigenvalues == (0, 1) else undecayed(torch.full((H, K), 1.02))  # α
        self.bonus = undecayed(torch.full((H, K), -0.04))  # ρ
        self.norm = nn.GroupNorm(H, H * V, eps=1e-5 * V)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        c = self.config
        H, K, V = c.state_shape
        xs = [x] * 6
        if c.token_shift:
            before, rest = previous(x, tail[0] if tail else None, packing)
            xs, tail = list(torch.lerp(x, before, self.mix[:, None, None].to(x.dtype))), (rest,)
        r, k, v = heads(self.r_proj(xs[0]), H, K), heads(self.k_proj(xs[2]), H, K), heads(self.v_proj(xs[3]), H, V)
        log_w = -math.exp(-0.5) * precise(heads(self.decay_proj(xs[1]), H, K)).sigmoid()
        free = torch.zeros_like(log_w) if self.removal_proj is None else precise(heads(self.removal_proj(xs[4]), H, K))
        a = unit_gate(free, c.beta_form) * (1 if c.eigenvalues == (0, 1) else 1 + log_w.exp())
        direction = F.normalize(precise(k * self.removal_scale), dim=-1, eps=1e-6)
        if self.key_scale is not None:
            k = (k * (1 + self.key_scale * (a - 1))).to(k.dtype)
        A = DPLR(decay=Diagonal(log_decay=log_w), a=-(a * direction)[..., None, :], b=direction[..., None, :])
        v_read = (r * self.bonus * k).sum(-1, keepdim=True) * v
        return Drive(
            A, k, v if c.write else torch.zeros_like(v), r, tail, skip=(v_read.flatten(-2), self.gate_proj(xs[5]))
        )

    def readout(self, y: Float[Tensor, "B T H V"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        bonus, gate = drive.skip
        return self.out_proj((normed(self.norm, y.flatten(-2)) + bonus) * gate)


def low_rank(dim: int, rank: int, out: int, activation: nn.Module, bias: Tensor | None) -> nn.Sequential:
    """W_2 act(W_1 x) + bias, started at W_1 = 0 and W_2 orthogonal times 0.1."""
    first, second = nn.Linear(dim, rank, bias=False), nn.Linear(rank, out, bias=bias is not None)
    nn.init.zeros_(first.weight)
    nn.init.orthogonal_(second.weight, gain=0.1 * max(1.0, rank / out) ** 0.5)
    if bias is not None:
        with torch.no_grad():
            second.bias.copy_(bias)
    return nn.Sequential(first, activation, second)
