"""Which group is it: a name up to isomorphism, and the numbers that theorems ask for.

Shapes: n order of the group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from lrnn.automata.direct_factors import direct_factors, normal_subgroups
from lrnn.automata.group import Group
from lrnn.automata.group_families import named_groups
from lrnn.automata.group_structure import (
    SIMPLE,
    conjugates,
    derived_series,
    derived_subgroup,
    exponent,
    generating_set,
    normal_closures,
    prime_factors,
    span,
)
from lrnn.automata.isomorphism import isomorphic


@dataclass(frozen=True)
class GroupIdentity:
    """What :func:`identify` found; all but the name of some groups depends on the isomorphism class alone."""

    name: str
    order: int
    abelian: bool
    solvable: bool
    derived_length: int | None
    """Steps of the derived series down to the trivial group; None if it never gets there."""
    exponent: int
    """Smallest m ≥ 1 such that gᵐ is the identity for all g."""


def identify(group: Group) -> GroupIdentity:
    """A name for the group up to isomorphism, and its order, whether abelian or solvable, derived length and exponent.

    All numbers are exact, and isomorphic groups get the same name. These names belong to one group only:

    ====================================  ====================================================================
    ``Z12``, ``Z2xZ4``                    abelian: each number divides the next; the trivial group is ``Z1``
    ``S4``, ``A5``, ``D6``, ``SL(2,3)``   the families of :mod:`lrnn.automata.group_families`; ``S3``, never ``D3``
    ``PSL(2,7)``                          the simple groups of order ≤ 5,040
    ``Z7:Z3``, ``Z13:Z8[5]``              a cyclic group by one that acts on it: b a b⁻¹ = a^r. ``[r]`` is left out if
                                          there is but one such group, or but one where only the identity acts
                                          trivially. Of several forms the one with the largest first factor, then
                                          the smallest r. ``SD16`` is Z8:Z2[3], ``M16`` is Z8:Z2[5], and so on
    ``SL(2,3)xS3xZ2xZ4``, ``(Z7:Z3)xZ2``  products of these, of factors that are no products themselves: those that
                                          are not abelian by falling order, then the abelian part. Only groups that
                                          are dihedral as a whole go before that: ``D6``, which is S3xZ2
    ====================================  ====================================================================

    Any other group that is no product is described, as ``(Z3xZ3):Z3``, by a normal subgroup (the largest abelian one
    with a complement, or else the derived subgroup if it has one) and what acts on it; or, without a complement, as in
    ``Z2.S4``. Such a description can fit several groups; :func:`lrnn.automata.isomorphic` tells them apart.

    Up to order 200 every group gets a name or description. Larger ones may come out as ``group of order 4096``.

    >>> from lrnn.automata import Group, identify
    >>> identify(Group("S4"))
    GroupIdentity(name='S4', order=24, abelian=False, solvable=True, derived_length=3, exponent=12)
    >>> identify(Group("Z6xZ4")).name, identify(Group("S3xD4xZ5")).name, identify(Group("Z3xA5")).derived_length
    ('Z2xZ12', 'D4xS3xZ5', None)
    """
    series = derived_series(group)
    solvable = int(series[-1].sum()) == 1
    return GroupIdentity(
        name=_name(group),
        order=group.order,
        abelian=group.abelian,
        solvable=solvable,
        derived_length=len(series) - 1 if solvable else None,
        exponent=exponent(group),
    )


def _name(group: Group) -> str:
    if group.order % 4 == 0 and not group.abelian and (2 * group.orders == group.order).any():
        dihedral = Group(f"D{group.order // 2}")  # of these alone a name goes before splitting
        if isomorphic(group, dihedral):
            return dihedral.name
    try:
        cyclic, others = direct_factors(group)
    except ValueError:  # too many normal subgroups to know
        return f"group of order {group.order}"
    named = [name for _, name in sorted((-factor.order, _indecomposable_name(factor)) for factor in others)]
    parts = named + _invariant_factors(cyclic)
    return "x".join(_enclosed(name, ":.") for name in parts) if len(parts) > 1 else "".join(parts) or "Z1"


def _invariant_factors(prime_powers: list[int]) -> list[str]:
    """Cyclic groups of which each order divides the next: the largest power of every prime goes to the last."""
    by_prime: dict[int, list[int]] = {}
    for q in sorted(prime_powers, reverse=True):
        by_prime.setdefault(prime_factors(q)[0], []).append(q)
    count = max(map(len, by_prime.values()), default=0)
    orders = [math.prod(powers[i] for powers in by_prime.values() if i < len(powers)) for i in range(count)]
    return [f"Z{order}" for order in reversed(orders)]


def _indecomposable_name(group: Group) -> str:
    for name, candidate in named_groups(group.order, int(group.orders.max())):
        if isomorphic(group, candidate):
            return name
    if group.order in SIMPLE and len(normal_closures(group)) == 1:
        return SIMPLE[group.order]
    return _cyclic_by_cyclic(group) or _extension(group)


def _cyclic_by_cyclic(group: Group) -> str | None:
    """The name of ⟨a⟩ : ⟨b⟩ with b a b⁻¹ = a^r, ⟨a⟩ normal and disjoint from ⟨b⟩, if the group has such elements."""
    for m in sorted({int(order) for order in group.orders}, reverse=True):
        k = group.order // m
        if 1 < m < group.order and group.order % m == 0 and (powers := _actions(group, m, k)):
            r = min(powers)
            if k == 2 and m & (m - 1) == 0:  # r = −1 is dihedral
                return {m // 2 - 1: f"SD{2 * m}", m // 2 + 1: f"M{2 * m}"}[r]
            return f"Z{m}:Z{k}" if _is_only_action(m, k, r) else f"Z{m}:Z{k}[{r}]"
    return None


def _actions(group: Group, m: int, k: int) -> set[int]:
    """All r that occur for a of order m and b of order k as above."""
    found = set()
    done = np.zeros(group.order, dtype=bool)
    for a in np.flatnonzero(group.orders == m).tolist():
        if done[a]:
            continue
        powers = [0]
        while len(powers) < m:
            powers.append(int(group.table[a, powers[-1]]))
        exponent_of = np.full(group.order, -1)
        exponent_of[powers] = np.arange(m)
        done[powers] = True
        if (exponent_of[conjugates(group, a)] < 0).any():
            continue
        b = np.flatnonzero(group.orders == k)
        power = b
        for _ in range(k - 1):  # b, b², … b^(k−1) must all be outside
            b, power = b[exponent_of[power] < 0], power[exponent_of[power] < 0]
            power = group.table[power, b]
        found |= set(exponent_of[group.table[group.table[b, a], group.inverses[b]]].tolist())
    return found


def _is_only_action(m: int, k: int, r: int) -> bool:
    """Does ``Zm:Zk`` say enough? Groups of this form are the same if the powers of r are the same set."""
    sets = {frozenset(pow(s, e, m) for e in range(k)) for s in range(2, m) if math.gcd(s, m) == 1 and pow(s, k, m) == 1}
    faithful = [powers for powers in sets if len(powers) == k]
    return len(sets) == 1 or (len(faithful) == 1 and len({pow(r, e, m) for e in range(k)}) == k)


def _extension(group: Group) -> str:
    """A normal subgroup and its quotient, chosen in a way that does not depend on how the elements are numbered."""
    try:
        abelian = [members for members in normal_subgroups(group, abelian=True) if not members.all()]
    except ValueError:
        return f"group of order {group.order}"
    abelian.sort(key=lambda members: -members.sum())
    derived = [members for members in [derived_subgroup(group)] if not members.all()]
    for sign, normal in ((":", abelian), (":", derived), (".", abelian), (".", derived)):
        names: list[str] = []
        size = 0
        for members in normal:
            if names and members.sum() < size:
                break
            if sign == "." or _has_complement(group, members):
                size = members.sum()
                parts = _name(group.subgroup(members)), _name(group.quotient(members))
                names.append(sign.join(_enclosed(part, "x:.") for part in parts))
        if names:
            return min(names)
    return f"group of order {group.order}"


def _enclosed(name: str, signs: str) -> str:
    return f"({name})" if any(sign in name for sign in signs) else name


def _has_complement(group: Group, normal: Bool[np.ndarray, "n"]) -> bool:
    """Is there a subgroup that meets each coset of the normal subgroup in one element?

    There is if the orders are coprime (I. Schur, H. Zassenhaus). Else elements of the cosets that generate the quotient
    are tried, which must be of the same orders as these.
    """
    inside = np.flatnonzero(normal)
    top = group.quotient(normal)
    if math.gcd(len(inside), top.order) == 1:
        return True
    coset = np.unique(group.table[:, inside].min(axis=1), return_inverse=True)[1]
    generators = generating_set(top)

    def search(depth: int, chosen: list[int]) -> bool:
        if depth == len(generators):
            return True
        lifts = np.flatnonzero((coset == generators[depth]) & (group.orders == top.orders[generators[depth]]))
        if depth == 0:  # lifts that an element of the normal subgroup conjugates into each other are alike
            rows = group.table[group.table[np.ix_(inside, lifts)], group.inverses[inside][:, None]]
            lifts = np.unique(rows.min(axis=0))
        for lift in lifts.tolist():
            if (span(group, [*chosen, lift]) & normal).sum() == 1 and search(depth + 1, [*chosen, lift]):
                return True
        return False

    return search(0, [])
