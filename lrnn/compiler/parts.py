"""A machine taken apart into smaller ones side by side, each a permutation–reset automaton.

A permutation of n points is a product of n - (number of cycles) reflections along e_i - e_j; a counter modulo 60 would
need 59 of them, but beside each other counters modulo 3, 4 and 5 need only 4.

Shapes: n states · Z letters · m states of a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata.permutations import is_constant, is_permutation, rank_of
from lrnn.automata.run import in_order_of_visit
from lrnn.compiler.congruence import Classes, congruences, meet, quotient


@dataclass(frozen=True, eq=False)
class Part:
    """Several copies of one permutation–reset automaton, which start in different states."""

    table: Int64[np.ndarray, "m Z"]
    starts: tuple[int, ...]
    positions: tuple[Int64[np.ndarray, "n"], ...]
    """For each copy, the state of it that each state of the whole machine is."""

    @property
    def resets(self) -> Bool[np.ndarray, "Z"]:
        """Which letters send every state to one."""
        return is_constant(self.table)

    @property
    def rank(self) -> int:
        """Reflections that its permutations need, at most."""
        return rank_of(self.table)


def parts(
    table: Int64[np.ndarray, "n Z"],
    start: int,
    fits: Callable[[Int64[np.ndarray, "m Z"]], bool] = lambda table: True,
    views: Iterable[Classes] = (),
) -> tuple[Part, ...] | None:
    """Parts that together know the state, of least rank and then of few states; None if there are none.

    Arguments:
        fits: may a part have this table? Only permutation–reset automata are asked about.
        views: partitions of the states that are worth trying.
    """
    if len(table) == 1:
        return ()
    usable: dict[int, list[Classes]] = {}
    for classes in congruences(table, start, views):
        small = quotient(table, classes)
        if len(small) > 1 and is_permutation_reset(small) and fits(small):
            usable.setdefault(rank_of(small), []).append(classes)
    chosen: list[Classes] = []
    for rank in sorted(usable):
        chosen += usable[rank]
        if _discrete(chosen, len(table)):
            return _joined(table, start, _pruned(chosen, len(table)))
    return None


def is_permutation_reset(table: Int64[np.ndarray, "n Z"]) -> bool:
    """Does each letter permute the states or send all of them to one?"""
    return bool((is_constant(table) | is_permutation(table)).all())


def transpositions(permutation: Int64[np.ndarray, "n"]) -> list[tuple[int, int]]:
    """Exchanges of two points whose product, the first one first, is the permutation; n - (number of cycles) of them.

    >>> transpositions(np.array([1, 2, 0]))
    [(0, 1), (0, 2)]
    """
    found, seen = [], set()
    for first in range(len(permutation)):
        # (p_0 p_1 … p_k) = (p_0 p_k) … (p_0 p_2)(p_0 p_1): the rightmost acts first
        point = int(permutation[first])
        while first not in seen and point != first:
            found.append((first, point))
            seen.add(point)
            point = int(permutation[point])
        seen.add(first)
    return found


def _discrete(partitions: list[Classes], size: int) -> bool:
    return int(meet(partitions, size).max()) + 1 == size


def _pruned(partitions: list[Classes], size: int) -> list[Classes]:
    """As few and as small ones as still tell all states apart; the largest are the first to go."""
    kept = sorted(partitions, key=lambda classes: (-int(classes.max()), tuple(classes)))
    for classes in list(kept):
        if _discrete(rest := [other for other in kept if other is not classes], size):
            kept = rest
    return kept


def _joined(table: np.ndarray, start: int, partitions: list[Classes]) -> tuple[Part, ...]:
    """Parts whose tables are equal up to the numbers of states become copies of one."""
    found: list[Part] = []
    for classes in partitions:
        small = quotient(table, classes)
        canonical = in_order_of_visit(small, int(classes[start]))
        for number, part in enumerate(found):
            if (image := _embedding(small, canonical, part.table)) is not None:
                copy = image[classes]
                found[number] = Part(part.table, (*part.starts, int(copy[start])), (*part.positions, copy))
                break
        else:
            found.append(Part(small, (int(classes[start]),), (classes,)))
    return tuple(found)


def _embedding(small: np.ndarray, canonical: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """Which states of ``other`` those of ``small`` are, if the tables are the same."""
    if small.shape != other.shape or len(canonical) < len(small):
        return None
    for state in range(len(other)):
        order = in_order_of_visit(other, state)
        if len(order) == len(other):
            image = np.empty(len(small), dtype=np.int64)
            image[canonical] = order
            if (image[small] == other[image]).all():
                return image
    return None
