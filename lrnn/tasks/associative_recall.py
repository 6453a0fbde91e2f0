"""Multi-query associative recall (MQAR): which value stood behind this key?

Shapes: B words · N rows of choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np

from lrnn.tasks.task import NOT_ASKED, Split, Task, refuse, require_at_least, require_choice, uniform_lengths

Filler = Literal["random", "blank"]


@dataclass(frozen=True, kw_only=True)
class AssociativeRecall(Task):
    """At the second coming of a key, label_t = the value that stood behind it the first time.

    A word begins with D pairs of key and value, all keys different and all values different; behind them stands every
    key once more, in places of the same parity, nearer ones preferred: the place is drawn without repetition, place s
    = 1, 2, … with weight s^(power − 1). In between stands filler: random keys and values, or a blank. A word has at
    least 4 D − 1 letters. The class is the number of the value.

    Chance is 1 / values; a model that knows the values of the word but not the keys gets 1 / D.

    Raises ValueError if ``pairs`` is not positive or above ``keys`` or ``values``, there are fewer than 2 values,
    ``power`` is not positive, or ``filler`` is unknown.

    Source: Arora et al., "Zoology: Measuring and Improving Recall in Efficient Language Models", arXiv 2312.04927
    (an alphabet of 8,192, 4 to 64 pairs in 64 to 512 letters, power 0.01, random filler).

    >>> task = AssociativeRecall(pairs=2, keys=4, values=4, filler="blank")
    >>> " ".join(task.decode(task.sample(1, 10, seed=0).words[0]))
    'k2 v0 k1 v2 _ _ k1 _ k2 _'
    """

    pairs: int = 8
    """D, the number of pairs of key and value in a word."""
    keys: int = 64
    """Different keys in the alphabet."""
    values: int = 64
    """Different values in the alphabet."""
    power: float = 0.01
    """Greater than 0: the greater, the farther behind the pairs the questions stand; 1 spreads them evenly."""
    filler: Filler = "random"
    """What stands between: random keys and values (as published), or a letter of its own (blank)."""

    name: ClassVar[str] = "associative_recall"

    def __post_init__(self) -> None:
        faults = require_at_least("pairs", self.pairs, 1) + require_at_least("values", self.values, 2)
        for field in ("keys", "values"):
            if getattr(self, field) < self.pairs:
                faults.append(f"{field} must be at least pairs = {self.pairs}, got {getattr(self, field)}")
        faults += [] if self.power > 0 else [f"power must be greater than 0, got {self.power}"]
        refuse(faults + require_choice("filler", self.filler, get_args(Filler)))

    @cached_property
    def alphabet(self) -> tuple[str, ...]:
        keys = tuple(f"k{key}" for key in range(self.keys))
        return keys + self.classes + (("_",) if self.filler == "blank" else ())

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"v{value}" for value in range(self.values))

    @property
    def shortest(self) -> int:
        return 4 * self.pairs - 1

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs, tokens = self.pairs, self.keys + self.values
        lengths = uniform_lengths(rng, batch, shortest, longest)
        if self.filler == "random":
            words = rng.integers(0, tokens, (batch, longest))
        else:
            words = np.full((batch, longest), tokens)
        keys, values = distinct(rng, batch, self.keys, pairs), distinct(rng, batch, self.values, pairs)
        words[:, : 2 * pairs : 2], words[:, 1 : 2 * pairs : 2] = keys, self.keys + values
        place = np.arange(1, (longest - 2 * pairs + 1) // 2 + 1)
        # The D first arrivals of independent exponential clocks are a weighted draw without repetition.
        clocks = rng.exponential(size=(batch, len(place))) / place ** (self.power - 1.0)
        clocks[2 * pairs + 2 * (place - 1) >= lengths[:, None]] = np.inf
        asked_at = 2 * pairs + 2 * np.argsort(clocks, axis=1)[:, :pairs]
        labels = np.full((batch, longest), NOT_ASKED)
        np.put_along_axis(words, asked_at, keys, axis=1)
        np.put_along_axis(labels, asked_at, values, axis=1)
        return words, labels, lengths


def distinct(rng: np.random.Generator, rows: int, population: int, count: int) -> np.ndarray:
    """``count`` different numbers below ``population`` in each row, every ordered choice equally likely: [N, count].

    Source: Bentley and Floyd, "Programming pearls: a sample of brilliance", Communications of the ACM 30(9), 1987.
    """
    chosen = np.empty((rows, count), dtype=np.int64)
    for i, top in enumerate(range(population - count, population)):
        draw = rng.integers(0, top + 1, rows)
        chosen[:, i] = np.where((chosen[:, :i] == draw[:, None]).any(1), top, draw)
    return rng.permuted(chosen, axis=1)
