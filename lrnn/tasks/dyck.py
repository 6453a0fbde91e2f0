"""Bounded Dyck languages: words of nested brackets.

Shapes: B words · T letters of the widest word.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

import numpy as np

from lrnn.automata import DFA
from lrnn.automata.run import run_table
from lrnn.tasks.membership import Membership
from lrnn.tasks.task import Ask, Split, Task, asked, refuse, require_at_least, require_choice, uniform_lengths

PAIRS = ("()", "[]", "{}", "<>", *(a + a.upper() for a in string.ascii_lowercase))
MAX_STATES = 20_000


def _faults(pairs: int, depth: int) -> list[str]:
    faults = [] if 1 <= pairs <= len(PAIRS) else [f"pairs must be from 1 to {len(PAIRS)}, got {pairs}"]
    return faults + require_at_least("depth", depth, 1)


@dataclass(frozen=True, kw_only=True)
class Dyck(Membership):
    """Is the word balanced, over k pairs of brackets and at most d deep? As ``([]){}`` for k = 3, d = 2.

    One half of the words is balanced; only words of even length can be. The automaton has 1 + k + … + k^d states and a
    sink, so k and d must be small here, other than in :class:`DyckCloser`.

    Raises ValueError for k outside 1 … 30, d < 1, an automaton of more than 20,000 states, or an unknown option.

    Source: Hewitt et al., "RNNs can generate bounded hierarchical languages with optimal memory", arXiv 2010.07515
    (the language Dyck-(k, m)).

    >>> task = Dyck(pairs=2, depth=3)
    >>> "([])[]" in task.language, "([)]" in task.language, "(((())))" in task.language
    (True, False, False)
    """

    pairs: int = 2
    """k, the number of pairs of brackets, 1 to 30."""
    depth: int = 3
    """d, the greatest number of brackets that may be open."""

    name: ClassVar[str] = "dyck"

    def __post_init__(self) -> None:
        refuse(_faults(self.pairs, self.depth))
        states = 1
        for _ in range(self.depth):
            states = 1 + self.pairs * states
            if states >= MAX_STATES:
                raise ValueError(
                    f"pairs = {self.pairs} and depth = {self.depth} make an automaton of more than {MAX_STATES:,} "
                    "states; take smaller ones, or the task dyck_closer"
                )
        super().__post_init__()

    @cached_property
    def language(self) -> DFA:
        # A state is the stack of open brackets, numbered as in a heap: i pushed on s is k·s + 1 + i.
        k = self.pairs
        count = sum(k**level for level in range(self.depth + 1))
        state, pair = np.arange(count)[:, None], np.arange(k)
        pushed = state * k + 1 + pair
        delta = np.full((count + 1, 2 * k), count)
        delta[:-1, ::2] = np.where(pushed < count, pushed, count)
        delta[:-1, 1::2] = np.where((state > 0) & ((state - 1) % k == pair), (state - 1) // k, count)
        return DFA(alphabet=tuple("".join(PAIRS[:k])), delta=delta, start=0, accepting={0})


@dataclass(frozen=True, kw_only=True)
class DyckCloser(Task):
    """label_t = the pair of the innermost bracket that is open after x_t, or none: which bracket could close next?

    Every word is the beginning of a balanced one over k pairs of brackets, at most d deep. While 0 < depth < d, the
    next bracket opens or closes with probability 1/2 each; what opens is uniform over the pairs.

    Chance is the long-run share of the commonest answer: 1 / 2d for none, and (1 − 1 / 2d) / k for each pair.

    Raises ValueError for k outside 1 … 30, d < 1, or an unknown ``ask``.

    Source: Hewitt et al., "RNNs can generate bounded hierarchical languages with optimal memory", arXiv 2010.07515
    (the innermost open bracket is what a generator of Dyck-(k, m) must know).

    >>> task = DyckCloser(pairs=2, depth=3)
    >>> batch = task.sample(1, 6, seed=0)
    >>> " ".join(task.decode(batch.words[0]))
    '[ [ ] ] [ ['
    >>> [task.classes[label] for label in batch.labels[0]]
    ['[]', '[]', '[]', 'none', '[]', '[]']
    """

    pairs: int = 2
    """k, the number of pairs of brackets, 1 to 30."""
    depth: int = 3
    """d, the greatest number of brackets that may be open."""
    ask: Ask = "every"
    """Ask after every bracket (as published), or once, after the last."""

    name: ClassVar[str] = "dyck_closer"

    def __post_init__(self) -> None:
        refuse(_faults(self.pairs, self.depth) + require_choice("ask", self.ask, get_args(Ask)))

    @property
    def alphabet(self) -> tuple[str, ...]:
        return tuple("".join(PAIRS[: self.pairs]))

    @property
    def classes(self) -> tuple[str, ...]:
        return ("none", *PAIRS[: self.pairs])

    @property
    def chance(self) -> float:
        none = 1 / (2 * self.depth)
        return max(none, (1 - none) / self.pairs)

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        level = np.arange(self.depth + 1)
        walk = np.stack([np.abs(level - 1), np.where(level < self.depth, level + 1, level - 1)], axis=1)
        depth = run_table(walk, rng.integers(0, 2, (batch, longest), dtype=np.int8), start=0).T
        opens = np.diff(depth, axis=0, prepend=0) > 0
        pair = rng.integers(1, self.pairs + 1, (longest, batch))
        rows = np.arange(batch)
        stack = np.zeros((self.depth + 1, batch), dtype=np.int64)  # at depth 0 stands "none", for ever
        words, innermost = np.empty_like(pair), np.zeros((longest + 1, batch), dtype=np.int64)
        for t in range(longest):
            before, deep = innermost[t], depth[t]
            words[t] = np.where(opens[t], 2 * pair[t] - 2, 2 * before - 1)
            stack[deep, rows] = innermost[t + 1] = np.where(opens[t], pair[t], stack[deep, rows])
        return words.T, asked(innermost[1:].T, lengths, self.ask), lengths
