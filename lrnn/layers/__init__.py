"""A layer turns its input into A_t, W_t, q_t: one published mixer per file."""

from lrnn.layers.attention import Attention, AttentionConfig, AttentionState
from lrnn.layers.aussm import AUSSM, AUSSMConfig
from lrnn.layers.config import Activation, Form, LinearMixerConfig, MixerConfig
from lrnn.layers.deltanet import DeltaNet, DeltaNetConfig
from lrnn.layers.deltaproduct import DeltaProduct, DeltaProductConfig
from lrnn.layers.gated_deltanet import GatedDeltaNet, GatedDeltaNetConfig
from lrnn.layers.gated_deltaproduct import GatedDeltaProduct, GatedDeltaProductConfig
from lrnn.layers.gla import GLA, GLAConfig
from lrnn.layers.lru import LRU, LRUConfig
from lrnn.layers.lstm import LSTM, LSTMConfig, LSTMState
from lrnn.layers.mamba import Mamba, MambaConfig
from lrnn.layers.mamba2 import Mamba2, Mamba2Config
from lrnn.layers.mixer import Drive, LinearMixer, Mixer, MixerState
from lrnn.layers.mlstm import MLSTM, MLSTMConfig
from lrnn.layers.pdssm import PDSSM, PDSSMConfig
from lrnn.layers.rwkv7 import RWKV7, RWKV7Config
from lrnn.layers.sdssm import SDSSM, SDSSMConfig
from lrnn.layers.slstm import SLSTM, SLSTMConfig, SLSTMState

MIXERS: dict[str, type[Mixer]] = {
    "mamba": Mamba,
    "mamba2": Mamba2,
    "gla": GLA,
    "mlstm": MLSTM,
    "deltanet": DeltaNet,
    "gated_deltanet": GatedDeltaNet,
    "deltaproduct": DeltaProduct,
    "gated_deltaproduct": GatedDeltaProduct,
    "rwkv7": RWKV7,
    "sdssm": SDSSM,
    "pdssm": PDSSM,
    "lru": LRU,
    "aussm": AUSSM,
    "attention": Attention,
    "lstm": LSTM,
    "slstm": SLSTM,
}
"""Every mixer by the name it has on the command line and in a checkpoint."""

__all__ = [
    "AUSSM",
    "AUSSMConfig",
    "MIXERS",
    "Activation",
    "Attention",
    "AttentionConfig",
    "AttentionState",
    "DeltaNet",
    "DeltaNetConfig",
    "DeltaProduct",
    "DeltaProductConfig",
    "Drive",
    "Form",
    "GLA",
    "GLAConfig",
    "GatedDeltaNet",
    "GatedDeltaNetConfig",
    "GatedDeltaProduct",
    "GatedDeltaProductConfig",
    "LRU",
    "LRUConfig",
    "LSTM",
    "LSTMConfig",
    "LSTMState",
    "LinearMixer",
    "LinearMixerConfig",
    "MLSTM",
    "MLSTMConfig",
    "Mamba",
    "Mamba2",
    "Mamba2Config",
    "MambaConfig",
    "Mixer",
    "MixerConfig",
    "MixerState",
    "PDSSM",
    "PDSSMConfig",
    "RWKV7",
    "RWKV7Config",
    "SDSSM",
    "SDSSMConfig",
    "SLSTM",
    "SLSTMConfig",
    "SLSTMState",
]
