"""Skeleton: its definitions, taken word for word, over the whole monoid."""

import functools
import itertools

import numpy as np
import pytest

from lrnn.automata import Group, Skeleton

FLIP_FLOP = [[0, 0, 1], [1, 0, 1]]


def tables():
    """Random tables, and some of the corners."""
    yield [[0]]
    yield [[0, 0], [1, 1]]
    yield FLIP_FLOP
    yield [[1, 1, 0], [2, 0, 0], [0, 2, 2]]  # all maps of three points
    rng = np.random.default_rng(7)
    for seed in range(36):
        num_states = 2 + seed % 4
        delta = rng.integers(0, num_states, (num_states, 1 + seed % 3))
        if seed % 3 == 2:
            delta[:, 0] = rng.permutation(num_states)
        yield delta.tolist()


def monoid(delta: np.ndarray) -> list[tuple[int, ...]]:
    """Every map of the states that a word makes, the empty word's first."""
    found, seen = [tuple(range(len(delta)))], set()
    for element in found:
        for column in delta.T.tolist():
            after = tuple(column[state] for state in element)
            if after not in seen and after != found[0]:
                seen.add(after)
                found.append(after)
    return found


class Definitions:
    """Images, subduction, depth, tiles and holonomy groups as they are defined."""

    def __init__(self, delta: np.ndarray) -> None:
        self.monoid = monoid(delta)
        states = range(len(delta))
        images = {frozenset(x) for x in self.monoid}
        self.sets = images | {frozenset(states)} | {frozenset([state]) for state in states}
        self.large = [found for found in self.sets if len(found) > 1]

    @functools.cache  # noqa: B019
    def subdued(self, inner: frozenset, outer: frozenset) -> bool:
        return any(inner <= {x[state] for state in outer} for x in self.monoid)

    @functools.cache  # noqa: B019
    def depth(self, found: frozenset) -> int:
        above = [other for other in self.large if self.subdued(found, other) and not self.subdued(other, found)]
        return 1 + max(map(self.depth, above), default=0)

    def tiles(self, found: frozenset) -> set[frozenset]:
        inside = [other for other in self.sets if other < found]
        return {tile for tile in inside if not any(tile < other for other in inside)}

    def holonomy(self, found: frozenset) -> set[tuple[frozenset, ...]]:
        """Where the elements that carry the set to itself take its tiles, listed in some order."""
        tiles = sorted(self.tiles(found), key=sorted)
        keeping = [x for x in self.monoid if {x[state] for state in found} == found]
        return {tuple(frozenset(x[state] for state in tile) for tile in tiles) for x in keeping}


@pytest.mark.parametrize("delta", list(tables()), ids=str)
def test_skeletons_are_as_defined(delta):
    delta = np.array(delta)
    wanted, found = Definitions(delta), Skeleton.of(delta)
    sets = [frozenset(np.flatnonzero(row).tolist()) for row in found.sets]
    assert len(sets) == len(set(sets))
    assert set(sets) == wanted.sets
    assert sets[0] == set(range(len(delta)))
    assert sets[-len(delta) :] == [{state} for state in range(len(delta))]
    for number, letter in itertools.product(range(len(sets)), range(delta.shape[1])):
        assert sets[found.image[number, letter]] == {delta[state, letter] for state in sets[number]}
    assert sorted(number for kind in found.kinds for number in kind.sets) == [
        number for number, members in enumerate(sets) if len(members) > 1
    ]
    for number, members in enumerate(sets):
        if len(members) == 1:
            assert found.kind_of[number] == -1
            continue
        kind = found.kinds[found.kind_of[number]]
        assert number in kind.sets
        alike = [sets.index(other) for other in wanted.large if wanted.subdued(other, members)]
        alike = [other for other in alike if wanted.subdued(members, sets[other])]
        assert sorted(alike) == sorted(kind.sets)
        assert kind.depth == wanted.depth(members)
    assert found.depth == max(map(wanted.depth, wanted.large), default=0)
    for kind in found.kinds:
        tiles = [sets[tile] for tile in kind.tiles]
        representative = sets[kind.sets[0]]
        assert set(tiles) == wanted.tiles(representative)
        order = sorted(range(len(tiles)), key=lambda i: sorted(tiles[i]))
        group = {tuple(tiles[row[i]] for i in order) for row in Group.generated(kind.permutations).permutations}
        assert group == wanted.holonomy(representative)


@pytest.mark.parametrize("delta", list(tables()), ids=str)
def test_the_ways_to_and_back_are_words(delta):
    delta = np.array(delta)
    found, elements = Skeleton.of(delta), monoid(delta)
    for number, kind in enumerate(found.kind_of):
        if kind < 0:
            assert found.sets[number].sum() == 1
            continue
        representative = found.sets[found.kinds[kind].sets[0]]
        for way, members, goal in (
            (found.to, representative, found.sets[number]),
            (found.back, found.sets[number], representative),
        ):
            states = np.flatnonzero(members)
            there = way[number, states]
            assert sorted(there) == np.flatnonzero(goal).tolist()
            assert (way[number][~members] == -1).all()
            assert any(all(x[state] == after for state, after in zip(states, there)) for x in elements)
        states = np.flatnonzero(representative)
        assert (found.back[number, found.to[number, states]] == states).all()


def test_the_number_of_sets_is_capped():
    delta = np.array([[1, 1, 0], [2, 0, 0], [0, 2, 2]])
    assert len(Skeleton.of(delta, max_sets=7).sets) == 7
    with pytest.raises(ValueError, match="the 3 states have more than 6 sets that words lead to; raise max_sets"):
        Skeleton.of(delta, max_sets=6)
