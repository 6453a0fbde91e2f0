"""Selective copying: repeat the symbols and leave out the blanks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lrnn.tasks.task import NOT_ASKED, Split, Task, refuse, require_at_least, uniform_lengths


@dataclass(frozen=True, kw_only=True)
class SelectiveCopying(Task):
    """At the i-th ``?`` of the end of the word, label = the i-th symbol of the word.

    n uniformly random symbols stand in order at random places among blanks, and n question marks behind them, so a word
    has at least 2 n letters. Chance is 1 / symbols.

    Raises ValueError if there is no item or are fewer than two symbols.

    Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752 (n =
    16 items among 4,096 letters).

    >>> task = SelectiveCopying(items=3, symbols=4)
    >>> batch = task.sample(1, 10, seed=0)
    >>> " ".join(task.decode(batch.words[0])), batch.labels[0, -3:].tolist()
    ('s1 _ s2 _ _ s3 _ ? ? ?', [1, 2, 3])
    """

    items: int = 16
    """n, the number of symbols to be copied."""
    symbols: int = 16
    """Different symbols in the alphabet."""

    name: ClassVar[str] = "selective_copying"

    def __post_init__(self) -> None:
        refuse(require_at_least("items", self.items, 1) + require_at_least("symbols", self.symbols, 2))

    @property
    def alphabet(self) -> tuple[str, ...]:
        return (*self.classes, "_", "?")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"s{symbol}" for symbol in range(self.symbols))

    @property
    def shortest(self) -> int:
        return 2 * self.items

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = self.items
        lengths = uniform_lengths(rng, batch, shortest, longest)
        symbols = rng.integers(0, self.symbols, (batch, count))
        places = rng.random((batch, longest - count))
        places[np.arange(longest - count) >= lengths[:, None] - count] = np.inf
        chosen = np.sort(np.argpartition(places, count - 1, axis=1)[:, :count], axis=1)
        questions = lengths[:, None] - count + np.arange(count)
        words = np.full((batch, longest), self.symbols)
        np.put_along_axis(words, chosen, symbols, axis=1)
        np.put_along_axis(words, questions, self.symbols + 1, axis=1)
        labels = np.full((batch, longest), NOT_ASKED)
        np.put_along_axis(labels, questions, symbols, axis=1)
        return words, labels, lengths
