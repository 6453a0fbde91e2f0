"""The groups in a language: those that its syntactic monoid contains, and in how many steps they are taken apart.

Shapes: n order of a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lrnn.automata import Group, maximal_subgroups
from lrnn.automata.group_identity import GroupIdentity, identify
from lrnn.automata.group_structure import derived_series, span
from lrnn.explain.subject import Subject

MOST_NAMED = 200
"""Order up to which a group is named."""


@dataclass(frozen=True)
class Groups:
    """The nontrivial groups in a language.

    Arguments:
        found: one of each isomorphism class that was met; every simple group that divides the syntactic monoid divides
            one of them.
        identities: their names and numbers, in the same order.
    """

    found: tuple[Group, ...]
    identities: tuple[GroupIdentity, ...]

    @property
    def solvable(self) -> bool:
        """Are all of them?"""
        return all(identity.solvable for identity in self.identities)

    @property
    def two_groups(self) -> bool:
        """Are the orders of all of them powers of 2?"""
        return all(identity.order & (identity.order - 1) == 0 for identity in self.identities)


def groups_of(subject: Subject) -> Groups | None:
    """The groups in a language, from its monoid, or else from its cascade; None if neither is known."""
    if subject.is_group:
        candidates = [] if subject.units is None else [subject.units[0]]
        if subject.units is None:
            return None
    elif (monoid := subject.monoid) is not None:
        try:
            candidates = [entry.group for entry in maximal_subgroups(monoid, subject.green)]
        except ValueError:  # a subgroup of more elements than a Group may have
            return None
    elif subject.cascade is not None:
        try:
            candidates = [part.group for level in subject.cascade.levels for part in level.components]
        except ValueError:
            return None
    else:
        return None
    found: dict[GroupIdentity, Group] = {}
    for group in {group.table.tobytes(): group for group in candidates if group.order > 1}.values():
        found.setdefault(named(group), group)
    return Groups(tuple(found.values()), tuple(found))


def named(group: Group) -> GroupIdentity:
    """Which group it is; above order 200 it keeps the name it came with."""
    if group.order <= MOST_NAMED:
        return identify(group)
    series = derived_series(group)
    solvable = int(series[-1].sum()) == 1
    name = group.name if not group.name.startswith("<") else f"a group of order {group.order}"
    length = len(series) - 1 if solvable else None
    return GroupIdentity(name, group.order, group.abelian, solvable, length, int(np.lcm.reduce(group.orders)))


def steps_of_two(group: Group) -> int | None:
    """Factors of the shortest normal series with elementary abelian 2-groups as factors; None unless it is a 2-group.

    Each step goes to the subgroup of the squares, which contains the commutators.

    >>> [steps_of_two(Group(name)) for name in ("Z2xZ2", "Z4", "D4", "S3")]
    [1, 2, 2, None]
    """
    steps = 0
    while group.order > 1:
        squares = span(group, np.unique(group.table.diagonal()))
        if squares.all():
            return None
        group, steps = group.subgroup(squares), steps + 1
    return steps


def abelian_steps(group: Group) -> int | None:
    """The derived length; None unless the group is solvable."""
    series = derived_series(group)
    return len(series) - 1 if int(series[-1].sum()) == 1 else None
