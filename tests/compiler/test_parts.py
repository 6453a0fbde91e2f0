"""Machines taken apart: congruences, parts side by side, levels in turn."""

import numpy as np
import pytest

from lrnn.automata import DFA, Group, Machine, decompose
from lrnn.automata.permutations import rank_of
from lrnn.compiler.congruence import congruences, join, meet, merge, quotient
from lrnn.compiler.level_parts import level_parts
from lrnn.compiler.parts import is_permutation_reset, parts, transpositions


def tables():
    rng = np.random.default_rng(0)
    for number in range(30):
        states = int(rng.integers(2, 7))
        yield rng.integers(0, states, (states, 2 + number % 2))
    for name in ("Z6", "S3", "D4", "Z2xZ2"):
        yield Group(name).table.T


def test_exchanges_make_the_permutation():
    rng = np.random.default_rng(0)
    for size in range(1, 9):
        permutation = rng.permutation(size)
        points = np.arange(size)
        for i, j in transpositions(permutation):
            points = np.where(points == i, j, np.where(points == j, i, points))
        assert np.array_equal(points, permutation)
        cycles = len({min(orbit(permutation, point)) for point in range(size)})
        assert len(transpositions(permutation)) == size - cycles == rank_of(permutation[:, None])


def orbit(permutation, point):
    seen = [point]
    while (point := int(permutation[point])) != seen[0]:
        seen.append(point)
    return seen


@pytest.mark.parametrize("table", list(tables()))
def test_congruences_are_respected_by_every_letter(table):
    found = congruences(table, 0)
    for classes in found:
        assert np.array_equal(classes[table], quotient(table, classes)[classes])
    keys = {tuple(classes.tolist()) for classes in found}
    assert len(keys) == len(found)
    assert tuple(range(len(table))) in keys


def test_merging_is_the_finest_way():
    table = np.array([[1], [2], [3], [4], [5], [0]])  # a counter modulo 6
    assert merge(table, np.array([0]), np.array([3])).tolist() == [0, 1, 2, 0, 1, 2]
    assert merge(table, np.array([0]), np.array([1])).tolist() == [0] * 6
    assert merge(table, np.array([0]), np.array([0])).tolist() == list(range(6))
    twos, threes = np.arange(6) % 2, np.arange(6) % 3
    assert join(twos, threes).tolist() == [0] * 6
    assert meet([twos, threes], 6).max() == 5


@pytest.mark.parametrize("table", list(tables()))
def test_parts_follow_the_machine_and_know_its_state(table):
    found = parts(table, 0)
    if found is None:
        assert not is_permutation_reset(table)
        return
    codes = np.array([position for part in found for position in part.positions]).T.reshape(len(table), -1)
    assert len(np.unique(codes, axis=0)) == len(table)
    for part in found:
        assert is_permutation_reset(part.table)
        for start, position in zip(part.starts, part.positions):
            assert position[0] == start
            assert np.array_equal(part.table[position], position[table])


def simulate(levels, words):
    """The last level's outputs, by the definition of a cascade."""
    answers = []
    for word in words.tolist():
        coordinates, row = [level.start for level, _ in levels], []
        for letter in word:
            context = letter
            for number, (level, _) in enumerate(levels):
                c = coordinates[number]
                coordinates[number] = int(level.actions[level.action_of[context], c])
                context = int(level.next_context[context, c])
                assert context >= 0
            row.append(context)
        answers.append(row)
    return np.array(answers)


@pytest.mark.parametrize("regex", ["(aaaa)*b", "(aaaa|bb)*", "((a|b){8})*a", "(aa)*b", "(aab|b)*", "(aaaaaa)*b"])
@pytest.mark.parametrize("most", [1, 2])
def test_levels_that_were_split_do_what_the_machine_does(regex, most):
    machine = Machine.of(DFA.from_regex(regex, "ab")).minimal
    levels = level_parts(decompose(machine, outputs="labels"), lambda table: rank_of(table) <= most)
    if not isinstance(levels, list):
        assert regex == "(aaaaaa)*b" and most == 1  # a counter modulo 3 takes two
        return
    assert all(part.rank <= most for _, found in levels for part in found)
    words = np.random.default_rng(0).integers(0, 2, (6, 40))
    assert np.array_equal(simulate(levels, words), machine.run(words))


@pytest.mark.parametrize("name", ["D4", "Z8", "Q8", "S4", "SL(2,3)"])
def test_groups_split_along_their_normal_series(name):
    from benchmarks.languages import small_groups

    group = dict(small_groups())[name]()
    machine = Machine.of_group(group, range(group.order)).minimal
    most = 2 if "S" in name else 1
    levels = level_parts(decompose(machine, outputs="labels"), lambda table: rank_of(table) <= most)
    assert isinstance(levels, list) and len(levels) > 1
    words = np.random.default_rng(0).integers(0, group.order, (3, 30))
    assert np.array_equal(simulate(levels, words), machine.run(words))
