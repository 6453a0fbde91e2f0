"""Automata whose monoids the tests look at: one row of states for each letter."""

import numpy as np
import pytest


def full(n):
    """Generators of T_n, all maps of n states: a cycle, a swap, a merge."""
    states = list(range(n))
    return [[*states[1:], 0], [1, 0, *states[2:]], [0, 0, *states[2:]]]


def some_maps():
    """Automata with 1 … 5 states and 1 … 3 letters, the last ones at random."""
    yield [[0]]
    yield [[0, 1]]  # the letter does nothing
    yield [[1, 0]]
    yield [[0, 0], [1, 1]]  # flip-flop
    yield [[1, 2, 2], [2, 0, 2]]  # (ab)* up to numbering
    yield full(3)
    rng = np.random.default_rng(0)
    for _ in range(25):
        letters, states = rng.integers(1, 4), rng.integers(1, 5)
        yield rng.integers(0, states, (letters, states)).tolist()
    yield rng.integers(0, 5, (2, 5)).tolist()


each = pytest.mark.parametrize("maps", list(some_maps()), ids=str)
