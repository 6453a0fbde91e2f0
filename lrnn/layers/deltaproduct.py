"""DeltaProduct: several corrections per token, hence products of reflections."""

from __future__ import annotations

from dataclasses import dataclass

from lrnn.layers.deltanet import DeltaNet, DeltaNetConfig


@dataclass(frozen=True, kw_only=True)
class DeltaProductConfig(DeltaNetConfig):
    """DeltaProduct: DeltaNet with n_h keys, values and β per token."""

    num_householders: int = 2
    """n_h = R, the number of generalized Householder matrices per token."""


class DeltaProduct(DeltaNet):
    """S_t = H_{t,R} … H_{t,1} S_{t-1} + writes, H_j = I - β_j k_j k_jᵀ, write β_j k_j v_jᵀ right after H_j.

    One token makes an orthogonal map of rank(A - I) up to n_h when every β is 2: n_h = 2 rotates, n_h = K does
    everything. Keys, values and start as in :class:`lrnn.layers.DeltaNet`.

    Source: Siems et al., "DeltaProduct: Improving State-Tracking in Linear RNNs via Householder Products", arXiv
    2502.10297, §3.
    """

    Config = DeltaProductConfig
    config: DeltaProductConfig  # type: ignore[assignment]

    @property
    def num_reflectors(self) -> int:
        return self.config.num_householders
