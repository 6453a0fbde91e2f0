"""What a finite group is made of: its center, derived series, normal subgroups, and the simple groups in it.

A subgroup is a mask of the elements. Shapes: n order of the group.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Int64

from lrnn.automata.group import Group

SIMPLE = {
    60: "A5",
    168: "PSL(2,7)",
    360: "A6",
    504: "PSL(2,8)",
    660: "PSL(2,11)",
    1092: "PSL(2,13)",
    2448: "PSL(2,17)",
    2520: "A7",
    3420: "PSL(2,19)",
    4080: "PSL(2,16)",
}
"""The simple groups that are not cyclic, up to order 5,040: there is one of each of these orders, and no other."""


def center(group: Group) -> Bool[np.ndarray, "n"]:
    """The elements that commute with all.

    >>> from lrnn.automata import Group, center
    >>> [Group("D4").elements[z] for z in np.flatnonzero(center(Group("D4")))]
    ['r0', 'r2']
    """
    return (group.table == group.table.T).all(axis=1)


def derived_subgroup(group: Group) -> Bool[np.ndarray, "n"]:
    """The subgroup that the commutators g h g⁻¹ h⁻¹ generate: the smallest normal one with an abelian quotient.

    The conjugates of the commutators of some generators suffice: modulo these, the generators commute.
    """
    table, inverse = group.table, group.inverses
    generators: list[int] = []
    while not (members := span(group, generators)).all():
        generators.append(int(np.argmin(members)))
    commutators = {int(table[table[g, h], inverse[table[h, g]]]) for g, h in itertools.combinations(generators, 2)}
    return span(group, [x for commutator in sorted(commutators) for x in conjugates(group, commutator).tolist()])


def derived_series(group: Group) -> tuple[Bool[np.ndarray, "n"], ...]:
    """The group, its derived subgroup, that of this one, …, until it stays the same.

    The group is solvable if and only if the last is trivial.

    >>> from lrnn.automata import Group, derived_series
    >>> [int(members.sum()) for members in derived_series(Group("S4"))]
    [24, 12, 4, 1]
    >>> [int(members.sum()) for members in derived_series(Group("S5"))]
    [120, 60]
    """
    series = [np.ones(group.order, dtype=bool)]
    while True:
        inside = np.flatnonzero(series[-1])
        members = np.zeros(group.order, dtype=bool)
        members[inside[derived_subgroup(group.subgroup(series[-1]))]] = True
        if members.sum() == len(inside):
            return tuple(series)
        series.append(members)


def composition_factors(group: Group) -> tuple[str, ...]:
    """The simple groups that the group is made of, each as often as it occurs: cyclic ones first, by order.

    They do not depend on the series by which one comes to them (Jordan and Hölder).

    >>> from lrnn.automata import Group, composition_factors
    >>> composition_factors(Group("S4")), composition_factors(Group("S5xZ3"))
    (('Z2', 'Z2', 'Z2', 'Z3'), ('Z2', 'Z3', 'A5'))
    """
    cyclic, others = [], []
    parts = [group]
    while parts:
        part = parts.pop()
        perfect = derived_series(part)[-1]
        cyclic += prime_factors(part.order // int(perfect.sum()))  # a solvable group is made of cyclic ones
        if perfect.sum() > 1:
            rest = part.subgroup(perfect)
            smallest = min(normal_closures(rest), key=lambda members: members.sum())
            if smallest.all():
                others.append(rest.order)
            else:
                parts += [rest.subgroup(smallest), rest.quotient(smallest)]
    return tuple(f"Z{p}" for p in sorted(cyclic)) + tuple(SIMPLE[order] for order in sorted(others))


def exponent(group: Group) -> int:
    """Smallest m ≥ 1 such that every element, composed m times with itself, is the identity."""
    return math.lcm(*group.orders.tolist())


def span(group: Group, elements: Int[np.ndarray, "k"] | Sequence[int]) -> Bool[np.ndarray, "n"]:
    """The subgroup that the elements generate. Those that the ones before them generate cost nothing."""
    members = np.zeros(group.order, dtype=bool)
    members[0] = True
    generators: list[int] = []
    for element in elements:
        if members[element]:
            continue
        generators.append(int(element))
        front = np.flatnonzero(members)
        while front.size:
            products = np.unique(group.table[generators][:, front])
            front = products[~members[products]]
            members[front] = True
    return members


def generating_set(group: Group) -> list[int]:
    """A few elements that generate the group: each time the one that adds the most, of some of the highest orders."""
    chosen: list[int] = []
    members = span(group, chosen)
    while not members.all():
        outside = np.flatnonzero(~members)
        orders = group.orders[outside]
        tried = [g for order in np.unique(orders)[:-9:-1] for g in outside[orders == order][:8].tolist()]
        best = max(tried, key=lambda g: span(group, [*chosen, g]).sum())
        chosen.append(best)
        members = span(group, chosen)
    return chosen


def conjugates(group: Group, element: int) -> Int64[np.ndarray, "c"]:
    """The conjugacy class of an element: all g x g⁻¹."""
    return np.unique(group.table[group.table[:, element], group.inverses])


def normal_closures(group: Group) -> list[Bool[np.ndarray, "n"]]:
    """The smallest normal subgroup around each conjugacy class but that of the identity, without repetition.

    Every normal subgroup is a product of some of them.
    """
    waiting = np.ones(group.order, dtype=bool)
    waiting[0] = False
    found: dict[bytes, np.ndarray] = {}
    while waiting.any():
        members = conjugates(group, int(np.argmax(waiting)))
        waiting[members] = False
        closure = span(group, members)
        found[np.packbits(closure).tobytes()] = closure
    return list(found.values())


def prime_factors(number: int) -> list[int]:
    """In rising order, each as often as it divides.

    >>> prime_factors(60)
    [2, 2, 3, 5]
    """
    factors, p = [], 2
    while number > 1:
        while number % p == 0:
            factors.append(p)
            number //= p
        p += 1
    return factors
