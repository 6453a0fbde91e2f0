"""Cascade and Level: what they check, and the map back."""

import numpy as np
import pytest

from lrnn.automata import DFA, Cascade, Component, Level, decompose

NOTHING = np.zeros((0, 2), dtype=np.int64)


def level(actions, next_context, action_of=None) -> Level:
    actions, next_context = np.array(actions), np.array(next_context)
    action_of = np.arange(len(actions)) if action_of is None else np.array(action_of)
    return Level(actions, action_of, next_context, 0, (Component((0, 1), NOTHING),))


def test_an_action_permutes_or_resets():
    with pytest.raises(ValueError, match=r"permutations or constant, got \[\[0, 0, 1\]\]"):
        level([[0, 1, 2], [0, 0, 1], [2, 2, 2]], [[0, 1, 2]] * 3)


def test_levels_fit_together():
    with pytest.raises(ValueError, match="at least one level"):
        Cascade((), 2)
    first = level([[0, 0], [1, 1]], [[0, 1], [2, 0]])
    with pytest.raises(ValueError, match="level 1 hands down 2, but what follows knows 0 … 1"):
        Cascade((first, level([[0, 1], [1, 0]], [[0, 1], [1, 0]])), 2)


def test_levels_read_the_coordinate_before_the_letter():
    # Level 1 keeps the last letter, level 2 the parity of the times that it differed from the one before.
    first = level([[0, 0], [1, 1]], [[0, 1], [1, 0]])
    second = level([[0, 1], [1, 0]], [[0, 1], [1, 0]])
    cascade = Cascade((first, second), 2)
    assert cascade.run(np.array([[0, 1, 1, 0, 0, 1], [1, 1, 0, 1, 0, 0]])).tolist() == [
        [0, 1, 1, 0, 0, 1],
        [1, 1, 0, 1, 0, 0],
    ]
    assert cascade.coordinates(np.array([[0, 1, 1, 0]])).tolist() == [[[0, 0], [1, 1], [1, 1], [0, 0]]]
    assert (first.num_states, first.num_contexts, cascade.start, cascade.num_pairs) == (2, 2, (0, 0), 8)


def test_groups_of_components():
    rotation = Component((3, 4, 5), np.array([[1, 2, 0]]))
    assert rotation.group.order == 3
    assert not rotation.is_trivial
    assert Component((0, 1), NOTHING).group.order == 1
    assert Component((0, 1), np.array([[0, 1]])).is_trivial


def test_letters_are_checked():
    with pytest.raises(ValueError, match="letter numbers 0 … 1"):
        decompose(DFA.from_regex("(aa)*b")).run(np.array([[0, 2]]))


def test_only_the_full_cascade_maps_back():
    small = decompose(DFA.from_regex("(aa)*b"))
    with pytest.raises(ValueError, match="minimize=False"):
        small.state_of(small.coordinates(np.array([[0, 1]])))
