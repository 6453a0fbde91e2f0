"""Cycle navigation: where on a cycle do the steps lead?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from lrnn.tasks.task import Ask, Split, Task, asked, refuse, require_at_least, require_choice, uniform_lengths


@dataclass(frozen=True, kw_only=True)
class CycleNavigation(Task):
    """label_t = x_1 + … + x_t mod m over uniformly random steps out of 0, +1 and −1, from place 0 of a cycle of m.

    Chance is 1 / m, as in the literature; after very few steps the places near 0 are likelier than that.

    Raises ValueError if ``ask`` is unknown or the cycle has fewer than two places.

    Source: Delétang et al., "Neural Networks and the Chomsky Hierarchy", arXiv 2207.02098 (m = 5, asked at
    the end only).

    >>> task = CycleNavigation()
    >>> batch = task.sample(1, 6, seed=0)
    >>> " ".join(task.decode(batch.words[0])), task.classes[batch.labels[0, -1]]
    ('-1 -1 0 +1 -1 -1', '2')
    """

    places: int = 5
    """m, the number of places on the cycle."""
    ask: Ask = "end"
    """Ask for the place once, after the last step (as published), or after every step."""

    name: ClassVar[str] = "cycle_navigation"
    alphabet: ClassVar[tuple[str, ...]] = ("0", "+1", "-1")

    def __post_init__(self) -> None:
        refuse(require_at_least("places", self.places, 2) + require_choice("ask", self.ask, get_args(Ask)))

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.places)))

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        words = rng.integers(0, 3, (batch, longest), dtype=np.int8)
        steps = np.where(words == 2, -1, words)
        return words, asked(steps.cumsum(1, dtype=np.int64) % self.places, lengths, self.ask), lengths
