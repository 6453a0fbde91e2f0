"""The rows of the diagonal structures."""

from __future__ import annotations

import numpy as np

from lrnn.explain.groups import Groups, abelian_steps, steps_of_two
from lrnn.explain.identities import against_counting, index_and_period
from lrnn.explain.layered import layers_by_series
from lrnn.explain.subject import Subject
from lrnn.explain.theorems import CASCADE, COMMUTING_LETTERS, PRIMES
from lrnn.explain.verdict import Answer, Verdict, proved, refuted, shipped, unknown

NONNEGATIVE, SIGNED, COMPLEX = "diagonal, [0, 1]", "diagonal, [-1, 1]", "complex diagonal"


def diagonal_rows(subject: Subject, groups: Groups | None) -> tuple[Verdict, ...]:
    """Diagonal with eigenvalues in [0, 1], in [-1, 1], and in the unit disk."""
    rows = []
    for structure, m in ((NONNEGATIVE, 1), (SIGNED, 2), (COMPLEX, None)):
        one = one_diagonal_layer(subject, m)
        several = one if one.is_yes else _several(subject, groups, m)
        rows.append(Verdict(structure, one, several, width=_channels(subject, m) if one.is_yes else None))
    return tuple(rows)


def one_diagonal_layer(subject: Subject, m: int | None) -> Answer:
    """Theorem 1: the last letter of every set of letters, and counts mod m since then."""
    if subject.is_group:
        return _one_layer_of_a_group(subject, m)
    try:
        failure = against_counting(subject, m)
    except ValueError as error:
        return unknown(str(error))
    if failure is not None:
        return refuted(COMMUTING_LETTERS, failure)
    detail = "last letters, and counts since then, decide"
    if direct(subject):
        make = proved if m is None else shipped  # the compiler's complex diagonals only turn
        return make(COMMUTING_LETTERS, "every letter keeps the state or resets it")
    return proved(COMMUTING_LETTERS, detail)


def direct(subject: Subject) -> bool:
    """Is every letter the identity on the states, or constant?"""
    delta = subject.machine.delta
    same = (delta == np.arange(len(delta))[:, None]).all(0)
    return bool((same | subject.resets).all())


def _one_layer_of_a_group(subject: Subject, m: int | None) -> Answer:
    """The same theorem for groups, without the monoid: its letters commute, and their orders divide m."""
    delta = subject.machine.delta
    for a in range(len(subject.alphabet)):
        _, order = index_and_period(delta[:, a])
        if m is not None and m % order:
            counted = "mod 2" if m == 2 else "nothing"
            return refuted(COMMUTING_LETTERS, f"{subject.letter(a)} has order {order}, and one layer counts {counted}")
    for a in range(len(subject.alphabet)):
        for b in range(a):
            if (delta[delta[:, a], b] != delta[delta[:, b], a]).any():
                pair = f"{subject.letter(b)} and {subject.letter(a)}"
                return refuted(COMMUTING_LETTERS, f"the letters {pair} do not commute")
    if m == 1:
        return shipped(COMMUTING_LETTERS, "no letter changes anything")
    counted = "counts mod 2" if m == 2 else "counts of the letters, each modulo its order,"
    return shipped(COMMUTING_LETTERS, f"the letters commute: {counted} decide")


def _channels(subject: Subject, m: int | None) -> int | None:
    """For an abelian group, the fewest characters that tell its elements apart; else not known."""
    if not subject.is_group or subject.units is None:
        return None
    if m == 1:
        return 1
    group = subject.units[0]
    most = 1
    for p in _prime_divisors(group.order):
        roots = int((group.orders == p).sum()) + 1  # the elements g with g^p = 1 are a vector space over Z_p
        most = max(most, round(np.log(roots) / np.log(p)))
    return most


def _prime_divisors(number: int) -> list[int]:
    return [p for p in range(2, number + 1) if number % p == 0 and all(p % q for q in range(2, p))]


def _several(subject: Subject, groups: Groups | None, m: int | None) -> Answer:
    if groups is None:
        return unknown(f"its groups are not known: {subject.unknown}")
    if m == 1 or (m == 2 and not groups.identities):
        return nonnegative_at_any_depth(subject, groups)
    if m == 2:
        return _by_series(subject, groups, groups.two_groups, steps_of_two, "is no 2-group")
    return _by_series(subject, groups, groups.solvable, abelian_steps, "is not solvable")


def nonnegative_at_any_depth(subject: Subject, groups: Groups | None) -> Answer:
    """Products of symmetric contractions with eigenvalues in [0, 1]: star-free languages, and no others."""
    if groups is None:
        return unknown(f"its groups are not known: {subject.unknown}")
    if groups.identities:
        return refuted(PRIMES, f"the language contains {groups.identities[0].name}: it is not star-free")
    layers = len(subject.cascade.levels) if subject.cascade is not None else None
    if layers is None:
        return proved(CASCADE, "star-free: a cascade of resets", None)
    return shipped(CASCADE, f"star-free: a cascade of {_levels(layers)} of resets", layers)


def _by_series(subject: Subject, groups: Groups, possible: bool, steps, fault: str) -> Answer:
    if not possible:
        wrong = next(identity for group, identity in zip(groups.found, groups.identities) if steps(group) is None)
        return refuted(PRIMES, f"the language contains {wrong.name}, which {fault}")
    layers = layers_by_series(subject, steps)
    if subject.is_group:
        return proved(CASCADE, f"a normal series of {groups.identities[0].name} with {layers} factors", layers)
    return proved(CASCADE, "groups and resets, one after the other", layers)


def _levels(count: int) -> str:
    return "1 level" if count == 1 else f"{count} levels"
