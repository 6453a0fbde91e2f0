"""A layer turns its input into A_t, W_t, q_t: one published mixer per file."""

from lrnn.layers.config import Activation, Form, LinearMixerConfig, MixerConfig
from lrnn.layers.deltanet import DeltaNet, DeltaNetConfig
from lrnn.layers.deltaproduct import DeltaProduct, DeltaProductConfig
from lrnn.layers.gated_deltanet import GatedDeltaNet, GatedDeltaNetConfig
from lrnn.layers.gated_deltaproduct import GatedDeltaProduct, GatedDeltaProductConfig
from lrnn.layers.mamba import Mamba, MambaConfig
from lrnn.layers.mixer import Drive, LinearMixer, Mixer, MixerState

MIXERS: dict[str, type[Mixer]] = {
    "mamba": Mamba,
    "deltanet": DeltaNet,
    "gated_deltanet": GatedDeltaNet,
    "deltaproduct": DeltaProduct,
    "gated_deltaproduct": GatedDeltaProduct,
}
"""Every mixer by the name it has on the command line and in a checkpoint."""

__all__ = [
    "MIXERS",
    "Activation",
    "DeltaNet",
    "DeltaNetConfig",
    "DeltaProduct",
    "DeltaProductConfig",
    "Drive",
    "Form",
    "GatedDeltaNet",
    "GatedDeltaNetConfig",
    "GatedDeltaProduct",
    "GatedDeltaProductConfig",
    "LinearMixer",
    "LinearMixerConfig",
    "Mamba",
    "MambaConfig",
    "Mixer",
    "MixerConfig",
    "MixerState",
]
