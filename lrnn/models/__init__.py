"""A model is embedding, blocks and head, and knows nothing of recurrence."""

from lrnn.models.checkpoint import load, save
from lrnn.models.decode_graph import DecodeGraph
from lrnn.models.generate import generate
from lrnn.models.language_model import Block, GatedMLP, LanguageModel, LanguageModelConfig

__all__ = ["Block", "DecodeGraph", "GatedMLP", "LanguageModel", "LanguageModelConfig", "generate", "load", "save"]
