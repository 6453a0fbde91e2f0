"""The rows of the structures beyond products of a few Householder factors: they mix more states at once."""

from __future__ import annotations

import numpy as np

from lrnn.automata import Group, character_table
from lrnn.explain.heads import MOST_ELEMENTS
from lrnn.explain.householder_bounds import HouseholderBounds
from lrnn.explain.householder_rows import one_householder_layer
from lrnn.explain.subject import Subject
from lrnn.explain.theorems import (
    EVERY_MAP,
    FINITELY_MANY_LAYERS,
    FOUR_DIMENSIONS,
    PLANE,
    RWKV7,
    SUBGROUPS_OF_SO3,
    SWAP_OR_COPY,
    THREE_LAYERS,
)
from lrnn.explain.verdict import Answer, Verdict, proved, refuted, shipped, unknown

RANK_ONE = "diagonal plus rank one, [-1, 1]"
SIGNED_HOUSEHOLDER = "signed diagonal × Householder"
PERMUTATION = "permutation-diagonal"
DENSE = "dense"


def mixed_rows(subject: Subject, bounds: HouseholderBounds) -> tuple[Verdict, ...]:
    """Diagonal plus rank one, signed diagonal × Householder, permutation-diagonal, and dense."""
    single, _ = one_householder_layer(bounds, 1)
    factor = _signed_householder(subject, bounds, single)
    rank_one = _rank_one(subject, single, factor)
    width = subject.machine.num_states
    every = shipped(EVERY_MAP, f"one column for each of the {width} states")
    return (
        Verdict(
            RANK_ONE,
            rank_one,
            rank_one if rank_one.is_yes else proved(RWKV7, "as any regular language", 4),
            width=width if rank_one.theorem is SWAP_OR_COPY else None,
        ),
        Verdict(SIGNED_HOUSEHOLDER, factor, factor if factor.is_yes else _several(subject)),
        Verdict(PERMUTATION, every, every, width=width),
        Verdict(DENSE, every, every, width=width),
    )


def _rank_one(subject: Subject, single: Answer, factor: Answer) -> Answer:
    """It contains one Householder factor and a signed diagonal times one, and is not bound to contract."""
    for answer, name in (
        (single, "one Householder factor"),
        (factor, "a signed diagonal times one Householder factor"),
    ):
        if answer.is_yes and answer.theorem is not None:
            return proved(answer.theorem, f"{name} is of this form: {answer.detail}")
    delta = subject.machine.delta
    if all(subject.resets[a] or _swaps_or_copies(delta[:, a]) for a in range(len(subject.alphabet))):
        return proved(SWAP_OR_COPY, "every letter exchanges two states, moves one onto another, or resets")
    return unknown("the matrices need not contract, so theorem 2 does not forbid it; no construction is known")


def _swaps_or_copies(states: np.ndarray) -> bool:
    """At most one state moves, or two change places."""
    moved = np.flatnonzero(states != np.arange(len(states)))
    return len(moved) <= 1 or (len(moved) == 2 and bool((states[moved] == moved[::-1]).all()))


def _signed_householder(subject: Subject, bounds: HouseholderBounds, single: Answer) -> Answer:
    """It contains one Householder factor, gated, and a signed diagonal, and it contracts."""
    if single.is_yes and single.theorem is not None:
        return proved(single.theorem, f"one Householder factor is of this form: {single.detail}")
    if bounds.never is not None:
        return bounds.never
    for obstacle in bounds.obstacles:
        if obstacle.theorem is FOUR_DIMENSIONS and obstacle.at_least == 4:  # proved of the squares of letters
            return refuted(FOUR_DIMENSIONS, obstacle.detail)
    if (subject.permutes | subject.resets).all() and subject.units is not None:
        group, _ = subject.units
        tail = "" if subject.is_group else ", and a diagonal of zeros resets"
        if group.order <= MOST_ELEMENTS and _tells_apart(group, rotations=False):
            return proved(PLANE, f"real representations of degree 1 and 2 tell the elements of the group apart{tail}")
        if group.order <= MOST_ELEMENTS and _tells_apart(group, rotations=True):
            return proved(SUBGROUPS_OF_SO3, f"rotations of the plane and of space tell its elements apart{tail}")
    if bounds.unknown:
        return unknown(bounds.unknown)
    return unknown("no construction is known, and no theorem forbids it")


def _tells_apart(group: Group, rotations: bool) -> bool:
    """Have the real representations of degree 1 and 2, one per head, and if asked those by the rotations of a
    tetrahedron, cube or icosahedron, only the identity in their kernels' intersection?"""
    table = character_table(group)
    heads = (table.degrees == 1) | ((table.degrees == 2) & (table.indicators == 1))
    trivial = np.array([counts[:, 0] == table.degrees for counts in table.multiplicities])  # [class, character]
    if rotations:
        orders = group.order // (table.sizes @ trivial)
        inversion = np.isclose(np.real(table.values), -3).any(1)
        heads |= (table.degrees == 3) & (table.indicators == 1) & np.isin(orders, (12, 24, 60)) & ~inversion
    return int(table.sizes @ trivial[:, heads].all(1)) == 1


def _several(subject: Subject) -> Answer:
    if subject.is_group:
        return proved(THREE_LAYERS, "as any finite group", 3)
    return proved(FINITELY_MANY_LAYERS, "it contains one gated Householder factor", None)
