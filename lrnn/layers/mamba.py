"""Mamba (S6): every channel has its own small diagonal recurrence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Eigenvalues, Form, LinearMixerConfig, write_faults
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import precise, step_size_bias, stepped_decay
from lrnn.layers.mixer import Drive, LinearMixer, undecayed
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class MambaConfig(LinearMixerConfig):
    """Mamba: one head of K × 1 per inner channel."""

    expand: int = 2
    """Inner channels per model channel; H = expand · dim."""
    key_dim: int = 16
    """K, the state of one channel (N or d_state elsewhere)."""
    dt_rank: int | None = None
    """Rank of the projection to Δ; None is dim / 16, rounded up."""
    discretization: Literal["euler", "zoh"] = "euler"
    """Of B: Δ B as the official code does, or (e^{ΔA} - 1) / A · B, the exact zero-order hold of the paper."""
    eigenvalues: Eigenvalues = (0, 1)
    """(0, 1) is e^{ΔA}; (-1, 1) is 2 e^{ΔA} - 1 (Grazzi et al.)."""
    decay_form: Form = "sigmoid"
    """How the decay reaches the ends of its range."""
    conv_size: int = 4
    """Tokens the short convolution sees; 0 is off."""
    write: bool = True
    """The additive term; without it the state is A_t … A_1 S_0 and S_0 must be learned."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        return self.expand * self.dim, self.key_dim, 1

    def faults(self) -> Iterator[str]:
        yield from write_faults(self)


class Mamba(LinearMixer[MambaConfig]):
    """s_t = e^{Δ_t A} s_{t-1} + Δ_t B_t u_t, y_t = C_tᵀ s_t + D u_t for every channel, x' = W_o (y ⊙ silu(W_z x)).

    u = silu(conv(W x)), (Δ-low-rank, B, C) = W u, Δ = softplus(W_Δ · + b), A = -exp(A_log). In our letters k = B
    (shared by the channels), v = Δ u, q = C; with ``zoh`` k = (e^{ΔA} - 1)/A · B and v = u.

    Start: A = -(1 … K) in each channel, D = 1, softplus(b) log-uniform in [0.001, 0.1], W_Δ uniform in ±rank^-½.

    Source: Gu & Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752, eq. (2),
    (4), alg. 2; range: Grazzi et al., arXiv 2411.12537, §5.
    """

    Config = MambaConfig

    def build(self) -> None:
        c = self.config
        H, K, _ = c.state_shape
        rank = c.dt_rank or -(-c.dim // 16)
        self.in_proj = nn.Linear(c.dim, H, bias=False)
        self.gate_proj = nn.Linear(c.dim, H, bias=False)
        self.convolution = ShortConvolution(H, c.conv_size, bias=True) if c.conv_size else None
        self.widths = [rank, K] + [K] * c.write
        self.select_proj = nn.Linear(H, sum(self.widths), bias=False)
        self.dt_proj = nn.Linear(rank, H)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        self.dt_proj.bias = undecayed(step_size_bias(H))
        self.A_log = undecayed(torch.arange(1.0, K + 1).log().repeat(H, 1))
        self.D = undecayed(torch.ones(H))
        self.out_proj = nn.Linear(H, c.dim, bias=False)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        c = self.config
        u = self.in_proj(x)
        if self.convolution is not None:
            u, rest = self.convolution(u, tail[0] if tail else None, packing)
            tail = (rest,)
        u = F.silu(u)
        low_rank, q, *k = (part[:, :, None] for part in self.select_proj(u).split(self.widths, dim=-1))
        dt = F.softplus(precise(self.dt_proj(low_rank[:, :, 0])))
        A = -precise(self.A_log).exp()
        transition = stepped_decay(dt, A, c.decay_form, c.eigenvalues)
        if not c.write:
            return Drive(transition, q, u.new_zeros(()).expand(*u.shape, 1), q, tail, skip=(self.D * u,))
        if c.discretization == "euler":
            k, v = k[0], (dt * u).to(u.dtype)[..., None]
        else:
            k, v = (torch.expm1(dt[..., None] * A) / A).to(u.dtype) * k[0], u[..., None]
        return Drive(transition, k, v, q, tail, skip=(self.D * u,))

    def readout(self, y: Float[Tensor, "B T H 1"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        (skip,) = drive.skip
        return self.out_proj((y.squeeze(-1) + skip) * F.silu(self.gate_proj(x)))
