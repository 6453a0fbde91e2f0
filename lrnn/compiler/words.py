"""Words on which a compiled model is checked.

Shapes: B words · T letters · Q states · A letters of the alphabet.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata import Machine
from lrnn.automata.run import reachable

STRAY = 1 / 256
"""How often a lingering word may take any letter."""


def uniform(machine: Machine, length: int, rng: np.random.Generator) -> Int64[np.ndarray, "T"]:
    """Every letter equally likely. Where a state cannot be left, that says little of the others: see below."""
    return rng.integers(0, len(machine.alphabet), length)


def lingering(machine: Machine, length: int, rng: np.random.Generator) -> Int64[np.ndarray, "T"]:
    """Letters that leave all reachable states reachable, where there are any; any letter once in 256 times.

    A word over a*b* drawn uniformly is rejected for ever after a few letters; this one takes hundreds to get there.
    """
    keeps = _keeps(machine)
    choices = [np.flatnonzero(row).tolist() or list(range(len(row))) for row in keeps]
    delta, state = machine.delta.tolist(), machine.start
    strays = rng.random(length) < STRAY
    numbers = rng.random(length)
    word = []
    for stray, number in zip(strays.tolist(), numbers.tolist()):
        row = delta[state]
        letters = range(len(row)) if stray else choices[state]
        letter = letters[int(number * len(letters))]
        word.append(letter)
        state = row[letter]
    return np.array(word, dtype=np.int64)


def can_stray(machine: Machine) -> bool:
    """Is there a letter from which one does not come back? If not, uniform words linger anyway."""
    return not _keeps(machine).all()


def _keeps(machine: Machine) -> Bool[np.ndarray, "Q A"]:
    """Does the letter lead to a state from which one can come back?"""
    within = np.array([reachable(machine.delta, q) for q in range(machine.num_states)])  # [from, to]
    return within[machine.delta, np.arange(machine.num_states)[:, None]]


def longest_exhaustive(num_letters: int, max_words: int) -> tuple[int, int]:
    """The greatest n such that there are at most so many words of lengths 1 … n, and how many there are; with one
    letter, n is at most 100.

    >>> longest_exhaustive(2, 1000)
    (8, 510)
    """
    length = total = 0
    while total + num_letters ** (length + 1) <= max_words and length < 100:
        length += 1
        total += num_letters**length
    return length, total
