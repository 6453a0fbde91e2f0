"""How many layers a cascade takes, one theorem for all structures.

Shapes: Z actions · n coordinates of a level.
"""

from __future__ import annotations

from collections.abc import Callable

from lrnn.automata import Cascade, Group, Level
from lrnn.automata.permutations import is_permutation, rank_of
from lrnn.explain.subject import Subject


def layers_by_series(subject: Subject, steps: Callable[[Group], int | None]) -> int | None:
    """Layers of a structure that does resets, and groups whose factors it takes apart in ``steps``; None if unknown.

    A group language takes as many as its group. Else a level of the cascade whose letters permute its coordinates or
    reset them is the group on its own, which takes its steps, and after it a level of resets: the state is g(p) for the
    group's coordinate g and a point p, a permutation moves g alone, and a reset to c sets p to g⁻¹(c).
    """
    if subject.is_group:
        return steps(subject.units[0]) if subject.units is not None else None
    if subject.cascade is None:
        return None
    total = 0
    for level in subject.cascade.levels:
        try:
            counts = [steps(part.group) for part in level.components if not part.is_trivial]
        except ValueError:  # more elements than a Group may have
            return None
        if any(count is None for count in counts):
            return None
        total += max((count for count in counts if count is not None), default=0) + _has_resets(level)
    return total


def reflections_per_level(cascade: Cascade) -> int:
    """Householder factors per letter with which every level of a cascade is one layer: the largest rank of a
    permutation in it, and at least 1."""
    return max([1, *(rank_of(level.actions.T) for level in cascade.levels)])


def _has_resets(level: Level) -> bool:
    return not is_permutation(level.actions.T).all()
