"""Induction heads: what came after the sign, the last time it was seen?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lrnn.tasks.task import NOT_ASKED, Split, Task, refuse, require_at_least, uniform_lengths


@dataclass(frozen=True, kw_only=True)
class InductionHeads(Task):
    """A word ends with a sign ``!`` that stood in it once before; label at the end = the symbol that followed it then.

    All other letters are uniformly random symbols, and the place of the first sign is uniform. A word has at least
    three letters. Chance is 1 / symbols.

    Raises ValueError if there are fewer than two symbols.

    Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752
    (trained at length 256), after Olsson et al., "In-context Learning and Induction Heads",
    arXiv 2209.11895.

    >>> task = InductionHeads(symbols=4)
    >>> batch = task.sample(1, 8, seed=0)
    >>> " ".join(task.decode(batch.words[0])), task.classes[batch.labels[0, -1]]
    ('s1 ! s3 s3 s0 s0 s3 !', 's3')
    """

    symbols: int = 15
    """Different letters besides the sign."""

    name: ClassVar[str] = "induction_heads"

    def __post_init__(self) -> None:
        refuse(require_at_least("symbols", self.symbols, 2))

    @property
    def alphabet(self) -> tuple[str, ...]:
        return (*self.classes, "!")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(f"s{symbol}" for symbol in range(self.symbols))

    @property
    def shortest(self) -> int:
        return 3

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        words = rng.integers(0, self.symbols, (batch, longest))
        labels = np.full((batch, longest), NOT_ASKED)
        rows, sign = np.arange(batch), rng.integers(0, lengths - 2)
        words[rows, sign] = words[rows, lengths - 1] = self.symbols
        labels[rows, lengths - 1] = words[rows, sign + 1]
        return words, labels, lengths
