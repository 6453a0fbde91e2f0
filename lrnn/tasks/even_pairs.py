"""Even pairs: are there as many changes from a to b as from b to a?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from lrnn.tasks.task import NOT_ASKED, Ask, Split, Task, asked, refuse, require_choice, uniform_lengths


@dataclass(frozen=True, kw_only=True)
class EvenPairs(Task):
    """label_t = is the number of pairs ``ab`` and ``ba`` in x_1 … x_t even? Equally: is x_t = x_1?

    Words are uniformly random. Both answers are equally likely from the second letter on, so chance is 1/2; the first
    letter alone has no pair.

    Raises ValueError if ``ask`` is unknown.

    Source: Delétang et al., "Neural Networks and the Chomsky Hierarchy", arXiv 2207.02098 (asked at the end
    only).

    >>> task = EvenPairs()
    >>> batch = task.sample(1, 5, seed=0)
    >>> "".join(task.decode(batch.words[0])), task.classes[batch.labels[0, -1]]
    ('bbaab', 'even')
    """

    ask: Ask = "end"
    """Ask once, after the last letter (as published), or after every letter but the first."""

    name: ClassVar[str] = "even_pairs"
    alphabet: ClassVar[tuple[str, ...]] = ("a", "b")
    classes: ClassVar[tuple[str, ...]] = ("odd", "even")

    def __post_init__(self) -> None:
        refuse(require_choice("ask", self.ask, get_args(Ask)))

    @property
    def shortest(self) -> int:
        return 2

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        words = rng.integers(0, 2, (batch, longest), dtype=np.int8)
        labels = (words == words[:, :1]).astype(np.int64)
        labels[:, 0] = NOT_ASKED
        return words, asked(labels, lengths, self.ask), lengths
