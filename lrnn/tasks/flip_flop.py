"""Flip-flop: which bit was written last?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from lrnn.tasks.task import NOT_ASKED, Ask, Split, Task, asked, refuse, require_choice, uniform_lengths

WRITE, READ, IGNORE = range(3)


@dataclass(frozen=True, kw_only=True)
class FlipFlop(Task):
    """At every letter ``r`` (read), label_t = the bit behind the last ``w`` (write); bits behind ``i`` (ignore) do not
    count.

    A word alternates instructions and bits, as ``w 1 i 0 i 1 r 1``. It begins with a write and its last instruction is
    a read; the others are ignored with probability ``ignore``, else read or write, equally likely. The bit behind a
    read is the right one, the others are uniformly random. A word of odd length ends with its last read. Chance is 1/2.

    Raises ValueError if ``ignore`` is not in [0, 1] or ``ask`` is unknown.

    Source: Liu et al., "Exposing Attention Glitches with Flip-Flop Language Modeling", arXiv 2306.00946
    (length 512; ``ignore`` 0.8, and 0.98 or 0.1 for the sparse and dense test words).

    >>> task = FlipFlop()
    >>> batch = task.sample(1, 8, seed=1)
    >>> " ".join(task.decode(batch.words[0]))
    'w 1 i 1 i 1 r 1'
    """

    ignore: float = 0.8
    """Probability that an instruction is to ignore its bit."""
    ask: Ask = "every"
    """Ask at every read (as published), or at the last one only."""

    name: ClassVar[str] = "flip_flop"
    alphabet: ClassVar[tuple[str, ...]] = ("w", "r", "i", "0", "1")
    classes: ClassVar[tuple[str, ...]] = ("0", "1")

    def __post_init__(self) -> None:
        faults = [] if 0 <= self.ignore <= 1 else [f"ignore must be in [0, 1], got {self.ignore}"]
        refuse(faults + require_choice("ask", self.ask, get_args(Ask)))

    @property
    def shortest(self) -> int:
        return 3

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        count = (longest + 1) // 2  # instructions of the longest word
        last = (lengths - 1) // 2  # where the last one of each word is
        draw = rng.random((batch, count), dtype=np.float32)
        active = (1 - self.ignore) / 2
        instructions = np.where(draw < active, WRITE, np.where(draw < 2 * active, READ, IGNORE))
        instructions[:, 0] = WRITE
        instructions[np.arange(batch), last] = READ
        bits = rng.integers(0, 2, (batch, count), dtype=np.int64)
        write = np.maximum.accumulate(np.where(instructions == WRITE, np.arange(count), 0), axis=1)
        memory = np.take_along_axis(bits, write, axis=1)
        reads = instructions == READ
        bits = np.where(reads, memory, bits)
        words = np.empty((batch, 2 * count), dtype=np.int64)
        words[:, ::2], words[:, 1::2] = instructions, 3 + bits
        labels = np.full((batch, longest), NOT_ASKED)
        labels[:, ::2] = np.where(reads, bits, NOT_ASKED)
        return words[:, :longest], asked(labels, 2 * last + 1, self.ask), lengths
