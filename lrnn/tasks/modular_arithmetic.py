"""Modular arithmetic, without and with brackets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

import numpy as np

from lrnn.automata import WordSampler
from lrnn.tasks.calculator import Calculator
from lrnn.tasks.task import Ask, Split, Task, asked, refuse, require_choice, uniform_lengths


@dataclass(frozen=True, kw_only=True)
class ModularArithmetic(Task):
    """label at ``=``: the value mod m of the expression in front of it, as ``0`` for ``- 2 + 3 * 4 =`` with m = 5.

    An expression is operands joined by + − ×, × binding first, with an optional minus in front; an operand is a digit
    0 … m − 1, or with brackets also an expression in brackets. The length counts ``=``. Without brackets, digits and
    signs are uniformly random, and a minus stands in front just when the length is odd. With brackets, a word is drawn
    uniformly among all of its length with at most ``max_depth`` brackets inside each other.

    Where every prefix is asked about, that means every prefix that is an expression: those that end in a digit or a
    closing bracket and have no bracket open.

    Chance is 1 / m, as in the literature; with products 0 is likelier than that.

    Raises ValueError for fewer than 2 or more than 64 residues, fewer than 1 or more than 64 brackets inside each
    other, or an unknown ``ask``.

    Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
    appendix E.1, after Delétang et al., "Neural Networks and the Chomsky Hierarchy", arXiv 2207.02098 (m = 5, asked at
    the end only; there, brackets stand around every operation).

    >>> task = ModularArithmetic(brackets=True)
    >>> batch = task.sample(1, 14, seed=5)
    >>> " ".join(task.decode(batch.words[0])), task.classes[batch.labels[0, -1]]
    ('2 * ( 2 * 0 + 4 ) * 3 * 1 =', '4')
    """

    brackets: bool = False
    """May expressions stand in brackets?"""
    modulus: int = 5
    """m, from 2 to 64: digits and values are 0 … m - 1."""
    multiplication: bool = True
    """Is × among the signs?"""
    max_depth: int = 10
    """Most brackets inside each other, from 1 to 64; not read without brackets."""
    ask: Ask = "end"
    """Ask for the value once, at the = (as published), or also after every prefix that is an expression."""

    name: ClassVar[str] = "modular_arithmetic"

    def __post_init__(self) -> None:
        faults = require_choice("ask", self.ask, get_args(Ask))
        for field, least in (("modulus", 2), ("max_depth", 1)):
            value = getattr(self, field)
            faults += [] if least <= value <= 64 else [f"{field} must be from {least} to 64, got {value}"]
        refuse(faults)

    @cached_property
    def alphabet(self) -> tuple[str, ...]:
        signs = ("-", "+", "*") if self.multiplication else ("-", "+")
        return (*self.classes, *signs, *(("(", ")") if self.brackets else ()), "=")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(map(str, range(self.modulus)))

    @property
    def shortest(self) -> int:
        return 2

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = uniform_lengths(rng, batch, shortest, longest)
        words = self._bracketed(lengths, longest, rng) if self.brackets else self._flat(lengths, longest, rng)
        return words, asked(self.calculator.values(words), lengths, self.ask), lengths

    def _flat(self, lengths: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
        """Digit, sign, digit, … =; behind a minus if the length is odd."""
        digits, num_signs = self.modulus, 2 + self.multiplication
        place = np.arange(width) + lengths[:, None] % 2  # of an odd word the sign in front is at an odd place too
        words = np.where(
            place % 2 == 0,
            rng.integers(0, digits, (len(lengths), width), dtype=np.int16),
            rng.integers(digits, digits + num_signs, (len(lengths), width), dtype=np.int16),
        )
        words[lengths % 2 == 1, 0] = self.calculator.minus
        words[np.arange(len(lengths)), lengths - 1] = self.calculator.equals
        return words

    def _bracketed(self, lengths: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
        words, _ = self._sampler.sample(lengths, np.ones(len(lengths), dtype=bool), rng)
        return np.pad(words, ((0, 0), (0, width - words.shape[1])))

    @cached_property
    def calculator(self) -> Calculator:
        """What reads the words."""
        return Calculator(modulus=self.modulus, alphabet=self.alphabet)

    @cached_property
    def _sampler(self) -> WordSampler:
        return WordSampler(self.calculator.language(self.max_depth))
