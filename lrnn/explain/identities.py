"""Which identities a syntactic monoid satisfies, and by which words it fails.

x·y is x first, then y. Shapes: M elements · A letters of the alphabet · E idempotents.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.monoid import Monoid
from lrnn.explain.subject import Subject


def index_and_period(states: Int[np.ndarray, "Q"]) -> tuple[int, int]:
    """The smallest i ≥ 0 and p ≥ 1 such that the map does the same i times as i + p times.

    >>> index_and_period(np.array([1, 2, 0])), index_and_period(np.array([1, 2, 2]))
    ((0, 3), (2, 1))
    """
    seen: dict[bytes, int] = {}
    power, count = np.arange(len(states), dtype=states.dtype), 0
    while power.tobytes() not in seen:
        seen[power.tobytes()] = count
        power, count = states[power], count + 1
    index = seen[power.tobytes()]
    return index, count - index


def against_counting(subject: Subject, m: int | None) -> str | None:
    """How the monoid fails to be one of the last letters and of counts mod m since then; None if it does not fail.

    These are the languages of one diagonal layer: for all letters a, b and words y

    - aᵐ·a = a, and aᵐ·y·a = y·a: of a letter that comes again only the count mod m matters;
    - a·b·t = b·a·t for every t in which both a and b occur: the order of letters that come again does not.

    Arguments:
        subject: what is explained; its monoid must be known, or the letters alone must fail.
        m: 1, 2, or None for any.

    Raises ValueError if the letters pass and the monoid is not known.
    """
    for a in range(len(subject.alphabet)):
        index, period = index_and_period(subject.machine.delta[:, a])
        letter = subject.letter(a)
        if index > 1:
            return (
                f"{_power(letter, index)} and {_power(letter, index - 1)} differ, so how many {letter} in a row matters"
            )
        if m is not None and m % period:
            return f"{letter} acts with period {period}, and one layer counts {'mod 2' if m == 2 else 'nothing'}"
    monoid = subject.monoid
    if monoid is None:
        raise ValueError(subject.unknown)
    return _against_repetition(subject, monoid) or _against_exchange(subject, monoid)


def _power(letter: str, count: int) -> str:
    return "·".join([letter] * count) if count < 4 else f"{letter}^{count}"


def _against_repetition(subject: Subject, monoid: Monoid) -> str | None:
    """A failure of aᵐ·y·a = y·a."""
    for a in range(len(subject.alphabet)):
        _, period = index_and_period(subject.machine.delta[:, a])
        ends = np.unique(monoid.right[:, a])
        started = ends
        for _ in range(period):
            started = monoid.left[started, a]
        if (wrong := ends[started != ends]).size:
            word, letter = monoid.word(int(wrong[0])), subject.letter(a)
            longer = subject.spell((letter,) * period + word)
            return f"{longer} and {subject.spell(word)} differ, though {letter} comes again"
    return None


def _against_exchange(subject: Subject, monoid: Monoid) -> str | None:
    """A failure of a·b·t = b·a·t for a t in which both occur."""
    after = [_right_ideal(monoid, np.unique(monoid.right[:, a])) for a in range(len(subject.alphabet))]
    for a in range(len(subject.alphabet)):
        for b in range(a):
            ends = np.unique(np.concatenate([monoid.right[after[a], b], monoid.right[after[b], a]]))
            first, second = monoid.left[monoid.left[ends, b], a], monoid.left[monoid.left[ends, a], b]
            if (wrong := ends[first != second]).size:
                word = monoid.word(int(wrong[0]))
                pair = (subject.letter(a), subject.letter(b))
                return (
                    f"{subject.spell(pair + word)} and {subject.spell(pair[::-1] + word)} differ, though {pair[0]} and "
                    f"{pair[1]} both come again"
                )
    return None


def _right_ideal(monoid: Monoid, elements: Int64[np.ndarray, "_"]) -> Int64[np.ndarray, "_"]:
    """All products of the elements with anything on their right."""
    reached = np.zeros(monoid.num_elements, dtype=bool)
    front = elements
    while front.size:
        reached[front] = True
        products = np.unique(monoid.right[front])
        front = products[~reached[products]]
    return np.flatnonzero(reached)


def against_commuting_projections(subject: Subject) -> str | None:
    """Words whose idempotent powers e and f have e·f·e ≠ f·e; None if there are none.

    Raises ValueError if the monoid is not known and its shortest words do not fail.
    """
    if subject.is_group:
        return None
    monoid = subject.monoid
    if monoid is None:
        found = _colliding(*_powers_of_short_words(subject))
        if found is None:
            raise ValueError(subject.unknown)
        e, f = found
        return f"e·f·e and f·e differ for the idempotent powers e of {e} and f of {f}"
    if monoid.idempotents_right_regular:
        return None
    words = [subject.spell(monoid.word(int(x))) for x in monoid.idempotents]
    found = _colliding(monoid.elements[monoid.idempotents].astype(np.int64), words)
    assert found is not None
    e, f = found
    return f"e·f·e and f·e differ for the idempotents e = {e} and f = {f}"


def _colliding(maps: Int64[np.ndarray, "E Q"], words: list[str]) -> tuple[str, str] | None:
    """The words of the first e, f with e·f·e ≠ f·e."""
    for e, word in zip(maps, words):
        then = e[maps]  # f first, then e
        wrong = np.flatnonzero((then[:, e] != then).any(1))
        if wrong.size:
            return word, words[wrong[0]]
    return None


def _powers_of_short_words(subject: Subject, count: int = 500) -> tuple[Int64[np.ndarray, "E Q"], list[str]]:
    """The idempotent powers of some of the shortest words."""
    delta = subject.machine.delta
    found: dict[bytes, tuple[np.ndarray, tuple[str, ...]]] = {}
    front = [(np.arange(len(delta)), ())]
    while front and len(found) < count:
        longer = []
        for states, word in front:
            for a, letter in enumerate(subject.alphabet):
                maps = delta[states, a]
                if maps.tobytes() not in found and len(found) < count:
                    found[maps.tobytes()] = (maps, (*word, letter))
                    longer.append(found[maps.tobytes()])
        front = longer
    powers = []
    for states, _ in found.values():
        index, period = index_and_period(states)
        exponent = max(1, math.ceil(index / period)) * period
        power = np.arange(len(states))
        for bit in f"{exponent:b}":
            power = power[power]
            power = states[power] if bit == "1" else power
        powers.append(power)
    return np.stack(powers), [subject.spell(word) for _, word in found.values()]
