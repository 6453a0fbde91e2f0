"""Parity: is the number of ones odd?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from lrnn.tasks.task import Ask, Split, Task, asked, refuse, require_choice, uniform_lengths


@dataclass(frozen=True, kw_only=True)
class Parity(Task):
    """label_t = x_1 + … + x_t mod 2 over uniformly random bits; the smallest word problem, that of Z_2.

    Both answers are equally likely at every position, so chance is 1/2.

    Raises ValueError if ``ask`` is unknown.

    Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
    appendix E.1 (asked at the end only).

    >>> batch = Parity(ask="every").sample(1, 6, seed=0)
    >>> bool((batch.labels == batch.words.cumsum(1) % 2).all())
    True
    """

    ask: Ask = "end"
    """Ask for the parity once, after the last letter (as published), or after every letter."""

    name: ClassVar[str] = "parity"
    alphabet: ClassVar[tuple[str, ...]] = ("0", "1")
    classes: ClassVar[tuple[str, ...]] = ("even", "odd")

    def __post_init__(self) -> None:
        refuse(require_choice("ask", self.ask, get_args(Ask)))

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        words = rng.integers(0, 2, (batch, longest), dtype=np.uint8)
        return words, asked(np.bitwise_xor.accumulate(words, axis=1), lengths, self.ask), lengths
