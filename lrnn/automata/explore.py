"""The states that a start state leads to, numbered as they are met.

Shapes: Q states · A letters of the alphabet.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

import numpy as np
from jaxtyping import Int64

State = TypeVar("State", bound=Hashable)


def explored(
    start: State, after: Callable[[State], Iterable[State]], max_states: int, whose: str
) -> tuple[Int64[np.ndarray, "Q A"], list[State]]:
    """A breadth-first walk: the table, in which the start is state 0, and what each of its states stands for.

    Arguments:
        after: the states that follow a state, one for each letter.
        max_states: cap on the states.
        whose: what has the states, for the error.

    Raises ValueError above the cap.
    """
    numbers, states, rows = {start: 0}, [start], []
    for state in states:
        row = []
        for following in after(state):
            if following not in numbers:
                if len(states) >= max_states:
                    raise ValueError(f"{whose} has more than {max_states:,} states; raise max_states")
                numbers[following] = len(states)
                states.append(following)
            row.append(numbers[following])
        rows.append(row)
    return np.array(rows, dtype=np.int64), states
