"""What in a language defeats a structure, in words.

Shapes: Q states · A letters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lrnn.automata import Machine, TooLarge, transition_monoid
from lrnn.explain.identities import index_and_period

MAX_ELEMENTS = 20_000
"""Words with different effects that are looked through for an example; above it, none is given."""


class Turn(NamedTuple):
    """A word that, repeated, comes back to a state only after ``period`` > 1 times."""

    word: str
    period: int

    def __str__(self) -> str:
        return f"{self.word} repeated has period {self.period}"


def shortest_turn(machine: Machine, divisible_by: int | None = None) -> Turn | None:
    """A shortest word with a period > 1 (a multiple of a number, if one is given); None if there is none, or none among
    the first 20,000 effects."""
    return _first(machine, lambda period: period > 1 and period % (divisible_by or 1) == 0)


def odd_turn(machine: Machine) -> Turn | None:
    """A shortest word whose period is no power of 2; None as above."""
    return _first(machine, lambda period: period & (period - 1) != 0)


def _first(machine: Machine, wanted: Callable[[int], bool]) -> Turn | None:
    try:
        monoid = transition_monoid(machine, max_elements=MAX_ELEMENTS)
    except TooLarge:
        return None
    for number, effect in enumerate(monoid.elements):
        if wanted(period := index_and_period(effect)[1]):
            return Turn(spelled(monoid.word(number)), period)
    return None


def spelled(word: Sequence[str]) -> str:
    """A word as one writes it."""
    return ("" if all(len(letter) == 1 for letter in word) else "·").join(word)
