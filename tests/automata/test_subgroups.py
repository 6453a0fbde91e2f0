"""The groups inside monoids: against the largest group around each idempotent, and monoids whose groups are known."""

import math

import numpy as np
import pytest

from lrnn.automata import DFA, Group, greens_relations, maximal_subgroups, syntactic_monoid, transition_monoid
from tests.automata.maps import each, full


@each
def test_each_is_the_largest_group_around_its_idempotent(maps):
    monoid = transition_monoid(maps)
    green = greens_relations(monoid)
    every = range(monoid.num_elements)
    times = [[monoid.product(x, y) for y in every] for x in every]
    subgroups = maximal_subgroups(monoid)
    assert [subgroup.j_class for subgroup in subgroups] == np.flatnonzero(green.regular_classes).tolist()
    for subgroup in subgroups:
        e = subgroup.idempotent
        assert times[e][e] == e
        assert subgroup.states.tolist() == sorted(set(monoid.elements[e].tolist()))
        local = [x for x in every if times[e][x] == x == times[x][e]]
        units = [x for x in local if any(times[x][y] == e == times[y][x] for y in local)]
        rows = [[subgroup.states.tolist().index(monoid.elements[x][q]) for q in subgroup.states] for x in units]
        assert sorted(rows) == sorted(subgroup.group.permutations.tolist())


def test_full_transformation_monoids_hold_the_symmetric_groups():
    subgroups = maximal_subgroups(transition_monoid(full(5)))
    assert [subgroup.group.order for subgroup in subgroups] == [math.factorial(k) for k in (5, 4, 3, 2, 1)]
    assert [len(subgroup.states) for subgroup in subgroups] == [5, 4, 3, 2, 1]


def test_the_groups_of_a_group_and_of_star_free_and_other_languages():
    (whole,) = maximal_subgroups(transition_monoid(Group("A4").permutations))
    assert whole.group.order == 12
    assert {subgroup.group.order for subgroup in maximal_subgroups(syntactic_monoid(DFA.from_regex("(ab)*")))} == {1}
    monoid = syntactic_monoid(DFA.from_regex("(aa)*b"))
    green = greens_relations(monoid)
    assert sorted(subgroup.group.order for subgroup in maximal_subgroups(monoid, green)) == [1, 1, 2]


def test_equal_groups_are_made_once():
    subgroups = maximal_subgroups(transition_monoid([[0, 0], [1, 1]]))
    many = maximal_subgroups(syntactic_monoid(DFA.from_regex(".*a.*b.*a.*", "ab")))
    assert len(subgroups) == 2 and len(many) > 2
    assert len({id(subgroup.group) for subgroup in many if len(subgroup.states) == 1}) == 1


def test_a_subgroup_with_no_table():
    cycle, swap = [*range(1, 8), 0], [1, 0, *range(2, 8)]
    with pytest.raises(ValueError, match="has 40,320 elements; the most is 5,040"):
        maximal_subgroups(transition_monoid([cycle, swap]))
