"""Gated linear attention: one decay per state row, computed from the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation, ConvPlace, Eigenvalues, Form, HeadsConfig, conv_faults
from lrnn.layers.convolution import ShortConvolution, project
from lrnn.layers.gates import activate, diagonal_decay, precise
from lrnn.layers.mixer import Drive, LinearMixer, heads
from lrnn.layers.pointwise import read_out
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
    """Tokens the short convolution sees; 0 (published) is off."""
    conv_place: ConvPlace = "qkv"
    """"qkv" is on q, k and v; "input" is one convolution of x from which q, k, v and the decay are made."""
    key_activation: Activation = "none"
    """Of q and k."""
    output_norm: bool = True
    """RMSNorm of what is read out of each head. Without it a number that is read keeps its size."""
    output_gate: bool = True
    """The gate silu(W_r x) of what is read."""

    key_share: ClassVar[float] = 0.5

    def faults(self) -> Iterator[str]:
        yield from super().faults()
        yield from conv_faults(self)


class GLA(LinearMixer[GLAConfig]):
    """S_t = diag(a_t) S_{t-1} + k_t v_tᵀ, y_t = S_tᵀ q_t / √K, x' = W_o (RMSNorm(y) per head ⊙ silu(W_r x)).

    a = σ(z)^{1/16} with z = W_2 W_1 x + b, one per state row. With ``decay_form="clamp"`` a is exactly 1 for z >= 0 and
    exactly the lower end of its range for z <= -40; as published it is 1 in float32 for z >= 104.

    Start: all projections Xavier uniform with gain 2^-2.5, b = 0.

    Source: Yang et al., "Gated Linear Attention Transformers with Hardware-Efficient Training", arXiv 2312.06635, §4.4.
    """

    Config = GLAConfig
    temperature = 16.0

    def build(self) -> None:
        c = self.config
        H, K, V = c.state_shape
        widths = [H * K] + [H * K, H * V] * c.write
        self.projs = nn.ModuleList(nn.Linear(c.dim, width, bias=False) for width in widths)  # of q, k, v
        channels = c.dim if c.conv_place == "input" else sum(widths)
        self.convolution = ShortConvolution(channels, c.conv_size) if c.conv_size else None
        self.decay_proj = nn.Sequential(nn.Linear(c.dim, c.decay_rank, bias=False), nn.Linear(c.decay_rank, H * K))
        self.gate_proj = nn.Linear(c.dim, H * V, bias=False) if c.output_gate else None
        self.norm = nn.RMSNorm(V, eps=1e-5) if c.output_norm else None
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
        x, parts, tail = project(x, self.projs, self.convolution, c.conv_place, tail, packing)
        q = heads(activate(parts[0], c.key_activation), H, K) * K**-0.5
        k = heads(activate(parts[1], c.key_activation), H, K) if c.write else q
        v = heads(parts[2], H, V) if c.write else q.new_zeros(()).expand(*q.shape[:-1], V)
        g = F.logsigmoid(precise(heads(self.decay_proj(x), H, K))) / self.temperature
        return Drive(diagonal_decay(g, c.decay_form, c.eigenvalues), k, v, q, tail)

    def readout(self, y: Float[Tensor, "B T H V"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        return self.out_proj(read_out(self.norm, y, None if self.gate_proj is None else self.gate_proj(x)))
