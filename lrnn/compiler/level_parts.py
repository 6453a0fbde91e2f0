"""The levels of a cascade, each as parts that the heads of one mixer can run.

Shapes: n coordinates · Z actions · k elements of the level's group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lrnn.automata import Cascade, Level
from lrnn.compiler.parts import Part, is_constant, parts

MAX_UNROLLED = 4096
"""No level is unrolled to more coordinates than this."""

Fits = Callable[[np.ndarray], bool]
"""May a part have this table?"""


def level_parts(cascade: Cascade, fits: Fits) -> list[tuple[Level, tuple[Part, ...]]] | Level:
    """Every level with its parts; or the first level that has none that fit."""
    found = []
    for level in cascade.levels:
        made = _parts_of(level, fits) or _unrolled_parts(level, fits)
        if made is None:
            return level
        found.append(made)
    return found


def _parts_of(level: Level, fits: Fits) -> tuple[Level, tuple[Part, ...]] | None:
    found = parts(np.ascontiguousarray(level.actions.T), level.start, fits)
    return None if found is None else (level, found)


def _unrolled_parts(level: Level, fits: Fits) -> tuple[Level, tuple[Part, ...]] | None:
    """The parts of a level whose coordinate c is written as (r, g): the coordinate r of the last reset (of the start)
    and the permutation g since then, with g(r) = c. Resets alone move r, and g is a group of its own."""
    table = np.ascontiguousarray(level.actions.T)  # [n, Z]
    resets = is_constant(table)
    elements = _closure(level.actions[~resets], level.num_states)
    if elements is None:
        return None
    n, k = level.num_states, len(elements)
    number = {tuple(element): i for i, element in enumerate(elements.tolist())}
    after = np.zeros((n * k, len(resets)), dtype=np.int64)  # coordinate r·k + g
    for action, reset in enumerate(resets):
        if reset:
            after[:, action] = table[0, action] * k
        else:
            moved = [number[tuple(row)] for row in level.actions[action][elements].tolist()]
            after[:, action] = (np.arange(n)[:, None] * k + np.array(moved)).ravel()
    coordinate = elements.T.ravel()  # [n, k]: g(r)
    views = (np.repeat(np.arange(n), k), np.tile(np.arange(k), n))
    found = parts(after, level.start * k, fits, views)
    if found is None:
        return None
    unrolled = replace(
        level,
        actions=np.ascontiguousarray(after.T),
        next_context=level.next_context[:, coordinate],
        start=level.start * k,
    )
    return unrolled, found


def _closure(generators: np.ndarray, size: int) -> np.ndarray | None:
    """All products of permutations, the identity first; None if there are too many."""
    found = {tuple(range(size)): None}
    front = list(found)
    while front:
        element = np.array(front.pop())
        for generator in generators:
            product = tuple(generator[element].tolist())
            if product not in found:
                found[product] = None
                front.append(product)
        if len(found) * size > MAX_UNROLLED:
            return None
    return np.array(list(found))
