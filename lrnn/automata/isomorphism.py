"""Are two groups the same but for the names of their elements?

Shapes: n order of the groups.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from lrnn.automata.characters import conjugacy_classes
from lrnn.automata.group import Group
from lrnn.automata.group_structure import generating_set, prime_factors

MAX_ROWS = 512
"""Up to this order colors are also refined by whole rows of the table."""


def isomorphic(group: Group, other: Group) -> bool:
    """Is there a one-to-one map between the groups that keeps products? Decided exactly.

    >>> from lrnn.automata import Group, isomorphic
    >>> isomorphic(Group("D3"), Group("S3")), isomorphic(Group("D4"), Group("Z2xZ4"))
    (True, False)
    """
    return isomorphism(group, other) is not None


def isomorphism(group: Group, other: Group) -> Int64[np.ndarray, "n"] | None:
    """An isomorphism as the image of each element, or None if there is none.

    Elements get colors that every isomorphism keeps; if the groups have the same number of each, the images of a
    few generators are searched for among the elements of their colors. A choice is followed only as long as it makes an
    isomorphism of the subgroups generated so far.
    """
    if group.order != other.order:
        return None
    colors = _colors(group, other)
    if colors is None:
        return None
    stages = _stages(group, generating_set(group))
    # Images of the first generator that are conjugate are as good as each other.
    classes = conjugacy_classes(other)
    first_of_class = np.unique(classes, return_index=True)[1]
    images = np.zeros(0, dtype=np.int64)

    def search(depth: int, images: list[int], current: np.ndarray) -> np.ndarray | None:
        if depth == len(stages):
            return current
        candidates = np.flatnonzero(colors[1] == colors[0][stages[depth].generators[-1]])
        if depth == 0:
            candidates = np.intersect1d(candidates, first_of_class)
        for candidate in candidates.tolist():
            chosen = [*images, candidate]
            extended = _extended(group, other, stages[depth], np.array(chosen), colors)
            if extended is not None and (found := search(depth + 1, chosen, extended)) is not None:
                return found
        return None

    return search(0, [], images if stages else np.zeros(1, dtype=np.int64))


class _Stage(NamedTuple):
    """The subgroup of the first generators, and how its elements are reached: child = generators[by] ∘ parent."""

    generators: list[int]
    members: np.ndarray
    levels: list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # (child, by, parent) for all words of one length


def _stages(group: Group, generators: list[int]) -> list[_Stage]:
    stages = []
    for count in range(1, len(generators) + 1):
        some = generators[:count]
        reached = np.zeros(group.order, dtype=bool)
        reached[0] = True
        front, levels = np.array([0]), []
        while front.size:
            products = group.table[some][:, front]
            children, where = np.unique(products, return_index=True)
            children, where = children[~reached[children]], where[~reached[children]]
            reached[children] = True
            by, parent = np.divmod(where, len(front))
            levels.append((children, by, front[parent]))
            front = children
        stages.append(_Stage(some, np.flatnonzero(reached), levels))
    return stages


def _extended(
    group: Group,
    other: Group,
    stage: _Stage,
    images: Int64[np.ndarray, "k"],
    colors: tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]],
) -> Int64[np.ndarray, "n"] | None:
    """The map of the subgroup that sends the generators to ``images``, if it is an isomorphism that keeps colors."""
    image = np.zeros(group.order, dtype=np.int64)
    for children, by, parents in stage.levels:
        image[children] = other.table[images[by], image[parents]]
        if (colors[1][image[children]] != colors[0][children]).any():
            return None
    inside = image[stage.members]
    if len(np.unique(inside)) < len(inside):
        return None
    # A map that agrees with multiplication by the generators agrees with all products.
    for generator, target in zip(stage.generators, images):
        if (image[group.table[generator, stage.members]] != other.table[target, inside]).any():
            return None
    return image


def _colors(group: Group, other: Group) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"]] | None:
    """A color for each element of both, kept by every isomorphism; None if the colors already tell the groups apart."""
    both = group, other
    primes = sorted(set(prime_factors(group.order)))
    powers = [[_power(one, p) for p in primes] for one in both]
    columns = []
    for one, maps in zip(both, powers):
        classes = conjugacy_classes(one)
        roots = [np.bincount(power, minlength=one.order) for power in maps]
        columns.append(np.stack([one.orders, np.bincount(classes)[classes], *roots], axis=1))
    colors, count = _numbered(columns), 0
    while count < (count := len(np.unique(colors))):
        if (np.sort(colors[0]) != np.sort(colors[1])).any():
            return None
        signatures = [np.stack([part, *(part[power] for power in maps)], axis=1) for part, maps in zip(colors, powers)]
        if group.order <= MAX_ROWS:
            for i, (one, part) in enumerate(zip(both, colors)):
                pairs = np.sort(part * count + part[one.table], axis=1)
                signatures[i] = np.concatenate([signatures[i], pairs], axis=1)
        colors = _numbered(signatures)
    return colors[0], colors[1]


def _numbered(signatures: list[np.ndarray]) -> np.ndarray:
    """One number for each different row of both tables: [2, n]."""
    rows = np.ascontiguousarray(np.concatenate(signatures), dtype=np.int64)
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    return np.unique(keys, return_inverse=True)[1].reshape(2, -1)


def _power(group: Group, exponent: int) -> Int64[np.ndarray, "n"]:
    """gᵐ for every g."""
    power = np.zeros(group.order, dtype=np.int64)
    every = np.arange(group.order)
    for _ in range(exponent):
        power = group.table[every, power]
    return power
