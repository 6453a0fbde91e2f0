"""The groups inside a monoid: one for each J-class that holds an idempotent.

Shapes: P states that a group permutes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.green import Green, greens_relations
from lrnn.automata.group import MAX_ORDER, Group
from lrnn.automata.monoid import Monoid


@dataclass(frozen=True, eq=False)
class MaximalSubgroup:
    """The H-class of an idempotent: a group under the product of the monoid, and contained in no larger one.

    All maximal subgroups of one J-class are isomorphic, so one stands for it.
    """

    j_class: int
    idempotent: int
    """The first idempotent e of the class; it is the identity of the group."""
    states: Int64[np.ndarray, "P"]
    """The image of e: the states that the group permutes. Point p of the group is state ``states[p]``."""
    group: Group


def maximal_subgroups(monoid: Monoid, green: Green | None = None) -> tuple[MaximalSubgroup, ...]:
    """One maximal subgroup for each regular J-class, in the order of the classes; many are trivial as a rule.

    Every group that divides the monoid divides one of them. An element of the H-class of e permutes the image of e, and
    is known by how it does.

    Arguments:
        monoid: as made by :func:`lrnn.automata.transition_monoid`.
        green: its Green's relations if they are at hand.

    Raises ValueError if a subgroup has more than 5,040 elements.

    >>> from lrnn.automata import maximal_subgroups, transition_monoid
    >>> full = transition_monoid([[1, 2, 0], [1, 0, 2], [0, 0, 2]])  # all maps of three states
    >>> [(subgroup.states.tolist(), subgroup.group.order) for subgroup in maximal_subgroups(full)]
    [([0, 1, 2], 6), ([0, 2], 2), ([0], 1)]
    """
    green = green or greens_relations(monoid)
    _, first = np.unique(green.j[green.idempotents], return_index=True)  # the classes come in order
    by_class = np.argsort(green.h, kind="stable")
    ends = np.searchsorted(green.h[by_class], np.arange(green.num_h + 1))
    groups: dict[tuple[int, bytes], Group] = {}  # most are alike
    found = []
    for e in green.idempotents[first].tolist():
        h = green.h[e]
        inside = by_class[ends[h] : ends[h + 1]]
        if len(inside) > MAX_ORDER:
            raise ValueError(
                f"a maximal subgroup of the monoid has {len(inside):,} elements; the most is {MAX_ORDER:,} "
                "(the table of a group is n × n)"
            )
        states = np.unique(monoid.elements[e]).astype(np.int64)
        permutations = _sorted(np.searchsorted(states, monoid.elements[np.ix_(inside, states)]))
        key = len(states), permutations.tobytes()
        if key not in groups:
            groups[key] = Group.generated(permutations)
        found.append(MaximalSubgroup(int(green.j[e]), e, states, groups[key]))
    return tuple(found)


def _sorted(rows: Int[np.ndarray, "n P"]) -> Int[np.ndarray, "n P"]:
    return rows[np.lexsort(rows.T[::-1])]
