"""The word problem of a group as a table: the state is the product of the letters so far.

Shapes: k letters · S elements that they generate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.group import Group


def word_problem(
    group: Group, elements: Int[np.ndarray, "k"] | Sequence[int]
) -> tuple[list[str], Int64[np.ndarray, "S k"], Int64[np.ndarray, "S"]]:
    """The names of the letters; the table, in which letter x leads from g to x ∘ g and state 0 is the identity; the
    element that each state is, in ascending order.

    Raises ValueError if a number is no element.
    """
    letters = np.array(elements, dtype=np.int64)
    if letters.size and (letters.min() < 0 or letters.max() >= group.order):
        raise ValueError(
            f"generators must be numbers of elements of {group.name}, 0 … {group.order - 1}, "
            f"got {letters.min()} … {letters.max()}"
        )
    reached = np.flatnonzero(group.span(letters))
    delta = np.searchsorted(reached, group.table[letters][:, reached].T)
    return [group.elements[x] for x in letters], delta, reached
