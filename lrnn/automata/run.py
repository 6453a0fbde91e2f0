"""Running a table: every state that many words go through, one letter of all of them at a time.

Shapes: B words · T letters · Q states · A letters of the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.explore import explored


def run_table(
    delta: Int64[np.ndarray, "Q A"], words: Int[np.ndarray, "B T"], start: int | Int[np.ndarray, "B"]
) -> Int64[np.ndarray, "B T"]:
    """The state after every prefix: s_t = delta[s_{t−1}, x_t], s_0 = start.

    The letters must be in [0, A); that is not checked here.
    """
    flat = np.ascontiguousarray(delta, dtype=np.int64).reshape(-1)
    states = np.array(words.T, dtype=np.int64, order="C")  # a copy, which becomes the states row by row
    state = np.broadcast_to(np.asarray(start, dtype=np.int64), words.shape[:1])
    for row in states:
        row += state * delta.shape[1]
        np.take(flat, row, out=row, mode="clip")  # "clip" spares a copy; nothing is out of range
        state = row
    return np.ascontiguousarray(states.T)


def reachable(delta: Int64[np.ndarray, "Q A"], start: int) -> np.ndarray:
    """Which states some word leads to, as a mask [Q]."""
    reached = np.zeros(len(delta), dtype=bool)
    reached[start] = True
    front = np.array([start])
    while front.size:
        after = np.unique(delta[front])
        front = after[~reached[after]]
        reached[front] = True
    return reached


def in_order_of_visit(delta: Int64[np.ndarray, "Q A"], start: int) -> Int64[np.ndarray, "R"]:
    """The R reachable states in the order of a breadth-first walk that tries the letters in turn."""
    order, seen = [start], {start}
    for state in order:
        for after in delta[state].tolist():
            if after not in seen:
                seen.add(after)
                order.append(after)
    return np.array(order, dtype=np.int64)


def moore(delta: Int64[np.ndarray, "Q A"], classes: Int[np.ndarray, "Q"]) -> Int64[np.ndarray, "Q"]:
    """The coarsest refinement of ``classes`` that every letter respects: states in one class accept the same words.

    Moore's algorithm: split by the classes of the successors until nothing splits.
    """
    classes = np.unique(classes, return_inverse=True)[1].astype(np.int64)
    count = int(classes.max()) + 1
    while True:
        for letter in range(delta.shape[1]):
            # One letter at a time keeps the codes below Q², far from overflow.
            classes = np.unique(classes * len(delta) + classes[delta[:, letter]], return_inverse=True)[1]
        if (refined := int(classes.max()) + 1) == count:
            return classes.astype(np.int64)
        count = refined


def pair_table(
    left: Int64[np.ndarray, "Q A"], right: Int64[np.ndarray, "R A"], left_start: int, right_start: int
) -> tuple[Int64[np.ndarray, "P A"], Int64[np.ndarray, "P 2"]]:
    """The table of both automata reading the same word, and the pair of states that each of its states is.

    Only pairs that some word reaches; state 0 is the pair of starts.
    """

    def after(pair: tuple[int, int]) -> Iterable[tuple[int, int]]:
        return zip(left[pair[0]].tolist(), right[pair[1]].tolist())

    most = len(left) * len(right)  # there are no more, so this is no cap
    table, pairs = explored((left_start, right_start), after, most, "the pair")
    return table, np.array(pairs, dtype=np.int64)
