"""Tables of languages that are read from another end: mirrored words, and words with a part cut off.

Shapes: Q states of the language · R states of the language that is cut off · S states of the result · A letters.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata.explore import explored
from lrnn.automata.run import pair_table


def reversed_table(
    delta: Int64[np.ndarray, "Q A"], start: int, accepts_in: Bool[np.ndarray, "Q"], max_states: int
) -> tuple[Int64[np.ndarray, "S A"], list[int]]:
    """Table with start 0 and accepting states for the mirrored words. A state is the set of the states from which the
    letters so far, read backwards, lead to acceptance.

    Source: Brzozowski, "Canonical regular expressions and minimal state graphs for definite events", 1962: if all
    states of ``delta`` are reachable, the result is minimal, so that the cap is one on the states of the answer.
    """

    def after(states: bytes) -> list[bytes]:
        return [column.tobytes() for column in np.frombuffer(states, dtype=bool)[delta].T]

    table, sets = explored(accepts_in.tobytes(), after, max_states, "the automaton of the mirrored words")
    return table, [number for number, states in enumerate(sets) if states[start]]


def after_any(
    delta: Int64[np.ndarray, "Q A"],
    starts: Bool[np.ndarray, "Q"],
    accepts_in: Bool[np.ndarray, "Q"],
    max_states: int,
) -> tuple[Int64[np.ndarray, "S A"], list[int]]:
    """Table with start 0 and accepting states for the words that lead from any of ``starts`` to acceptance. A state is
    the set of the states that the letters so far may have led to."""

    def after(states: bytes) -> list[bytes]:
        sets = np.zeros((delta.shape[1], len(delta)), dtype=bool)
        np.put_along_axis(sets, delta[np.frombuffer(states, dtype=bool)].T, True, axis=1)
        return [row.tobytes() for row in sets]

    table, sets = explored(starts.tobytes(), after, max_states, "the automaton of the left quotient")
    held = np.frombuffer(b"".join(sets), dtype=bool).reshape(len(sets), -1)
    return table, np.flatnonzero((held & accepts_in).any(1)).tolist()


def ends_of(
    delta: Int64[np.ndarray, "Q A"], start: int, other: Int64[np.ndarray, "R A"], other_start: int, wanted: np.ndarray
) -> Bool[np.ndarray, "Q"]:
    """The states to which a word leads that leads ``other`` to one of its ``wanted`` [R] states."""
    _, pairs = pair_table(delta, other, start, other_start)
    ends = np.zeros(len(delta), dtype=bool)
    ends[pairs[wanted[pairs[:, 1]], 0]] = True
    return ends


def beginnings_of(
    delta: Int64[np.ndarray, "Q A"],
    accepts_in: Bool[np.ndarray, "Q"],
    other: Int64[np.ndarray, "R A"],
    other_start: int,
    wanted: np.ndarray,
) -> Bool[np.ndarray, "Q"]:
    """The states from which a word leads to acceptance that leads ``other`` to one of its ``wanted`` [R] states."""
    good = accepts_in[:, None] & wanted
    while True:
        more = good | np.stack([good[delta[:, a]][:, other[:, a]] for a in range(delta.shape[1])]).any(0)
        if (more == good).all():
            return good[:, other_start]
        good = more
