"""AUSSM: every number of the state turns by an angle computed from the input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor, nn

from lrnn.layers.config import LinearMixerConfig, write_faults
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import precise
from lrnn.layers.mixer import Drive, LinearMixer, heads, on_circle, undecayed
from lrnn.recurrence import Packing
from lrnn.transition import ComplexDiagonal


@dataclass(frozen=True, kw_only=True)
class AUSSMConfig(LinearMixerConfig):
    """AUSSM: one head per channel, whose state is a vector of complex numbers."""

    num_channels: int | None = None
    """H; None (published) is dim."""
    state_dim: int = 16
    """K, complex numbers in the state of one channel."""
    num_angles: int | None = None
    """m: every angle is the nearest multiple of 2π/m, with the gradient of the angle itself (straight-through), so that
    counting modulo m is exact at any length; None (published) is any angle."""
    conv_size: int = 4
    """Tokens the short convolution of u sees; 0 is off."""
    write: bool = True
    """The additive term Δ_t B u_t; without it the state is A_t … A_1 s_0 and s_0 must be learned."""
    output_gate: bool = True
    """The gate silu(W_z x) of what is read."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        return self.num_channels or self.dim, self.state_dim, 1

    def faults(self) -> Iterator[str]:
        yield from write_faults(self)


class AUSSM(LinearMixer[AUSSMConfig]):
    """s_t = e^{iφ_t} ⊙ s_{t-1} + Δ_t B w_t, y_t = Re(Cᵀ s_t) + D w_t for every channel, x' = W_o (y ⊙ silu(W_z x)).

    u = conv(W x), w = silu(u), φ = W_φ u + b_φ in radians for every number of the state, Δ = softplus(W_Δ W_u u + b_Δ)
    for every channel; complex B and C are shared by the channels. Every |e^{iφ}| is 1, so nothing fades: a channel with
    one number, no write and a learned s_0 counts modulo m with φ = 2π/m, and two channels with the same φ, s_0 = 1 and
    s_0 = -i, read the real and the imaginary part of the same number.

    Start: W_φ uniform in ±1/H, b_φ uniform in ±π, B and C complex normal with variance 1, D = 1, the rest as PyTorch.

    Source: Karuvally et al., "Bridging Expressivity and Scalability with Adaptive Unitary SSMs", arXiv 2507.05238. As
    in the authors' code, Δ scales what is written and not the angle.
    """

    Config = AUSSMConfig

    def build(self) -> None:
        c = self.config
        H, K, _ = c.state_shape
        self.in_proj = nn.Linear(c.dim, H, bias=False)
        self.gate_proj = nn.Linear(c.dim, H, bias=False) if c.output_gate else None
        self.convolution = ShortConvolution(H, c.conv_size, bias=True) if c.conv_size else None
        self.phase_proj = nn.Linear(H, H * K)
        nn.init.uniform_(self.phase_proj.weight, -1 / H, 1 / H)
        nn.init.uniform_(self.phase_proj.bias, -math.pi, math.pi)
        self.dt_proj = nn.Sequential(nn.Linear(H, K, bias=False), nn.Linear(K, H)) if c.write else None
        self.B = undecayed(torch.randn(K, 2) * 0.5**0.5) if c.write else None
        self.C = undecayed(torch.randn(K, 2) * 0.5**0.5)
        self.D = undecayed(torch.ones(H))
        self.out_proj = nn.Linear(H, c.dim, bias=False)

    def start(self, generator: torch.Generator) -> Float[Tensor, "H K 1 2"]:
        """Numbers of equal size, as pairs (Re, Im)."""
        return on_circle(self.config.state_shape, generator)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        H, K, _ = self.config.state_shape
        u = self.in_proj(x)
        if self.convolution is not None:
            u, rest = self.convolution(u, tail[0] if tail else None, packing)
            tail = (rest,)
        phase = heads(precise(self.phase_proj(u)), H, K)
        m = self.config.num_angles
        if m is not None:
            count = phase * (m / (2 * math.pi))
            phase = count + (count.round() - count).detach()
        w = F.silu(u)
        one_head = (*phase.shape[:2], 1, phase.shape[-1])
        q = torch.view_as_complex(precise(self.C)).expand(one_head)
        if self.dt_proj is None or self.B is None:
            k, v = q, w.new_zeros(()).expand(*w.shape, 1)
        else:
            k = torch.view_as_complex(precise(self.B)).expand(one_head)
            v = (F.softplus(precise(self.dt_proj(u))) * w)[..., None]
        A = ComplexDiagonal(log_decay=phase.new_zeros(()).expand(phase.shape), phase=phase, num_angles=m or 0)
        return Drive(A, k, v, q, tail, skip=(self.D * w,))

    def readout(self, y: Complex[Tensor, "B T H 1"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        read = y.real.squeeze(-1).to(x.dtype) + drive.skip[0]
        return self.out_proj(read if self.gate_proj is None else read * F.silu(self.gate_proj(x)))
