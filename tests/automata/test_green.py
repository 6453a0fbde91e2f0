"""Green's relations: against the ideals of the definition, and class counts that are known."""

import itertools
import math

import numpy as np
import pytest

import lrnn.automata.green as green_file
from lrnn.automata import DFA, Group, greens_relations, syntactic_monoid, transition_monoid
from lrnn.automata.strong_components import strong_components
from tests.automata.maps import each, full

BELL = [1, 1, 2, 5, 15, 52, 203]


def classes_of(keys):
    """Numbers of equal keys, in the order in which they first come."""
    numbers = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


@each
def test_classes_are_those_of_equal_ideals(maps):
    monoid = transition_monoid(maps)
    every = range(monoid.num_elements)
    times = [[monoid.product(x, y) for y in every] for x in every]
    right = [frozenset(times[x]) for x in every]
    left = [frozenset(times[y][x] for y in every) for x in every]
    both = [frozenset(times[y][z] for z in right[x] for y in every) for x in every]
    green = greens_relations(monoid)
    assert green.r.tolist() == classes_of(right)
    assert green.l.tolist() == classes_of(left)
    assert green.j.tolist() == classes_of(both)
    assert green.h.tolist() == classes_of(zip(right, left))
    assert [green.num_r, green.num_l, green.num_j, green.num_h] == [
        len(set(keys)) for keys in (right, left, both, zip(right, left))
    ]
    assert green.regular.tolist() == [any(times[times[x][y]][x] == x for y in every) for x in every]
    ideals = list(dict.fromkeys(both))
    for j, ideal in enumerate(ideals):
        assert green.below(j).tolist() == [other <= ideal for other in ideals]
    order = [(j, k) for j, k in itertools.permutations(range(len(ideals)), 2) if ideals[k] < ideals[j]]
    direct = [(j, k) for j, k in order if not any((j, m) in order and (m, k) in order for m in range(len(ideals)))]
    assert [tuple(pair) for pair in green.covers.tolist()] == direct
    trivial = green.is_r_trivial, green.is_l_trivial, green.is_j_trivial
    assert trivial == tuple(len(set(keys)) == len(keys) for keys in (right, left, both))
    assert green.is_h_trivial == monoid.is_aperiodic


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_full_transformation_monoids(n):
    """R-classes of T_n are the partitions, L-classes the images, J-classes the ranks; all are regular."""
    monoid = transition_monoid(full(n))
    green = greens_relations(monoid)
    assert (green.num_r, green.num_l, green.num_j) == (BELL[n], 2**n - 1, n)
    # an H-class is a partition into k parts with an image of k states, and k! maps from one to the other
    assert green.num_h == sum(math.comb(n, k) * stirling(n, k) for k in range(1, n + 1))
    assert green.regular.all()
    assert green.covers.tolist() == [[j, j + 1] for j in range(n - 1)]
    ranks = [len(set(row)) for row in monoid.elements.tolist()]
    assert green.j.tolist() == [n - rank for rank in ranks]


def stirling(n, k):
    return sum((-1) ** i * math.comb(k, i) * (k - i) ** n for i in range(k + 1)) // math.factorial(k)


def test_a_group_is_one_class():
    green = greens_relations(transition_monoid(Group("S4").permutations))
    assert (green.num_r, green.num_l, green.num_j, green.num_h) == (1, 1, 1, 1)
    assert green.steps.shape == green.covers.shape == (0, 2)


def test_the_flip_flop():
    """U_2: the identity above two resets, which are one L-class apart and one R-class together."""
    green = greens_relations(transition_monoid([[0, 0], [1, 1]]))
    assert green.j.tolist() == [0, 1, 1]
    assert (green.num_r, green.num_l) == (2, 3) or (green.num_r, green.num_l) == (3, 2)
    assert green.r.tolist() == [0, 1, 1]  # a·b = b and b·a = a: each can be read on into the other


def test_the_brandt_monoid():
    """B_2 with an identity, of (ab)*: 1, then two by two boxes, then 0."""
    green = greens_relations(syntactic_monoid(DFA.from_regex("(ab)*")))
    assert np.bincount(green.j).tolist() == [1, 4, 1]
    assert (green.num_r, green.num_l, green.num_h) == (4, 4, 6)


def test_piecewise_testable_and_not():
    assert greens_relations(syntactic_monoid(DFA.from_regex(".*a.*b.*", "ab"))).is_j_trivial
    starts_with_a = greens_relations(syntactic_monoid(DFA.from_regex("a.*", "ab")))
    assert starts_with_a.is_r_trivial and not starts_with_a.is_l_trivial and not starts_with_a.is_j_trivial
    ends_in_a = greens_relations(syntactic_monoid(DFA.from_regex(".*a", "ab")))
    assert ends_in_a.is_l_trivial and not ends_in_a.is_r_trivial


def test_a_class_that_is_not_regular():
    green = greens_relations(syntactic_monoid(DFA.from_regex("a", "a")))  # 1, a, aa = 0
    assert green.regular_classes.tolist() == [True, False, True]


def test_strong_components_of_random_graphs():
    rng = np.random.default_rng(0)
    for num_nodes, degree in itertools.product((1, 2, 3, 10, 40), (0, 1, 2, 3)):
        successors = rng.integers(0, num_nodes, (num_nodes, degree))
        reaches = np.eye(num_nodes, dtype=bool)
        for _ in range(num_nodes):
            for column in successors.T:
                reaches |= reaches[column]
        components = strong_components(successors)
        assert ((components[:, None] == components) == (reaches & reaches.T)).all()
        assert (components[successors] <= components[:, None]).all()
        assert sorted(set(components.tolist())) == list(range(components.max() + 1))


def test_a_path_longer_than_any_recursion():
    successors = np.minimum(np.arange(1, 50_001), 49_999)[:, None]
    assert strong_components(successors).tolist() == list(range(49_999, -1, -1))


def test_more_classes_than_the_order_is_held_of(monkeypatch):
    monkeypatch.setattr(green_file, "MAX_CLASSES", 5)
    states = np.arange(8)
    assert greens_relations(transition_monoid(np.minimum(states[:5] + 1, 4)[None])).covers.shape == (4, 2)
    line = greens_relations(transition_monoid(np.minimum(states + 1, 7)[None]))
    with pytest.raises(ValueError, match=r"J is 8 \(at most 5\); use below"):
        _ = line.covers
    assert line.below(6).tolist() == [False] * 6 + [True, True]
