"""The word problem of a finite group: what is the product of the letters?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, get_args

import numpy as np

from lrnn.automata import Group, generators
from lrnn.tasks.task import (
    NOT_ASKED,
    Ask,
    Split,
    Task,
    asked,
    refuse,
    require_at_least,
    require_choice,
    uniform_lengths,
)


@dataclass(frozen=True, kw_only=True)
class WordProblem(Task):
    """label_t = x_t ∘ … ∘ x_1 for uniformly random letters x_i out of a generator set: the newest letter on the left.

    With k tokens per transition every letter is followed by k − 1 blanks, a token of its own, and the product is asked
    for at the last of the k, so that the network has k steps for one transition; a length counts tokens, and a block
    that the end of the word cuts off is not asked about.

    Chance is 1 / |G|, as in the literature, also for generators that do not reach every element at every position.

    Raises ValueError for an unknown group, a group of one element, an unknown or not generating set, or k < 1.

    Source: Merrill, Petty and Sabharwal, "The Illusion of State in State-Space Models", arXiv 2404.08819; the generator
    sets and k = 4: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues",
    arXiv 2411.12537, section 5.2.

    >>> task = WordProblem(group="S3", generators="swaps")
    >>> task.alphabet
    ('()', '(2 3)', '(1 2)', '(1 3)')
    >>> task.sample(2, 5, seed=0).labels.shape
    torch.Size([2, 5])
    """

    group: str = "S3"
    """Z_m, D_m (order 2m), S_n, A_n or a product of them: Z60, D4, S5, A5, A4xZ5."""
    generators: str = "all"
    """The letters: all, swaps, 3-permutations, two-random, or names of elements separated by ';'."""
    generator_seed: int = 0
    """Decides the pair of two-random; not read otherwise."""
    tokens_per_transition: int = 1
    """k: each letter is followed by k - 1 blanks, and the product is asked for at the last of them."""
    ask: Ask = "every"
    """Ask for the product after every letter (as published), or once, after the last."""

    name: ClassVar[str] = "word_problem"

    def __post_init__(self) -> None:
        faults = require_choice("ask", self.ask, get_args(Ask))
        faults += require_at_least("tokens_per_transition", self.tokens_per_transition, 1)
        faults += require_at_least("generator_seed", self.generator_seed, 0)
        refuse(faults)
        # Made here, not at the first batch, so that what is wrong with them is said at once.
        if self.machine.order < 2 or not len(self.letters):
            raise ValueError(f"group {self.group!r} has one element, so there is nothing to ask; take a larger one")

    @cached_property
    def machine(self) -> Group:
        """The group."""
        return Group(self.group)

    @cached_property
    def letters(self) -> np.ndarray:
        """The group's element for each letter but the blank."""
        return generators(self.machine, self.generators, self.generator_seed)

    @cached_property
    def alphabet(self) -> tuple[str, ...]:
        blank = ("_",) if self.tokens_per_transition > 1 else ()
        return tuple(self.machine.elements[letter] for letter in self.letters) + blank

    @property
    def classes(self) -> tuple[str, ...]:
        return self.machine.elements

    @property
    def shortest(self) -> int:
        return self.tokens_per_transition

    def deal(
        self, batch: int, shortest: int, longest: int, rng: np.random.Generator, split: Split
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        k = self.tokens_per_transition
        lengths = uniform_lengths(rng, batch, shortest, longest)
        letters = rng.integers(0, len(self.letters), (batch, -(-longest // k)), dtype=np.int32)
        products = self.machine.products(self.letters[letters])
        if k == 1:
            return letters, asked(products, lengths, self.ask), lengths
        words = np.full((batch, longest), len(self.letters))
        words[:, ::k] = letters
        labels = np.full((batch, longest), NOT_ASKED)
        labels[:, k - 1 :: k] = products[:, : longest // k]
        return words, asked(labels, lengths // k * k, self.ask), lengths
