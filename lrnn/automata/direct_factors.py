"""A group as a direct product of groups that are no direct products themselves.

The factors are unique up to isomorphism and order: R. Remak 1911, W. Krull 1925, O. Schmidt 1928.
Shapes: n order of the group.
"""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Bool

from lrnn.automata.group import Group
from lrnn.automata.group_structure import center, derived_subgroup, normal_closures, prime_factors, span

MAX_NORMAL = 3_000
"""Most normal subgroups that are looked at to split a group that is not abelian."""

SMALLEST = 6
"""Order of the smallest group that is not abelian."""


def direct_factors(group: Group) -> tuple[list[int], list[Group]]:
    """The factors that are cyclic of prime power order, by their orders, and those that are not abelian.

    Raises ValueError if the group has more than 3,000 normal subgroups when its cyclic factors are split off; no group
    of order ≤ 200 has.
    """
    if group.abelian:
        return prime_power_orders(group), []
    cyclic, rest = _without_cyclic_factors(group)
    return sorted(cyclic), _indecomposable(rest)


def prime_power_orders(group: Group) -> list[int]:
    """The orders q of the cyclic factors Z_q, q a prime power, of an abelian group, sorted.

    Of the elements of a product of Z_{pᵃ}, those whose order divides pᵏ number the product of p^min(a, k).
    """
    found = []
    for p in sorted(set(prime_factors(group.order))):
        smaller, factors, power = 1, [], p
        while (count := int((power % group.orders == 0).sum())) > smaller:
            factors.append(len(prime_factors(count // smaller)))  # how many are of order ≥ power
            smaller, power = count, power * p
        exact = np.array([*factors, 0])
        for k, number in enumerate(exact[:-1] - exact[1:], 1):
            found += [p**k] * int(number)
    return sorted(found)


def _without_cyclic_factors(group: Group) -> tuple[list[int], Group]:
    """Split off cyclic factors ⟨z⟩ until none is left.

    G = ⟨z⟩ × K needs z in the center and a map of G onto ⟨z⟩ that keeps z; it comes from one of G/G', hence, if z is of
    prime power order q, from the coordinate of order q in some, and then in any, basis of G/G'.
    """
    orders: list[int] = []
    while not group.abelian:
        derived = derived_subgroup(group)
        top = group.quotient(derived)
        coset = np.unique(group.table[:, np.flatnonzero(derived)].min(axis=1), return_inverse=True)[1]
        basis = _basis(top)
        for i, b in enumerate(basis):
            q = int(top.orders[b])
            kernel = span(top, [c for j, c in enumerate(basis) if j != i])[coset]
            p = prime_factors(q)[0]
            central = np.flatnonzero(center(group) & (group.orders == q))
            lowest = central.copy()  # z to the power q/p: in K if and only if ⟨z⟩ meets K
            for _ in range(q // p - 1):
                lowest = group.table[lowest, central]
            if (~kernel[lowest]).any():
                orders.append(q)
                group = group.subgroup(kernel)
                break
        else:
            return orders, group
    return orders + prime_power_orders(group), group.subgroup(np.arange(group.order) == 0)


def _basis(group: Group) -> list[int]:
    """Elements of prime power order whose cyclic groups make up an abelian group as a direct product."""
    basis: list[int] = []
    wanted = prime_power_orders(group)[::-1]
    # Of each prime, elements of the largest order first: then any one that meets the span trivially will do.
    members = span(group, [])
    for q in wanted:
        p = prime_factors(q)[0]
        for z in np.flatnonzero(group.orders == q).tolist():
            lowest = z
            for _ in range(q // p - 1):
                lowest = int(group.table[lowest, z])
            if not members[lowest]:
                basis.append(z)
                members = span(group, basis)
                break
    return basis


def _indecomposable(group: Group) -> list[Group]:
    """The factors of a group without cyclic direct factors: none of them is abelian."""
    if group.order == 1:
        return []
    if group.order < SMALLEST**2 or np.logical_and.reduce(normal_closures(group)).sum() > 1:
        return [group]  # in the second case no two normal subgroups are disjoint
    by_order: dict[int, list[np.ndarray]] = {}
    for members in normal_subgroups(group):
        by_order.setdefault(int(members.sum()), []).append(members)
    for order in sorted(by_order):
        if SMALLEST <= order and order * order <= group.order:
            for left, right in itertools.product(by_order[order], by_order.get(group.order // order, [])):
                if (left & right).sum() == 1:
                    return _indecomposable(group.subgroup(left)) + _indecomposable(group.subgroup(right))
    return [group]


def normal_subgroups(group: Group, abelian: bool = False, most: int = MAX_NORMAL) -> list[Bool[np.ndarray, "n"]]:
    """All normal subgroups but the trivial one, or only the abelian ones: products of the smallest around each class.

    Raises ValueError if there are more than ``most``.
    """
    atoms = [members for members in normal_closures(group) if not abelian or _commutes(group, members)]
    found = {np.packbits(members).tobytes(): members for members in atoms}
    for members in (queue := list(found.values())):
        for atom in atoms:
            if (atom <= members).all():
                continue
            product = np.zeros(group.order, dtype=bool)
            product[group.table[np.ix_(members, atom)]] = True
            key = np.packbits(product).tobytes()
            if key not in found and (not abelian or _commutes(group, product)):
                found[key] = product
                queue.append(product)
                if len(queue) > most:
                    raise ValueError(f"group {group.name} has more than {most:,} normal subgroups")
    return queue


def _commutes(group: Group, members: Bool[np.ndarray, "n"]) -> bool:
    part = group.table[np.ix_(members, members)]
    return bool((part == part.T).all())
