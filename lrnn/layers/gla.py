"""Gated linear attention: one decay per state row, computed from the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation, Eigenvalues, Form, HeadsConfig
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import activate, diagonal_decay, precise
from lrnn.layers.mixer import Drive, LinearMixer, heads, normed
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class GLAConfig(HeadsConfig):
    """GLA: K = dim / (2 num_heads), V = dim / num_heads where not given."""

    eigenvalues: Eigenvalues = (0, 1)
    """(0, 1) is the published decay a; (-1, 1) is 2 a - 1."""
    decay_form: Form = "sigmoid"
    """How the decay reaches the ends of its range."""
    decay_rank: int = 16
    """Rank of the projection to the decay."""
    conv_size: int = 0
    """Tokens the short convolution of q, k, v sees; 0 (published) is off."""
    key_activation: Activation = "none"
    """Of q and k."""

    key_share: ClassVar[float] = 0.5


class GLA(LinearMixer[GLAConfig]):
    """S_t = diag(a_t) S_{t-1} + k_t v_tᵀ, y_t = S_tᵀ q_t / √K, x' = W_o (RMSNorm(y) per head ⊙ silu(W_r x)).

    a = σ(W_2 W_1 x + b)^{1/16}, one per state row.

    Start: all projections Xavier uniform with gain 2^-2.5, b = 0.

    Source: Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient Training", arXiv 2312.06635, §4.4.
    """

    Config = GLAConfig
    temperature = 16.0

    def build(self) -> None:
        c = self.config
        H, K, V = c.state_shape
        self.widths = [H * K] + [H * K, H * V] * c.write
        self.projs = nn.ModuleList(nn.Linear(c.dim, width, bias=False) for width in self.widths)  # of q, k, v
        self.convolution = ShortConvolution(sum(self.widths), c.conv_size) if c.conv_size else None
        self.decay_proj = nn.Sequential(nn.Linear(c.dim, c.decay_rank, bias=False), nn.Linear(c.decay_rank, H * K))
        self.gate_proj = nn.Linear(c.dim, H * V, bias=False)
        self.norm = nn.RMSNorm(V, eps=1e-5)
        self.out_proj = nn.Linear(H * V, c.dim, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=2**-2.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        c = self.config
        H, K, V = c.state_shape
        parts = [proj(x) for proj in self.projs]
        if self.convolution is not None:
            mixed, rest = self.convolution(torch.cat(parts, dim=-1), tail[0] if tail else None, packing)
            parts, tail = mixed.split(self.widths, dim=-1), (rest,)
        q = heads(activate(parts[0], c.key_activation), H, K) * K**-0.5
        k = heads(activate(parts[1], c.key_activation), H, K) if c.write else q
        v = heads(parts[2], H, V) if c.write else q.new_zeros(()).expand(*q.shape[:-1], V)
        g = F.logsigmoid(precise(heads(self.decay_proj(x), H, K))) / self.temperature
        return Drive(diagonal_decay(g, c.decay_form, c.eigenvalues), k, v, q, tail)

    def readout(self, y: Float[Tensor, "B T H V"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        return self.out_proj(normed(self.norm, y).flatten(-2) * F.silu(self.gate_proj(x)))
