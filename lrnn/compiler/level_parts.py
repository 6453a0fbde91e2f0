"""The levels of a cascade, each as parts that the heads of one mixer can run.

Shapes: n coordinates · Z actions · P contexts · k elements of the level's group.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from lrnn.automata import Cascade, Level, decompose
from lrnn.automata.permutations import closure, is_constant
from lrnn.compiler.congruence import congruences, quotient
from lrnn.compiler.parts import Part, is_permutation_reset, parts
from lrnn.compiler.read import Target
from lrnn.types import NotRealizable

MAX_UNROLLED = 4096
"""No level is unrolled to more coordinates than this."""

Fits = Callable[[np.ndarray], bool]
"""May a part have this table?"""


def cascade_of(target: Target) -> Cascade:
    """The cascade of a machine, with labels at its end. Raises NotRealizable where it is too large to be found."""
    try:
        return decompose(target.machine, outputs="labels")
    except ValueError as error:
        raise NotRealizable(
            f"the cascade of {target.name} is too large: {error}; ask for structure='permutation_diagonal', which "
            "needs none"
        ) from None


def level_parts(cascade: Cascade, fits: Fits) -> list[tuple[Level, tuple[Part, ...]]] | Level:
    """Every level with its parts; or a level that has none that fit.

    A level without such parts becomes several, if it has a congruence whose classes move as they may: first one for the
    class, then what is left, the place within the class. So a counter modulo 4 becomes two modulo 2, the second of
    which moves when the first one turns over. If that fails too, it is tried on the unrolled level.
    """
    found: list[tuple[Level, tuple[Part, ...]]] = []
    for level in cascade.levels:
        made = _in_turn(level, fits)
        if made is None and (unrolled := _unrolled(level)) is not None:
            made = _in_turn(unrolled, fits)
        if made is None:
            return level
        found += made
    return found


def _in_turn(level: Level, fits: Fits) -> list[tuple[Level, tuple[Part, ...]]] | None:
    table = np.ascontiguousarray(level.actions.T)
    if (found := parts(table, level.start, fits)) is not None:
        return [(level, found)]
    choices = [classes for classes in congruences(table, level.start) if 0 < classes.max() < len(table) - 1]
    for classes in sorted(choices, key=lambda classes: -int(classes.max())):
        small = quotient(table, classes)
        if is_permutation_reset(small) and fits(small):
            above, below = _split(level, classes)
            first = parts(np.ascontiguousarray(above.actions.T), above.start, fits)
            if first is not None and (rest := _in_turn(below, fits)) is not None:
                return [(above, first), *rest]
    return None


def _split(level: Level, classes: Int64[np.ndarray, "n"]) -> tuple[Level, Level]:
    """A level for the class of the coordinate, and one for its place within the class.

    Classes that a permutation carries to each other are of one size; where others are larger, the places that are left
    over stay as they are.
    """
    count, size = int(classes.max()) + 1, int(np.bincount(classes).max())
    place = _places(level, classes)
    member = np.full((count, size), -1)
    member[classes, place] = np.arange(level.num_states)
    P, b = np.nonzero(((level.next_context[:, member] >= 0) & (member >= 0)).any(2))
    contexts = np.full((level.num_contexts, count), -1)
    contexts[P, b] = np.arange(len(P))
    moved = quotient(np.ascontiguousarray(level.actions.T), classes).T  # [Z, count]
    here = member[b]  # [contexts below, size]
    after = place[level.actions[level.action_of[P][:, None], here]]
    resets = (level.actions == level.actions[:, :1]).all(1)[level.action_of[P]]
    after = np.where(here >= 0, after, np.where(resets[:, None], after[:, :1], np.arange(size)))
    handed = np.where(here >= 0, level.next_context[P[:, None], here], -1)
    first = _level(moved[level.action_of], contexts, int(classes[level.start]))
    return first, _level(after, handed, int(place[level.start]))


def _places(level: Level, classes: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """A number for each coordinate within its class.

    It is carried from class to class by permutations, along a tree: then what an action does to the places is what some
    word does that keeps the first class, and no larger group appears than those words make.
    """
    permutations = level.actions[(np.sort(level.actions, axis=1) == np.arange(level.num_states)).all(1)]
    place = np.full(level.num_states, -1)
    for root in range(int(classes.max()) + 1):
        inside = np.flatnonzero(classes == root)
        if place[inside[0]] >= 0:
            continue
        place[inside] = np.arange(len(inside))
        front = [inside]
        for members in front:
            for after in permutations[:, members]:
                if place[after[0]] < 0:
                    place[after] = place[members]
                    front.append(after)
    return place


def _level(effects: Int64[np.ndarray, "P n"], next_context: Int64[np.ndarray, "P n"], start: int) -> Level:
    """A level from what each context does."""
    actions, action_of = np.unique(effects, axis=0, return_inverse=True)
    return Level(actions=actions, action_of=action_of.ravel(), next_context=next_context, start=start, components=())


def _unrolled(level: Level) -> Level | None:
    """The level with the coordinate c written as (r, g): the coordinate r of the last reset (of the start) and the
    permutation g since then, with g(r) = c. Resets alone move r, and g is a group of its own. None if it is too large.
    """
    table = np.ascontiguousarray(level.actions.T)  # [n, Z]
    resets = is_constant(table)
    n = level.num_states
    try:
        elements = closure(level.actions[~resets], MAX_UNROLLED // n)
    except ValueError:
        return None
    k = len(elements)
    number = {tuple(element): i for i, element in enumerate(elements.tolist())}
    after = np.zeros((len(resets), n * k), dtype=np.int64)  # coordinate r·k + g
    for action, reset in enumerate(resets):
        if reset:
            after[action] = table[0, action] * k
        else:
            moved = [number[tuple(row)] for row in level.actions[action][elements].tolist()]
            after[action] = (np.arange(n)[:, None] * k + np.array(moved)).ravel()
    coordinate = elements.T.ravel()  # [n, k]: g(r)
    return _level(after[level.action_of], level.next_context[:, coordinate], level.start * k)
