"""Centers, derived series, composition factors, subgroups, quotients: against the definitions, pair by pair."""

import numpy as np
import pytest

from lrnn.automata import Group, center, composition_factors, derived_series, derived_subgroup
from lrnn.automata.group_families import dicyclic
from lrnn.automata.group_structure import SIMPLE, exponent, generating_set, normal_closures, prime_factors, span
from tests.automata.presentations import matrices, semidirect

GROUPS = {
    **{name: Group(name) for name in ("Z1", "Z2", "Z12", "Z2xZ4", "S3", "D4", "D6", "A4", "S4", "S3xS3")},
    "Q8": dicyclic(2),
    "F20": semidirect(5, 2),
    "SL(2,3)": matrices(3, [[[1, 1], [0, 1]], [[1, 0], [1, 1]]]),
}
every_group = pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)


def closed(group, elements):
    """The subgroup they generate, by adding products until nothing is new."""
    found = {0, *elements}
    while more := {int(group.table[g, h]) for g in found for h in found} - found:
        found |= more
    return found


def commutator(group, g, h):
    return int(group.table[group.table[g, h], group.inverses[group.table[h, g]]])


@every_group
def test_center_and_derived_series(group):
    every = range(group.order)
    assert set(np.flatnonzero(center(group))) == {
        g for g in every if all(group.table[g, h] == group.table[h, g] for h in every)
    }
    expected = [set(every)]
    while (smaller := closed(group, {commutator(group, g, h) for g in expected[-1] for h in expected[-1]})) != expected[
        -1
    ]:
        expected.append(smaller)
    assert [set(np.flatnonzero(members)) for members in derived_series(group)] == expected
    assert set(np.flatnonzero(derived_subgroup(group))) == expected[min(1, len(expected) - 1)]


@every_group
def test_spans_generators_and_exponents(group):
    rng = np.random.default_rng(0)
    for count in (0, 1, 2):
        some = rng.integers(0, group.order, count).tolist()
        assert set(np.flatnonzero(span(group, some))) == closed(group, some)
    assert closed(group, generating_set(group)) == set(range(group.order))
    powers = [0] * group.order
    for m in range(1, group.order + 1):
        powers = [int(group.table[g, power]) for g, power in enumerate(powers)]
        if not any(powers):
            assert exponent(group) == m
            break


@every_group
def test_normal_closures(group):
    every = range(group.order)
    expected = {
        frozenset(closed(group, {int(group.table[group.table[g, x], group.inverses[g]]) for g in every}))
        for x in every
        if x
    }
    found = [frozenset(np.flatnonzero(members)) for members in normal_closures(group)]
    assert len(found) == len(expected) and set(found) == expected


@every_group
def test_subgroups_and_quotients(group):
    for members in normal_closures(group):
        inside = np.flatnonzero(members)
        part, top = group.subgroup(members), group.quotient(members)
        assert part.order * top.order == group.order
        assert [part.elements[0], top.elements[0]] == [group.elements[0], f"{group.elements[0]}N"]
        assert (inside[part.table] == group.table[np.ix_(inside, inside)]).all()
        assert (part.permutations == group.permutations[inside]).all()
        cosets = [frozenset(group.table[g, inside].tolist()) for g in range(group.order)]
        order = list(dict.fromkeys(cosets))
        for g in range(group.order):
            for h in range(group.order):
                assert (
                    order.index(cosets[group.table[g, h]]) == top.table[order.index(cosets[g]), order.index(cosets[h])]
                )


def test_composition_factors():
    assert composition_factors(Group("Z1")) == ()
    assert composition_factors(Group("Z12")) == ("Z2", "Z2", "Z3")
    assert composition_factors(Group("A5xA4")) == ("Z2", "Z2", "Z3", "A5")
    assert composition_factors(Group("A5xA5")) == ("A5", "A5")
    assert composition_factors(Group("S6")) == ("Z2", "A6")
    assert composition_factors(matrices(5, [[[1, 1], [0, 1]], [[1, 0], [1, 1]]])) == ("Z2", "A5")
    assert composition_factors(matrices(2, [[[1, 1, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]])) == (
        "PSL(2,7)",
    )


def test_orders_of_the_simple_groups():
    """|PSL(2, q)| = q(q² − 1)/gcd(2, q − 1), and PSL(2, 4) = PSL(2, 5) = A5, PSL(2, 9) = A6; |A7| = 2,520."""
    orders = {q: q * (q * q - 1) // (1 if q % 2 == 0 else 2) for q in (4, 5, 7, 8, 9, 11, 13, 16, 17, 19)}
    assert {*orders.values(), 2520} == set(SIMPLE)
    assert all(SIMPLE[order] == f"PSL(2,{q})" for q, order in orders.items() if q not in (4, 5, 9))


def test_prime_factors():
    assert [prime_factors(n) for n in (1, 2, 97, 5040)] == [[], [2], [97], [2, 2, 2, 2, 3, 3, 5, 7]]


def test_what_is_no_subgroup():
    s3 = Group("S3")
    two = np.isin(np.arange(6), [0, s3.element("(1 2)")])
    with pytest.raises(ValueError, match="gN = Ng does not hold"):
        s3.quotient(two)
    for wrong in (np.isin(np.arange(6), [0, 1, 2]), np.zeros(6, dtype=bool), np.isin(np.arange(6), [3, 4])):
        with pytest.raises(ValueError, match="members are no subgroup of S3"):
            s3.subgroup(wrong)
        with pytest.raises(ValueError, match="normal is no"):
            s3.quotient(wrong)
