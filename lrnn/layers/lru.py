"""LRU: fixed complex decays on a ring in the unit disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from lrnn.layers.config import LinearMixerConfig
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import precise
from lrnn.layers.mixer import Drive, LinearMixer, on_circle, undecayed
from lrnn.recurrence import Packing
from lrnn.transition import ComplexDiagonal


@dataclass(frozen=True, kw_only=True)
class LRUConfig(LinearMixerConfig):
    """LRU: one head of 1 × 1 complex numbers per state channel. A_t does not depend on the input."""

    state_dim: int | None = None
    """H, the number of complex channels; None is dim."""
    min_radius: float = 0.0
    """Inner radius of the ring in which the eigenvalues start, in [0, max_radius)."""
    max_radius: float = 1.0
    """Outer radius of that ring, in (min_radius, 1]."""
    max_phase: float = 2 * math.pi
    """The eigenvalues' phases start uniform in (0, max_phase], in radians."""
    conv_size: int = 0
    """Tokens a short convolution in front sees; 0 (published) is off."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        return self.state_dim or self.dim, 1, 1

    def faults(self) -> Iterator[str]:
        if not 0 <= self.min_radius < self.max_radius <= 1:
            ring = f"min_radius = {self.min_radius}, max_radius = {self.max_radius}"
            yield f"{ring}: must be 0 <= min_radius < max_radius <= 1"
        if not 0 < self.max_phase <= 2 * math.pi:
            yield f"max_phase = {self.max_phase}: must be a number in (0, 2π]"


class LRU(LinearMixer[LRUConfig]):
    """s_t = λ ⊙ s_{t-1} + γ ⊙ B x_t, x' = Re(C s_t) + D ⊙ x_t, with complex s, λ, B, C and real γ, D.

    λ = exp(-exp(ν) + i exp(θ)), so |λ| < 1. The write cannot be turned off, for it is the only way in.

    Start: |λ|² uniform in [min_radius², max_radius²], phase uniform in (0, max_phase], γ = √(1 - |λ|²), B and C complex
    normal with variance 1/(2D) and 1/H, D normal.

    Source: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences", arXiv 2303.06349, §3, app. A.
    """

    Config = LRUConfig

    def build(self) -> None:
        c = self.config
        H = c.state_shape[0]
        square = c.min_radius**2 + (c.max_radius**2 - c.min_radius**2) * torch.rand(H).clamp(1e-6, 1 - 1e-6)
        phase = c.max_phase * (1 - torch.rand(H))
        self.nu = undecayed((-0.5 * square.log()).log())
        self.theta = undecayed(phase.log())
        self.gamma_log = undecayed(0.5 * torch.log1p(-square))
        self.D = undecayed(torch.randn(c.dim))
        self.convolution = ShortConvolution(c.dim, c.conv_size) if c.conv_size else None
        self.in_proj = nn.Linear(c.dim, 2 * H, bias=False)  # rows of Re B, rows of Im B
        self.out_proj = nn.Linear(2 * H, c.dim, bias=False)  # columns of Re C, columns of -Im C
        nn.init.normal_(self.in_proj.weight, std=(2 * c.dim) ** -0.5)
        nn.init.normal_(self.out_proj.weight, std=H**-0.5)

    def start(self, generator: torch.Generator) -> Float[Tensor, "H 1 1 2"]:
        """Numbers on the unit circle, as pairs (Re, Im)."""
        return on_circle(self.config.state_shape, generator)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        u = x
        if self.convolution is not None:
            u, rest = self.convolution(x, tail[0] if tail else None, packing)
            tail = (rest,)
        shape = (*x.shape[:2], *self.config.state_shape[:2])
        log_decay, phase = (
            (-precise(self.nu).exp())[:, None].expand(shape),
            precise(self.theta).exp()[:, None].expand(shape),
        )
        real, imag = precise(self.in_proj(u)).chunk(2, dim=-1)
        v = (precise(self.gamma_log).exp() * torch.complex(real, imag))[..., None]
        one = log_decay.new_ones(()).expand(*x.shape[:2], 1, 1)
        return Drive(ComplexDiagonal(log_decay=log_decay, phase=phase), one, v, one, tail, skip=(self.D * u,))

    def readout(self, y: Complex[Tensor, "B T H 1"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        (skip,) = drive.skip
        read = torch.cat([y.real, y.imag], dim=-2).squeeze(-1).to(x.dtype)
        return self.out_proj(read) + skip
