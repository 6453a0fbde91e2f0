"""What n_h reflections per letter cannot do, because two such letters move few dimensions.

**Two letters in four dimensions.** Let every letter s be lifted to an orthogonal matrix M_s with rank(M_s − I) ≤ 2 (in
every head, if there are several), so that M_s ↦ s extends to a homomorphism of a finite group onto G. Let a and b be
conjugates of letters. Their lifts generate a finite group L that moves at most four dimensions of a head. If both turn
a plane, it lies in SO(4) = (S³ × S³)/{1, −1}; if one is a reflection, in O(3) = SO(3) × {1, −1}. A group inside a
product has no chief factors but those of its projections, and the finite subgroups of S³ are cyclic, binary dihedral,
and the binary tetrahedral, octahedral and icosahedral group. So every chief factor of ⟨a, b⟩, a quotient of L, is

- of prime order, every element acting on it as 1 or −1,
- or Z₂ × Z₂,
- or A₅, every element acting on it as one of A₅.

**The same plane.** Let moreover b be a conjugate of a and let ⟨a, b⟩ map onto A₅, with a and b to elements of order 5.
The map to A₅ is one of the two projections of L to SO(3) (in one of the heads), and a rotation of a plane by an angle
projects to a rotation by that angle. The lifts can be chosen conjugate, so the angles are the same up to sign, and the
images are conjugate in A₅.

**Three reflections.** If rank(M_s − I) ≤ 3, the square of M_s is the identity or turns one plane. So for n_h ≤ 3 the
two statements hold of conjugates a, b of *squares* of letters. With S₅ and a 5-cycle c, take b = g c² g⁻¹ with an odd g
that does not normalize ⟨c⟩: ⟨c², b⟩ is A₅, in which c² and b are not conjugate, so n_h ≥ 4.

Source: the last statement is theorem 22 of Siems et al. (ComplexKDA), arXiv 2609.24797; the proof above is ours. The
finite subgroups of S³: J. H. Conway and D. A. Smith, "On Quaternions and Octonions" (2003), chapters 3 and 4.

Shapes: n order of the group · k number of letters.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int, Int64

from lrnn.automata import Group

MAX_PAIRS = 24
"""Pairs of elements that are looked at, of different subgroups, larger ones first."""


def two_in_four_dimensions(group: Group, elements: Int[np.ndarray, "k"]) -> str | None:
    """Why these elements of the group cannot all be lifted to ranks of at most 2; None if nothing is found.

    Looks at pairs of conjugates of them and at no more than ``MAX_PAIRS``, so None proves nothing.
    """
    for a, b, span in _pairs(group, np.unique(elements[elements > 0])):
        names = f"⟨{group.elements[a]}, {group.elements[b]}⟩"
        pair = Group.generated(group.permutations[[a, b]])
        a_, b_ = (_row(pair.permutations, group.permutations[x]) for x in (a, b))
        for below, above in chief_series(pair):
            if (reason := _forbidden(pair, below, above)) is not None:
                return f"{names} of order {int(span.sum())} has a chief factor {reason}"
            if _size(below, above) == 60 and _conjugate(group, a, b) and _in_two_classes(pair, a_, b_, below, above):
                return f"{names} maps onto A5, where two conjugate elements of order 5 come to turn by different angles"
    return None


def chief_series(group: Group) -> list[tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "n"]]]:
    """Normal subgroups 1 = N_0 < N_1 < … < N_l = G with no normal subgroup between two neighbors, as those pairs.

    >>> [int(above.sum()) for _, above in chief_series(Group("S4"))]
    [4, 12, 24]
    """
    below = np.zeros(group.order, dtype=bool)
    below[0] = True
    series = []
    while not below.all():
        closures, rest = [], ~below
        while rest.any():
            element = int(np.argmax(rest))
            class_ = np.unique(group.table[group.table[:, element], group.inverses])
            rest[class_] = False
            closures.append(group.span(np.concatenate([np.flatnonzero(below), class_])))
        above = min(closures, key=lambda closure: int(closure.sum()))
        series.append((below, above))
        below = above
    return series


def _pairs(group: Group, elements: np.ndarray) -> Iterator[tuple[int, int, Bool[np.ndarray, "n"]]]:
    """Conjugates a and b of the elements, one pair for each subgroup that they generate, larger ones first."""
    every, found = np.arange(group.order), {}
    classes = {}
    for element in elements:
        class_ = np.unique(group.table[group.table[every, element], group.inverses])
        classes.setdefault(int(class_[0]), (int(element), class_))
    rng = np.random.default_rng(0)
    for a, _ in classes.values():
        for _, class_ in classes.values():
            for b in rng.permutation(class_)[:MAX_PAIRS].tolist():
                span = group.span(np.array([a, b]))
                inside = np.flatnonzero(span)
                class_of_b = int(group.table[group.table[inside, b], group.inverses[inside]].min())
                found.setdefault((span.tobytes(), a, class_of_b), (a, b, span))
    yield from sorted(found.values(), key=lambda pair: -int(pair[2].sum()))[:MAX_PAIRS]


def _forbidden(group: Group, below: np.ndarray, above: np.ndarray) -> str | None:
    size = _size(below, above)
    action = group.order // int(_centralizer(group, below, above).sum())
    if size == 4 or all(size % d for d in range(2, size)):
        if size != 4 and action > 2:
            return f"of order {size} on which it acts in {action} ways, and not only by 1 and −1"
        return None
    if size != 60:
        return f"of order {size}, which no finite group of rotations in four dimensions has"
    return None if action == 60 else f"A5 on which it acts in {action} ways, as no rotations in four dimensions do"


def _size(below: np.ndarray, above: np.ndarray) -> int:
    return int(above.sum()) // int(below.sum())


def _centralizer(group: Group, below: np.ndarray, above: np.ndarray) -> Bool[np.ndarray, "n"]:
    """The elements whose commutators with ``above`` lie in ``below``."""
    x = np.flatnonzero(above & ~below)
    conjugates = group.table[group.table[:, x], group.inverses[:, None]]  # [g, x]: g x g⁻¹
    return np.all(below[group.table[conjugates, group.inverses[x]]], axis=1)


def _in_two_classes(group: Group, a: int, b: int, below: np.ndarray, above: np.ndarray) -> bool:
    """Do a and b go to elements of order 5 of A5 = G / centralizer that are not conjugate there?"""
    kernel = _centralizer(group, below, above)
    if kernel[a] or kernel[b] or not (kernel[_power(group, a, 5)] and kernel[_power(group, b, 5)]):
        return False
    conjugates = group.table[group.table[:, a], group.inverses]
    return not kernel[group.table[conjugates, group.inverses[b]]].any()


def _power(group: Group, element: int, exponent: int) -> int:
    power = 0
    for _ in range(exponent):
        power = int(group.table[element, power])
    return power


def _conjugate(group: Group, a: int, b: int) -> bool:
    return bool((group.table[group.table[:, a], group.inverses] == b).any())


def _row(rows: Int64[np.ndarray, "n P"], row: Int64[np.ndarray, "P"]) -> int:
    return int(np.flatnonzero((rows == row).all(1))[0])
