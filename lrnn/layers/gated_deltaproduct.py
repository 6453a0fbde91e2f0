"""Gated DeltaProduct: DeltaProduct whose state also fades as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from lrnn.layers.gated_deltanet import GatedDeltaNet, GatedDeltaNetConfig


@dataclass(frozen=True, kw_only=True)
class GatedDeltaProductConfig(GatedDeltaNetConfig):
    """Gated DeltaProduct: Gated DeltaNet with n_h keys, values and β per token."""

    num_householders: int = 2
    """n_h = R, the number of generalized Householder matrices per token."""


class GatedDeltaProduct(GatedDeltaNet):
    """S_t = H_{t,R} … H_{t,1} α_t S_{t-1} + writes, with H_j and writes as in :class:`lrnn.layers.DeltaProduct`.

    One decay α_t per token and head, acting before the reflectors; gate and start as in
    :class:`lrnn.layers.GatedDeltaNet`.

    Source: Siems et al., "DeltaProduct: Improving State-Tracking in Linear RNNs via Householder Products", arXiv
    2502.10297, §3.
    """

    Config = GatedDeltaProductConfig
    config: GatedDeltaProductConfig  # type: ignore[assignment]

    @property
    def num_reflectors(self) -> int:
        return self.config.num_householders
