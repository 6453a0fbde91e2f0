"""Small models for the tests of this room."""

import torch

from lrnn.models import Block, LanguageModel, LanguageModelConfig
from tests.layers.cases import SMALL


def small_config(mixer="deltanet", mixer_options=None, **options) -> LanguageModelConfig:
    return LanguageModelConfig(
        **{"vocab_size": 7, "dim": 16, "num_layers": 2, "mixer": mixer, **options},
        mixer_config={**SMALL[mixer], **(mixer_options or {})},
    )


def small_model(mixer="deltanet", mixer_options=None, seed=0, **options) -> LanguageModel:
    """In float64, with logits of size 1 or so."""
    model = LanguageModel(small_config(mixer, mixer_options, **options), seed=seed).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def blocks(model: LanguageModel) -> list[Block]:
    return [block for block in model.blocks if isinstance(block, Block)]


def words(*shape, seed=0, vocab_size=7):
    return torch.randint(vocab_size, shape, generator=torch.Generator().manual_seed(seed))
