"""Membership in a regular language: is the word accepted?

Shapes: B words in a batch · T letters of the widest word.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np

from lrnn.automata import DFA, WordSampler
from lrnn.tasks.task import Ask, Split, Task, asked, refuse, require_choice

Rejects = Literal["uniform", "near"]
"""Which rejected words are dealt: any, or those one letter away from an accepted word."""

NEAR_TRIES = 4


@dataclass(frozen=True, kw_only=True)
class Membership(Task):
    """label_t = is x_1 … x_t in the language? One half of the words is accepted, the other half rejected.

    A word is dealt in three draws: its verdict, with probability 1/2 each; its length, uniform among the lengths in the
    range that have a word of this verdict; the word, uniform among all words of that length and verdict. If all words
    of the range have the same verdict, so have all of the batch. In many languages a uniform rejected word shows within
    a few letters that it is one; ``rejects="near"`` deals harder ones.

    Chance is 1/2 where the whole word is asked about. Where every prefix is, it is the share of the commonest answer in
    words of 1 to 64 letters (or as many as the automaton has states), computed exactly from the automaton; see also
    :meth:`chance_between`.
    """

    ask: Ask = "end"
    """Ask about the whole word, after its last letter, or about every prefix, after every letter."""
    rejects: Rejects = "uniform"
    """Rejected words: any (uniform), or with one letter exchanged in an accepted word, if there are such (near)."""

    classes: ClassVar[tuple[str, ...]] = ("reject", "accept")

    def __post_init__(self) -> None:
        refuse(
            require_choice("ask", self.ask, get_args(Ask)) + require_choice("rejects", self.rejects, get_args(Rejects))
        )
        verdicts = self.language.accepts_in[self.language.delta]
        if verdicts.all() or not verdicts.any():
            word = "accepted" if verdicts.all() else "rejected"
            raise ValueError(f"every word of one or more letters is {word}, so there is nothing to ask")

    @property
    @abstractmethod
    def language(self) -> DFA:
        """The language."""

    @property
    def alphabet(self) -> tuple[str, ...]:
        return self.language.alphabet

    @cached_property
    def chance(self) -> float:
        return self.chance_between(1, max(64, self.language.num_states))

    def chance_between(self, shortest: int, longest: int) -> float:
        """Accuracy of the best constant answer to what is asked about words of these lengths.

        Where only the whole word is asked about that is 1/2, or 1 at lengths that have one verdict only.
        """
        lengths = self._lengths(shortest, longest)
        if self.ask == "end":
            return 0.5 if all(len(present) for present in lengths) else 1.0
        accepted = total = 0.0
        for verdict, present in enumerate(lengths):
            for length in present.tolist():
                shares = self._sampler.occupancy(length, bool(verdict))
                accepted += shares[:, self.language.accepts_in].sum() / len(present)
                total += length / len(present)
        return max(accepted, total - accepted) / total

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rejectable, acceptable = self._lengths(shortest, longest)
        verdicts = np.full(batch, bool(len(acceptable)))
        if len(acceptable) and len(rejectable):
            verdicts = rng.random(batch) < 0.5
        which = rng.random(batch)
        lengths = np.empty(batch, dtype=np.int64)
        for verdict, present in ((verdicts, acceptable), (~verdicts, rejectable)):
            lengths[verdict] = present[(which[verdict] * len(present)).astype(np.int64)]
        words, states = self._sampler.sample(lengths, verdicts, rng)
        if self.rejects == "near":
            self._replace_by_near_misses(words, states, lengths, np.flatnonzero(~verdicts), rng)
        missing = ((0, 0), (0, longest - words.shape[1]))
        labels = asked(self.language.accepts_in.astype(np.int64).take(states), lengths, self.ask)
        return np.pad(words, missing), np.pad(labels, missing), lengths

    def _replace_by_near_misses(
        self, words: np.ndarray, states: np.ndarray, lengths: np.ndarray, rows: np.ndarray, rng: np.random.Generator
    ) -> None:
        """Try to put in each of these rows an accepted word of its length with one letter exchanged."""
        sampler, num_letters = self._sampler, len(self.alphabet)
        rows = rows[sampler.exists(lengths[rows], True)]
        for _ in range(NEAR_TRIES if num_letters > 1 else 0):
            if not rows.size:
                return
            every, size = np.arange(len(rows)), lengths[rows]
            near, _ = sampler.sample(size, np.ones(len(rows), dtype=bool), rng)
            where = rng.integers(0, size)
            near[every, where] = (near[every, where] + rng.integers(1, num_letters, len(rows))) % num_letters
            run = self.language.run(near)
            missed = ~self.language.accepts_in[run[every, size - 1]]
            words[rows[missed], : near.shape[1]], states[rows[missed], : near.shape[1]] = near[missed], run[missed]
            rows = rows[~missed]

    def _lengths(self, shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
        """The lengths in the range that have a rejected word, and those that have an accepted one."""
        lengths, sampler = np.arange(shortest, longest + 1), self._sampler
        return lengths[sampler.exists(lengths, False)], lengths[sampler.exists(lengths, True)]

    @cached_property
    def _sampler(self) -> WordSampler:
        return WordSampler(self.language)
