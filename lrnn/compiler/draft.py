"""A draft is a model before it is made: its mixer, and the numbers that go into its weights.

Shapes: D channels · A letters · C labels · N units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from lrnn.compiler.stream import Stream

Exactness = Literal["integer", "margin"]
"""Whether no step rounds, or every answer keeps a distance from the next that rounding does not use up."""

MATCH = 128.0
"""The gate of a unit that matches. silu(128) = 128 and silu(-128 n) = 0 exactly, in float32 and bfloat16."""


@dataclass(frozen=True)
class Units:
    """Hidden units of a gated MLP."""

    gate: Float[np.ndarray, "N D"]
    up: Float[np.ndarray, "N D"]
    down: Float[np.ndarray, "N D"]

    @classmethod
    def when(cls, stream: Stream, wanted: Float[np.ndarray, "N D"], change: Float[np.ndarray, "N D"]) -> Units:
        """Unit i adds ``change[i]`` to a stream of ±1 that agrees with every nonzero sign of ``wanted[i]``, else 0.

        With m signs wanted and f of them wrong the gate is 64 (⟨wanted, x⟩ - m + 2) = 128 (1 - f): 128, 0, -128, …;
        after silu 128 or exactly 0.
        """
        gate, up = MATCH / 2 * wanted, stream.constant(np.full(len(wanted), 1 / MATCH))
        gate[:, stream.one] += MATCH / 2 * (2 - np.abs(wanted).sum(1))
        return cls(gate, up, change)

    def __len__(self) -> int:
        return len(self.gate)


@dataclass(frozen=True)
class Layer:
    """One block: the parameters of its mixer by name (those not named are 0, norms 1), and its MLP."""

    mixer: Mapping[str, np.ndarray]
    units: Units


@dataclass(frozen=True)
class Draft:
    """All that a compiled model is made from."""

    dim: int
    """D, a power of 2."""
    mixer: str
    mixer_config: Mapping[str, Any]
    embedding: Float[np.ndarray, "A D"]
    layers: tuple[Layer, ...]
    head: Float[np.ndarray, "C D"]
    exactness: Exactness
    method: str
    """How it works, in a sentence."""


GAIN = 8.0
"""What a sign of the label's code adds to or takes from a logit; labels differ in at least one sign, so by 16."""


def head(stream: Stream, label_code: Float[np.ndarray, "C w"]) -> Float[np.ndarray, "C D"]:
    """Logits from the register ``label``: each label's own code scores highest."""
    W = stream.zeros(len(label_code))
    W[:, stream.at("label")] = GAIN * label_code
    return W
