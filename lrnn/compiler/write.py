"""Last pass but one: a draft becomes an ordinary model."""

from __future__ import annotations

import numpy as np
import torch

from lrnn.compiler.draft import Draft
from lrnn.models import LanguageModel, LanguageModelConfig

NORM_EPS = 1e-30
"""Too little to change 1 in any precision: RMSNorm of a stream of ±1 is the identity."""


def write(draft: Draft) -> LanguageModel:
    """The model with the weights of the draft, in float32; ValueError for a weight that the mixer does not have."""
    width = max(len(layer.units) for layer in draft.layers)
    dim = draft.dim
    config = LanguageModelConfig(
        vocab_size=len(draft.embedding),
        num_classes=len(draft.head),
        dim=dim,
        num_layers=len(draft.layers),
        mixer=draft.mixer,
        mixer_config=dict(draft.mixer_config),
        mlp_ratio=width / dim,  # dim is a power of two
        norm_eps=NORM_EPS,
    )
    model = LanguageModel(config)
    weights = {"embedding.weight": draft.embedding, "head.weight": draft.head}
    for number, layer in enumerate(draft.layers):
        block = f"blocks.{number}"
        weights |= {f"{block}.mixer.{name}": value for name, value in layer.mixer.items()}
        units = layer.units
        for name, rows in (("gate", units.gate), ("up", units.up), ("down", units.down)):
            padded = np.concatenate([rows, np.zeros((width - len(rows), dim))])
            weights[f"{block}.mlp.{name}.weight"] = padded.T if name == "down" else padded
    state = model.state_dict()
    if unknown := sorted(set(weights) - set(state)):
        raise ValueError(f"the mixer {draft.mixer} has no weights {', '.join(unknown)}")
    with torch.no_grad():
        for name, tensor in state.items():
            if name in weights:
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])).reshape(tensor.shape))
            elif not name.endswith("norm.weight"):
                tensor.zero_()
    return model
