"""Heads of a mixer that run the parts of a permutation–reset automaton and show their states in the stream.

Shapes: n states of the whole automaton · w channels of the register ``state``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lrnn.compiler.parts import Part
from lrnn.compiler.stream import Signs, Stream
from lrnn.types import Eigenvalues


class Heads(ABC):
    """The options that the mixers of all layers share, and the weights of each.

    The mixer sees the letter one-hot in the register ``action`` (nothing there is the identity), and turns the register
    ``state`` from all -1 into the code of the state.
    """

    @classmethod
    @abstractmethod
    def of(cls, levels: Sequence[Sequence[Part]], eigenvalues: Eigenvalues) -> Heads:
        """The least sizes for these parts, one sequence per layer."""

    @abstractmethod
    def mixer(self, delayed: bool) -> tuple[str, dict[str, Any]]:
        """Name and options of the mixer; with a delay it sees the letter before, and so reads the state before."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """In a few words."""

    @abstractmethod
    def code(self, parts: Sequence[Part], num_states: int) -> Signs:
        """What the register ``state`` holds in each state of the whole."""

    @abstractmethod
    def weights(
        self, parts: Sequence[Part], num_letters: int, stream: Stream, delayed: bool
    ) -> Mapping[str, np.ndarray]:
        """The parameters of one layer's mixer, by name."""


SURE = 4.0
"""A β whose form is "clamp" is at the upper end of its range at this logit, in the middle at 0, and 0 at -4, exactly.
A reflector that has nothing to do gets β = 0 and not only the key 0: a key that is nearly 0 would reflect as any."""


def delayed_options(delayed: bool) -> dict[str, Any]:
    """The options of the short convolution that makes the delay."""
    return {"conv_size": 2 if delayed else 0, "conv_place": "input" if delayed else "qkv"}


def delay(stream: Stream) -> Mapping[str, np.ndarray]:
    """Its weights: every channel at the letter before, but the channel ``one`` at this one."""
    taps = np.tile([0.0, 1.0], (stream.dim, 1))
    taps[stream.one] = [1, 0]
    return {"convolution.weight": taps}
