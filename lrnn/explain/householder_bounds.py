"""How many Householder factors per letter one layer needs: constructions from above, theorems from below.

Shapes: Q states · A letters of the alphabet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from lrnn.automata import Group
from lrnn.automata.group_structure import normal_closures
from lrnn.automata.permutations import rank_of
from lrnn.explain.diagonal import direct, one_diagonal_layer
from lrnn.explain.heads import MOST_ELEMENTS, heads
from lrnn.explain.householders import householder_realization, lower_bound_of_heads
from lrnn.explain.identities import against_commuting_projections, index_and_period
from lrnn.explain.parts import meet, quotients
from lrnn.explain.subject import Subject
from lrnn.explain.theorems import (
    COMMUTING_LETTERS,
    COMMUTING_PROJECTIONS,
    FOUR_DIMENSIONS,
    PARTIAL_PERMUTATIONS,
    PERMUTATION_OR_RESET,
    RANK_OF_A_LETTER,
    REFLECTIONS_OF_A_GROUP,
    SIDE_BY_SIDE,
    Theorem,
)
from lrnn.explain.verdict import Answer, refuted

MOST_OF_A_PART = 5_000
"""Elements of the monoid of a quotient above which it is not asked for a diagonal layer."""


@dataclass(frozen=True)
class Construction:
    """One layer of Householder products that recognizes the language."""

    num_householders: int
    width: int | None
    theorem: Theorem
    detail: str
    is_shipped: bool = False


@dataclass(frozen=True)
class Obstacle:
    """Fewer Householder factors per letter than ``at_least`` do not recognize the language in one layer."""

    at_least: int
    theorem: Theorem
    detail: str


@dataclass(frozen=True)
class HouseholderBounds:
    """What is known of the least n_h with eigenvalues in [-1, 1] and one layer.

    Arguments:
        constructions: those that are known, fewest factors first.
        obstacles: what forbids fewer, strongest first.
        never: why no number suffices, if so.
        unknown: why it is not known whether some number suffices, if so.
    """

    constructions: tuple[Construction, ...]
    obstacles: tuple[Obstacle, ...]
    never: Answer | None = None
    unknown: str = ""

    @property
    def lower(self) -> int:
        """No fewer factors suffice."""
        return max((obstacle.at_least for obstacle in self.obstacles), default=0)

    @property
    def upper(self) -> int | None:
        """So many factors suffice; None if no number is known to."""
        return self.constructions[0].num_householders if self.constructions else None


def householder_bounds(subject: Subject) -> HouseholderBounds:
    """All that the theorems say of one layer of Householder products with eigenvalues in [-1, 1]."""
    obstacles = sorted(_obstacles(subject), key=lambda found: -found.at_least)
    never, unknown = None, ""
    try:
        failure = against_commuting_projections(subject)
    except ValueError as error:
        failure, unknown = None, str(error)
    if failure is not None:
        return HouseholderBounds((), tuple(obstacles), refuted(COMMUTING_PROJECTIONS, failure))
    found = _constructions(subject)
    if not subject.is_group:
        found += _side_by_side(subject)
    found.sort(key=lambda made: (made.num_householders, made.width or 10**9))
    return HouseholderBounds(tuple(found), tuple(obstacles), never, unknown)


def _constructions(subject: Subject) -> list[Construction]:
    found = []
    permutes, resets = subject.permutes, subject.resets
    if direct(subject) or one_diagonal_layer(subject, 2).is_yes:
        detail = "a signed diagonal is one Householder factor per head, on a line"
        found.append(Construction(1, None, COMMUTING_LETTERS, detail, direct(subject)))
    if (permutes | resets).all():
        found += _of_permutations(subject)
    if (partial := _of_partial_permutations(subject)) is not None:
        found.append(partial)
    return found


def _side_by_side(subject: Subject) -> list[Construction]:
    """Quotients that together know the state, those of fewest factors first: any, and those that the compiler makes."""
    usable: list[tuple[Construction, np.ndarray]] = []
    for classes, machine in quotients(subject.machine):
        made = _constructions(Subject(machine, MOST_OF_A_PART, subject.max_seconds))
        for wanted in (False, True):
            if fitting := [one for one in made if one.is_shipped or not wanted]:
                usable.append((min(fitting, key=lambda one: one.num_householders), classes))
    found = []
    for wanted in (False, True):
        known = np.zeros(subject.machine.num_states, dtype=np.int64)
        parts = []
        for made, classes in sorted(usable, key=lambda entry: (entry[0].num_householders, int(entry[1].max()))):
            finer = meet(known, classes)
            if (made.is_shipped or not wanted) and finer.max() > known.max():
                known = finer
                parts.append(made)
        if int(known.max()) + 1 == subject.machine.num_states:
            number = max(made.num_householders for made in parts)
            detail = f"{len(parts)} quotients of the machine side by side"
            found.append(Construction(number, None, SIDE_BY_SIDE, detail, wanted))
    return found


def _of_permutations(subject: Subject) -> list[Construction]:
    """Every letter permutes the states or resets them."""
    delta, num_states = subject.machine.delta, subject.machine.num_states
    tail = "" if subject.is_group else ", and resets"
    rank = rank_of(delta[:, subject.permutes])
    detail = f"permutations of the {num_states} states{tail}"
    found = [Construction(max(1, rank), num_states, PERMUTATION_OR_RESET, detail, True)]
    if subject.units is None or not subject.permutes.any():
        return found
    group, letters = subject.units
    if subject.word_problem is not None:
        points = group.permutations.shape[1]
        most = rank_of(group.permutations[letters].T)
        detail = f"permutations of {points} points, one head for each"
        found.append(Construction(max(1, most), points * points, PERMUTATION_OR_RESET, detail, True))
    if group.order <= MOST_ELEMENTS:
        realized = householder_realization(group, letters)
        cover = realized.cover.replace("reflections of ", "reflections of the Coxeter group ")
        detail = f"{realized.width} dimensions, {cover}{tail}"
        number = max(1, realized.num_householders)
        found.append(Construction(number, realized.width, REFLECTIONS_OF_A_GROUP, detail, subject.is_group))
    if (made := heads(group, letters)) is not None:
        degrees = " + ".join(map(str, made.degrees))
        detail = f"heads with real representations of degree {degrees}{tail}"
        number = max(1, made.num_householders)
        found.append(Construction(number, made.width, REFLECTIONS_OF_A_GROUP, detail))
    return found


def _of_partial_permutations(subject: Subject) -> Construction | None:
    """Every letter is constant, or injective on the states it does not send to one sink s, which it keeps."""
    delta, num_states = subject.machine.delta, subject.machine.num_states
    moving = np.flatnonzero(~subject.resets)
    for sink in range(num_states):
        if (delta[sink, moving] != sink).any():
            continue
        live = np.delete(np.arange(num_states), sink)
        ranks = [_rank_of_partial_permutation(delta[live, a], live, sink) for a in moving]
        if all(rank is not None for rank in ranks):
            most = max([1, *(rank for rank in ranks if rank is not None)])
            detail = f"partial permutations of {num_states - 1} states, the other one being the zero vector"
            return Construction(most, num_states - 1, PARTIAL_PERMUTATIONS, detail)
    return None


def _rank_of_partial_permutation(images: Int64[np.ndarray, "L"], live: Int64[np.ndarray, "L"], sink: int) -> int | None:
    """rank(A − I) of the matrix A of a partial permutation: closed into cycles, those that had a gap count one more.
    None if two states go to one."""
    kept = images[images != sink]
    if len(np.unique(kept)) < len(kept):
        return None
    number = {int(state): i for i, state in enumerate(live)}
    ends = np.flatnonzero(images == sink)
    starts = np.setdiff1d(np.arange(len(live)), [number[int(state)] for state in kept])
    closed = np.array([number.get(int(state), -1) for state in images])
    before = {int(image): i for i, image in enumerate(closed) if image >= 0}
    for end in ends:  # walk back to where the chain of this end begins, and close it there
        state = int(end)
        while state in before:
            state = before[state]
        closed[end] = state
    return rank_of(closed[:, None]) + len(starts)


def _obstacles(subject: Subject) -> list[Obstacle]:
    found = []
    delta = subject.machine.delta
    for a in range(len(subject.alphabet)):
        index, period = index_and_period(delta[:, a])
        letter = subject.letter(a)
        if index > 1:
            detail = f"the powers of {letter} repeat only from the {_ordinal(index)} on"
            found.append(Obstacle(index, RANK_OF_A_LETTER, detail))
        if period > 2:
            detail = f"{letter} acts with period {period}, and with one factor {letter} thrice is {letter} once"
            found.append(Obstacle(2, RANK_OF_A_LETTER, detail))
        if index == 0 and period > 1:
            found.append(Obstacle(1, REFLECTIONS_OF_A_GROUP, f"{letter} moves states"))
    if subject.units is not None and subject.units[0].order > 1:
        found += _obstacles_of_a_group(*subject.units)
    return found


def _obstacles_of_a_group(group: Group, letters: Int64[np.ndarray, "k"]) -> list[Obstacle]:
    """What is proved of layers with any number of heads.

    That letters of order 2 are no images of reflections is proved of one head. It holds of several if the group has
    only one minimal normal subgroup N, and N is not abelian: what the kernels of all heads have in common maps to 1,
    and commutators of elements of different kernels are in common; so the image of some kernel does not contain N, is
    trivial, and that head alone knows the group.
    """
    found = []
    bound = lower_bound_of_heads(group, letters)
    if bound.at_least > 2:
        found.append(Obstacle(bound.at_least, FOUR_DIMENSIONS, bound.theorem))
    if group.order <= MOST_ELEMENTS and (group.orders[letters] <= 2).all() and _has_one_root(group):
        realized = householder_realization(group, letters)
        if realized.lower_bound > 1:
            found.append(Obstacle(2, REFLECTIONS_OF_A_GROUP, realized.lower_bound_theorem))
    return found


def _has_one_root(group: Group) -> bool:
    """Is there one minimal normal subgroup, and is it not abelian?"""
    closures = [members for members in normal_closures(group) if members.sum() > 1]
    least = [one for one in closures if not any((other <= one).all() and (other != one).any() for other in closures)]
    inside = np.flatnonzero(least[0]) if len(least) == 1 else np.zeros(0, dtype=np.int64)
    products = group.table[np.ix_(inside, inside)]
    return bool(inside.size) and bool((products != products.T).any())


def _ordinal(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number if number < 20 else number % 10, 'th') }"
