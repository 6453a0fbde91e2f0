"""Mamba-2: one decay per head, keys and queries shared by the heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation, Eigenvalues, Form, HeadsConfig
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import activate, precise, scalar_decay, step_size_bias
from lrnn.layers.mixer import Drive, LinearMixer, heads, normed, undecayed
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class Mamba2Config(HeadsConfig):
    """Mamba-2: V = 2 dim / num_heads where not given, K = 128."""

    key_dim: int | None = 128
    """K of one head (N or d_state elsewhere); None is dim / num_heads."""
    eigenvalues: Eigenvalues = (0, 1)
    """(0, 1) is e^{ΔA}; (-1, 1) is 2 e^{ΔA} - 1."""
    decay_form: Form = "sigmoid"
    """How the decay reaches the ends of its range."""
    conv_size: int = 4
    """Tokens the short convolution of u, B, C sees; 0 is off."""
    key_activation: Activation = "silu"
    """Of B and C."""

    value_share: ClassVar[float] = 2.0


class Mamba2(LinearMixer[Mamba2Config]):
    """S_t = e^{Δ_t a} S_{t-1} + B_t (Δ_t u_t)ᵀ, y_t = S_tᵀ C_t + D u_t, x' = W_o RMSNorm(y ⊙ silu(W_z x)).

    u = silu(conv(W x)), B, C = act(conv(W x)) for all heads, Δ = softplus(W_Δ x + b), a = -exp(A_log) one per head.
    In our letters k = B, v = u, q = C, and Δ is the strength of the write.

    Start: exp(A_log) uniform in [1, 16], D = 1, softplus(b) log-uniform in [0.001, 0.1].

    Source: Dao & Gu, "Transformers are SSMs", arXiv 2405.21060, eq. (16), §7; range: Grazzi et al., arXiv 2411.12537.
    """

    Config = Mamba2Config

    def build(self) -> None:
        c = self.config
        H, K, V = c.state_shape
        self.widths = [H * V, K] + [K] * c.write
        self.in_proj = nn.Linear(c.dim, sum(self.widths), bias=False)
        self.gate_proj = nn.Linear(c.dim, H * V, bias=False)
        self.dt_proj = nn.Linear(c.dim, H, bias=False)
        self.convolution = ShortConvolution(sum(self.widths), c.conv_size, bias=True) if c.conv_size else None
        self.dt_bias = undecayed(step_size_bias(H))
        self.A_log = undecayed((1 + 15 * torch.rand(H)).log())
        self.D = undecayed(torch.ones(H))
        self.norm = nn.RMSNorm(H * V, eps=1e-5)
        self.out_proj = nn.Linear(H * V, c.dim, bias=False)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        c = self.config
        H, K, V = c.state_shape
        mixed = self.in_proj(x)
        if self.convolution is not None:
            mixed, rest = self.convolution(mixed, tail[0] if tail else None, packing)
            tail = (rest,)
        u, *keys = mixed.split(self.widths, dim=-1)
        u = heads(F.silu(u), H, V)
        q, k = (activate(key, c.key_activation)[:, :, None] for key in (keys[0], keys[-1]))
        dt = F.softplus(precise(self.dt_proj(x)) + self.dt_bias)
        v, strength = (u, dt) if c.write else (u.new_zeros(()).expand(u.shape), None)
        A = scalar_decay(-dt * precise(self.A_log).exp(), c.decay_form, c.eigenvalues, size=K)
        return Drive(A, k, v, q, tail, strength, skip=(self.D[:, None] * u,))

    def readout(self, y: Float[Tensor, "B T H V"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        (skip,) = drive.skip
        return self.out_proj(normed(self.norm, (y + skip).flatten(-2) * F.silu(self.gate_proj(x))))
