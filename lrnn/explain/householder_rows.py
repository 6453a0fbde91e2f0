"""The rows of the Householder products. A gate, one number in [0, 1] per letter and head, is allowed: it resets."""

from __future__ import annotations

from lrnn.explain.diagonal import nonnegative_at_any_depth, one_diagonal_layer
from lrnn.explain.groups import Groups
from lrnn.explain.householder_bounds import Construction, HouseholderBounds
from lrnn.explain.layered import reflections_per_level
from lrnn.explain.subject import Subject
from lrnn.explain.theorems import (
    CASCADE,
    DIHEDRAL,
    FINITELY_MANY_LAYERS,
    FOUR_LAYERS,
    MODULAR_ADDITION,
    ONE_NONNEGATIVE_FACTOR,
)
from lrnn.explain.verdict import Answer, Verdict, proved, refuted, shipped, unknown

NONNEGATIVE = "Householder n_h = 1, [0, 1]"


def householder_rows(subject: Subject, groups: Groups | None, bounds: HouseholderBounds) -> tuple[Verdict, ...]:
    """n_h = 1 with eigenvalues in [0, 1], and n_h = 1, 2, … in [-1, 1] up to the least that is known to do it."""
    last = max(2, bounds.upper if bounds.upper is not None else bounds.lower)
    rows = [_nonnegative(subject, groups)]
    rows += [_signed(subject, groups, bounds, num_householders) for num_householders in range(1, last + 1)]
    return tuple(rows)


def signed(num_householders: int) -> str:
    """The name of a row."""
    return f"Householder n_h = {num_householders}, [-1, 1]"


def _nonnegative(subject: Subject, groups: Groups | None) -> Verdict:
    """Theorem 3: one factor with eigenvalues in [0, 1] does what one diagonal layer in [0, 1] does."""
    diagonal = one_diagonal_layer(subject, 1)
    one, several = diagonal, nonnegative_at_any_depth(subject, groups)
    if diagonal.is_yes:
        make = shipped if diagonal.verdict == "yes (construction shipped)" else proved
        one = several = make(ONE_NONNEGATIVE_FACTOR, diagonal.detail)
    elif diagonal.is_no:
        one = refuted(ONE_NONNEGATIVE_FACTOR, diagonal.detail)
    return Verdict(NONNEGATIVE, one, several, num_householders=1 if one.is_yes else None)


def _signed(subject: Subject, groups: Groups | None, bounds: HouseholderBounds, num_householders: int) -> Verdict:
    one, made = one_householder_layer(bounds, num_householders)
    several = one if one.is_yes else _several(subject, groups, num_householders)
    width = made.width if made is not None else None
    return Verdict(signed(num_householders), one, several, num_householders if made else None, width)


def one_householder_layer(bounds: HouseholderBounds, num_householders: int) -> tuple[Answer, Construction | None]:
    """One layer with so many factors in [-1, 1], and how; a shipped construction goes before a narrower one."""
    usable = [made for made in bounds.constructions if made.num_householders <= num_householders]
    if usable:
        made = min(usable, key=lambda made: (not made.is_shipped, made.width is None, made.width))
        make = shipped if made.is_shipped else proved
        return make(made.theorem, made.detail), made
    if bounds.never is not None:
        return bounds.never, None
    against = [obstacle for obstacle in bounds.obstacles if num_householders < obstacle.at_least]
    if against:
        plainest = min(against, key=lambda obstacle: obstacle.at_least)
        return refuted(plainest.theorem, plainest.detail), None
    if bounds.unknown:
        return unknown(bounds.unknown), None
    known = "no construction is known" if bounds.upper is None else f"n_h = {bounds.upper} suffices"
    return unknown(f"at least n_h = {max(1, bounds.lower)} is needed; {known}"), None


def _several(subject: Subject, groups: Groups | None, num_householders: int) -> Answer:
    if subject.is_group:
        return _several_of_a_group(groups, num_householders)
    if subject.cascade is not None and reflections_per_level(subject.cascade) <= num_householders:
        levels = len(subject.cascade.levels)
        return shipped(CASCADE, f"a cascade of {levels} levels of permutations and resets", levels)
    return proved(FINITELY_MANY_LAYERS, "with gates; the theorem gives no small number of layers", None)


def _several_of_a_group(groups: Groups | None, num_householders: int) -> Answer:
    if num_householders > 1:
        return proved(FOUR_LAYERS, "as in any group of permutations", 3)
    name = ""
    if groups is not None and groups.identities:
        identity = groups.identities[0]
        name = identity.name
        if identity.abelian and identity.exponent == identity.order:
            return shipped(MODULAR_ADDITION, f"{name} is cyclic", 2)
        if name == "S3" or (name.startswith("D") and name[1:].isdigit()):
            return proved(DIHEDRAL, f"{name} is dihedral", 2)
    return proved(FOUR_LAYERS, "as in any group of permutations", 4)
