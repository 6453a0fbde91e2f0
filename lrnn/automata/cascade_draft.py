"""Levels of a cascade while they are being made: what does not matter is still open.

Shapes: P contexts · n coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from lrnn.automata.cascade import Component, Level


@dataclass
class Draft:
    """A level whose contexts do not share actions yet.

    Arguments:
        actions: what each context does to each coordinate; −1 where it does not matter. A row is constant, or permutes
            the coordinates on which it is defined.
        next_context: as in :class:`Level`; −1 where context and coordinate never meet.
        start: the coordinate before the first letter.
        components: the groups, on disjoint points that cover the coordinates.
    """

    actions: Int64[np.ndarray, "P n"]
    next_context: Int64[np.ndarray, "P n"]
    start: int
    components: tuple[Component, ...]

    @classmethod
    def forgetful(cls, next_context: Int64[np.ndarray, "P"]) -> Draft:
        """A level of one coordinate, which only hands contexts down."""
        nothing = Component((0,), np.zeros((0, 1), dtype=np.int64))
        return cls(np.zeros((len(next_context), 1), dtype=np.int64), next_context[:, None], 0, (nothing,))


def finished(drafts: list[Draft]) -> tuple[Level, ...]:
    """The levels, with the identity wherever it does not matter."""
    levels = []
    for draft in drafts:
        filled = np.where(draft.actions < 0, np.arange(draft.actions.shape[1]), draft.actions)
        actions, action_of = np.unique(filled, axis=0, return_inverse=True)
        levels.append(Level(actions, action_of.reshape(-1), draft.next_context, draft.start, draft.components))
    return tuple(levels)


def renumbered(numbers: Int64[np.ndarray, "*shape"], new: Int64[np.ndarray, "_"]) -> Int64[np.ndarray, "*shape"]:
    """``new[number]`` for each number, and −1 where there is none (−1)."""
    return np.where(numbers < 0, -1, new[numbers])
