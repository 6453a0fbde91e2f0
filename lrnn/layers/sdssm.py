"""SD-SSM: the transition is a mixture of learned dense matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import LinearMixerConfig, write_faults
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import precise
from lrnn.layers.mixer import Drive, LinearMixer, undecayed, whole_write
from lrnn.recurrence import Packing
from lrnn.transition import Dense


@dataclass(frozen=True, kw_only=True)
class SDSSMConfig(LinearMixerConfig):
    """SD-SSM: one head whose state is a vector."""

    state_dim: int = 64
    """K, the length of the state vector."""
    num_matrices: int = 6
    """Matrices in the dictionary."""
    norm_power: float = 1.2
    """p of the norm that every column of A_t is divided by, >= 1. At p = 1 A_t does not expand the 1-norm."""
    conv_size: int = 0
    """Tokens a short convolution in front sees; 0 (published) is off."""
    write: bool = True
    """The additive term B x_t; without it the state is A_t … A_1 s_0 and s_0 must be learned."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        return 1, self.state_dim, 1

    def faults(self) -> Iterator[str]:
        if self.norm_power < 1:
            yield f"norm_power = {self.norm_power}: must be a number >= 1"
        if self.state_dim < 2:
            yield f"state_dim = {self.state_dim}: must be >= 2, for a state of one number is normalized to 0"
        yield from write_faults(self)


class SDSSM(LinearMixer[SDSSMConfig]):
    """s_t = A_t s_{t-1} + B x_t, A_t = Σ_i softmax(W x_t + b)_i M_i with every column divided by its p-norm,
    x' = W_o LayerNorm(s_t).

    The whole vector s_t is read: q is None.

    Start: M uniform in ±√(3/K) (Xavier), the rest as PyTorch's linear maps.

    Source: Terzić et al., "On the Expressiveness and Length Generalization of Selective State-Space Models on Regular
    Languages", arXiv 2412.19350, eq. (4)-(6).
    """

    Config = SDSSMConfig

    def build(self) -> None:
        c = self.config
        self.convolution = ShortConvolution(c.dim, c.conv_size) if c.conv_size else None
        self.select_proj = nn.Linear(c.dim, c.num_matrices)
        self.write_proj = nn.Linear(c.dim, c.state_dim, bias=False) if c.write else None
        bound = (3 / c.state_dim) ** 0.5
        self.dictionary = undecayed((2 * torch.rand(c.num_matrices, c.state_dim, c.state_dim) - 1) * bound)
        self.norm = nn.LayerNorm(c.state_dim)
        self.out_proj = nn.Linear(c.state_dim, c.dim)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        if self.convolution is not None:
            x, rest = self.convolution(x, tail[0] if tail else None, packing)
            tail = (rest,)
        choice = precise(self.select_proj(x)).softmax(-1)
        matrix = torch.einsum("btn,nij->btij", choice, precise(self.dictionary))
        matrix = matrix / torch.linalg.vector_norm(matrix, self.config.norm_power, dim=-2, keepdim=True).clamp(
            min=1e-12
        )
        k, v = whole_write(self.write_proj, x, self.config.state_dim)
        return Drive(Dense(matrix=matrix[:, :, None]), k, v, None, tail)

    def readout(self, y: Float[Tensor, "B T 1 K 1"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        return self.out_proj(self.norm(y.flatten(2).to(x.dtype)))
