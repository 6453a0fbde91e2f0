"""Gated DeltaNet: DeltaNet whose state also fades as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Form
from lrnn.layers.deltanet import DeltaNet, DeltaNetConfig
from lrnn.layers.gates import precise, scalar_decay, step_size_bias
from lrnn.layers.mixer import undecayed
from lrnn.transition import Scalar


@dataclass(frozen=True, kw_only=True)
class GatedDeltaNetConfig(DeltaNetConfig):
    """Gated DeltaNet: V = 2 dim / num_heads where not given."""

    decay_form: Form = "sigmoid"
    """How the decay α in (0, 1) reaches its ends; its range does not depend on ``eigenvalues``, which is that of β."""
    output_gate: bool = True
    """The gate silu(W_g x) of what is read."""

    value_share: ClassVar[float] = 2.0


class GatedDeltaNet(DeltaNet):
    """S_t = α_t (I - β_t k_t k_tᵀ) S_{t-1} + β_t k_t v_tᵀ, x' = W_o (RMSNorm(y) ⊙ silu(W_g x)).

    α = exp(-exp(A_log) softplus(W_a x + b)), one per head (:mod:`lrnn.layers.gates`); the rest as
    :class:`lrnn.layers.DeltaNet`.

    Start: exp(A_log) uniform in [0, 16], softplus(b) log-uniform in [0.001, 0.1].

    Source: Yang, Kautz & Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta Rule", arXiv 2412.06464,
    eq. (10).
    """

    Config = GatedDeltaNetConfig
    config: GatedDeltaNetConfig  # type: ignore[assignment]

    def build(self) -> None:
        H, _, V = self.config.state_shape
        self.decay_proj = nn.Linear(self.config.dim, H, bias=False)
        self.gate_proj = nn.Linear(self.config.dim, H * V, bias=False) if self.config.output_gate else None
        super().build()
        self.A_log = undecayed(torch.empty(H).uniform_(0, 16).clamp(min=1e-3).log())
        self.dt_bias = undecayed(step_size_bias(H))

    def decay(self, x: Float[Tensor, "B T D"]) -> Scalar:
        g = -precise(self.A_log).exp() * F.softplus(precise(self.decay_proj(x)) + self.dt_bias)
        return scalar_decay(g, self.config.decay_form, (0, 1), size=self.config.state_shape[1])

    def _decay_of_step(self, x: Float[Tensor, "B 1 D"]) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if self.config.decay_form != "sigmoid":
            return super()._decay_of_step(x)
        return self.decay_proj(x)[:, 0], self.A_log, self.dt_bias

    def gate(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T HV"] | None:
        return None if self.gate_proj is None else self.gate_proj(x)
