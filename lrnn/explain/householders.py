"""The least number of Householder reflections per letter with which one layer tracks a group.

Shapes: k number of letters · d dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int, Int64

from lrnn.automata import Group
from lrnn.explain.four_dimensions import two_in_four_dimensions
from lrnn.explain.realization import Realization, ranks
from lrnn.explain.reflection_groups import reflection_lift
from lrnn.explain.twists import TwistSearch


class Bound(NamedTuple):
    """No fewer than ``at_least`` reflections, by ``theorem``."""

    at_least: int
    theorem: str


def min_householders(group: Group, generators: Int[np.ndarray, "k"] | Sequence[int]) -> int:
    """The least number n_h of reflections per letter with which one layer of one head tracks the letters' products.

    Raises ValueError if it is not known: then :func:`householder_realization` gives what is known, from below and
    above; and if the generators are no elements of the group.

    >>> s5 = Group("S5")
    >>> swap, five = s5.element("(1 2)"), s5.element("(1 2 3 4 5)")
    >>> min_householders(s5, [swap, s5.element("(2 3)")]), min_householders(s5, [swap, five])
    (1, 4)
    >>> min_householders(Group("A5"), range(60)), min_householders(Group("Z7"), [1])
    (2, 2)
    """
    made = householder_realization(group, generators)
    if not made.exact:
        raise ValueError(
            f"the least number of reflections for {group!r} with these generators is not known: at least "
            f"{made.lower_bound}, at most {made.num_householders}; see householder_realization"
        )
    return made.num_householders


def householder_realization(group: Group, generators: Int[np.ndarray, "k"] | Sequence[int]) -> Realization:
    """The matrices of fewest reflections per letter that we can find, and how few there can be at least.

    A one-layer network of one head whose transitions are products of n_h factors I − β k kᵀ/(kᵀk), β in [0, 2], and
    whose state takes finitely many values, tracks the products of the letters s if and only if there are a finite
    group H, a homomorphism of H onto the group of the letters, t_s in H that map to s, and an orthogonal representation
    ρ of H whose kernel maps to 1, with rank(ρ(t_s) − I) ≤ n_h for every s.

    From above, the least found among: reflections in a finite reflection group; direct sums of irreducible
    representations, each times a sign or phase per letter; and such sums for the parts of the alphabet that commute
    with each other, side by side. (If the letters fall into parts that commute, the least n_h of the whole is the
    largest among the parts.) Among equal n_h the smallest width found.

    From below, whichever theorem gives most:

    =====  =====================================================================================================
    n_h ≥  if
    =====  =====================================================================================================
    1      some letter is not the identity
    2      some letter has an order above 2 (one reflection has order 2); or the letters, all of order 2, are no
           images of reflections: see :func:`~lrnn.explain.reflection_groups.reflection_lift`
    3, 4   two letters do not fit in four dimensions: see :mod:`lrnn.explain.four_dimensions`
    =====  =====================================================================================================

    Arguments:
        group: the group of the letters, or one that contains it.
        generators: the letters, as element numbers; they need not generate the whole group.

    Raises ValueError if the generators are empty or no elements of the group, or the group of the letters has too many
    classes for its character table.

    Source: the equivalence generalizes theorem 3 of Grazzi et al., arXiv 2411.12537, and theorem 4 of Siems et al.,
    arXiv 2502.10297, from permutation and orthogonal groups to their quotients.

    >>> a5 = Group("A5")
    >>> householder_realization(a5, np.flatnonzero(a5.orders == 2))
    Realization(Group('A5'), num_householders=1, width=3, reflections of H3)
    """
    generators = _checked(group, generators)
    letters, where = np.unique(generators, return_inverse=True)
    moving = letters[letters > 0]
    if not moving.size:
        matrices = np.ones((len(generators), 1, 1))
        return Realization(group, generators, matrices, 0, "nothing moves", 0, "nothing to track")
    parts = components(group, moving)
    lower = lower_bound(group, moving)
    made = _least(group, parts, lower)
    matrices = np.tile(np.eye(made.matrices.shape[-1]), (len(letters), 1, 1))
    matrices[letters > 0] = made.matrices
    number = int(ranks(matrices).max())
    for level in range(lower.at_least, min(number, 4)):
        if (stronger := _stronger(group, parts, level)) is None:
            break
        lower = stronger
    return Realization(group, generators, matrices[where], number, made.cover, lower.at_least, lower.theorem)


def components(group: Group, letters: Int[np.ndarray, "k"]) -> list[Int64[np.ndarray, "_"]]:
    """The letters in parts that commute with each other and are as small as possible.

    >>> [part.tolist() for part in components(Group("S3xZ2"), np.array([1, 2, 4]))]
    [[1], [2, 4]]
    """
    products = group.table[np.ix_(letters, letters)]
    joined = products != products.T
    number = np.arange(len(letters))
    for _ in letters:
        number = np.minimum(number, np.where(joined, number[None, :], len(letters)).min(1))
    return [letters[number == first] for first in np.unique(number)]


def lower_bound(group: Group, letters: Int[np.ndarray, "k"]) -> Bound:
    """What the orders of the letters say; it holds for any number of heads."""
    letters = letters[letters > 0]
    if not letters.size:
        return Bound(0, "nothing to track")
    if (large := letters[group.orders[letters] > 2]).size:
        name = group.elements[large[0]]
        return Bound(2, f"one reflection has order 2, {name} has order {group.orders[large[0]]}")
    return Bound(1, "no reflection leaves everything in place, and some letter does not")


def lower_bound_of_heads(group: Group, generators: Int[np.ndarray, "k"] | Sequence[int]) -> Bound:
    """What we can prove of layers with any number of heads, in each of which a letter is n_h reflections.

    The theorems of :func:`householder_realization` that do not depend on the number of heads: those on the orders of
    the letters and those on four dimensions.

    >>> s5 = Group("S5")
    >>> lower_bound_of_heads(s5, [s5.element("(1 2)"), s5.element("(1 2 3 4 5)")]).at_least
    4
    """
    generators = _checked(group, generators)
    bound = lower_bound(group, generators)
    parts = components(group, np.unique(generators[generators > 0]))
    for level in (2, 3):
        if (stronger := _in_four_dimensions(group, parts, level)) is not None:
            bound = stronger
    return bound


class _Made(NamedTuple):
    matrices: Float64[np.ndarray, "k d d"]
    cover: str

    @property
    def price(self) -> tuple[int, int]:
        return int(ranks(self.matrices).max(initial=0)), self.matrices.shape[-1]


def _least(group: Group, parts: list[np.ndarray], lower: Bound) -> _Made:
    """The best of the whole alphabet at once and of its parts side by side."""
    letters = np.sort(np.concatenate(parts))
    whole = _of_part(group, letters, lower.at_least, reflections=len(parts) == 1)
    if len(parts) == 1 or (whole.price[0] == lower.at_least and len(parts) > 8):
        return whole
    beside = _side_by_side(letters, parts, [_of_part(group, part, 1, reflections=True) for part in parts])
    return min(whole, beside, key=lambda made: made.price)


def _of_part(group: Group, letters: np.ndarray, least: int, reflections: bool) -> _Made:
    if reflections and (group.orders[letters] == 2).all():
        if (lift := reflection_lift(group, letters)) is not None:
            return _Made(lift.matrices, f"reflections of {lift.name}")
    if len(letters) == 1:
        angle = 2 * np.pi / int(group.orders[letters[0]])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return _Made(rotation[None], "rotations of a plane")
    subgroup, numbers = _generated(group, letters)
    search = TwistSearch(subgroup, numbers)
    greedy = search.any()
    for number in range(max(1, least), greedy.num_householders + 1):
        if (twisted := search.best(number)) is not None:
            return _direct_sum(twisted.blocks, numbers)
    return _direct_sum(greedy.blocks, numbers)


def _generated(group: Group, letters: np.ndarray) -> tuple[Group, np.ndarray]:
    """The subgroup of the letters, and their numbers in it."""
    if group.span(letters).all():
        return group, letters
    subgroup = Group.generated(group.permutations[letters])
    number = {row.tobytes(): g for g, row in enumerate(subgroup.permutations)}
    return subgroup, np.array([number[group.permutations[letter].tobytes()] for letter in letters])


def _direct_sum(blocks: tuple, letters: np.ndarray) -> _Made:
    width = sum(block.width for block in blocks)
    matrices, start = np.zeros((len(letters), width, width)), 0
    for block in blocks:
        matrices[:, start : start + block.width, start : start + block.width] = block.matrices(letters)
        start += block.width
    degrees = " + ".join(str(block.width) for block in blocks)
    twist = " with signs or phases" if any(block.twisted for block in blocks) else ""
    return _Made(matrices, f"representation of degree {degrees}{twist}")


def _side_by_side(letters: np.ndarray, parts: list[np.ndarray], made: list[_Made]) -> _Made:
    width = sum(one.matrices.shape[-1] for one in made)
    matrices, start = np.tile(np.eye(width), (len(letters), 1, 1)), 0
    for part, one in zip(parts, made):
        end = start + one.matrices.shape[-1]
        matrices[np.searchsorted(letters, part), start:end, start:end] = one.matrices
        start = end
    covers = list(dict.fromkeys(one.cover for one in made))
    return _Made(matrices, "side by side: " + ", ".join(covers))


def _stronger(group: Group, parts: list[np.ndarray], level: int) -> Bound | None:
    """A proof that ``level`` reflections per letter are too few for one of the parts, if one is found."""
    if level == 1:
        for part in parts:
            if (group.orders[part] == 2).all() and reflection_lift(group, part) is None:
                return Bound(2, "the letters, of order 2, are no images of reflections of a finite reflection group")
        return None
    return _in_four_dimensions(group, parts, level)


def _in_four_dimensions(group: Group, parts: list[np.ndarray], level: int) -> Bound | None:
    """For ``level`` 2 of the letters and for 3 of their squares."""
    for part in parts:
        if len(part) == 1 or level not in (2, 3):
            continue
        elements = part if level == 2 else group.table[part, part]
        subgroup, _ = _generated(group, part)
        row = {group.permutations[g].tobytes(): g for g in elements}
        inside = np.flatnonzero([p.tobytes() in row for p in subgroup.permutations])
        if (reason := two_in_four_dimensions(subgroup, inside)) is not None:
            which = "two letters in four dimensions" if level == 2 else "two squares of letters in four dimensions"
            return Bound(level + 1, f"{which}: {reason}")
    return None


def _checked(group: Group, generators: Int[np.ndarray, "k"] | Sequence[int]) -> Int64[np.ndarray, "k"]:
    array = np.asarray(list(generators) if isinstance(generators, range) else generators)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu":
        raise ValueError(f"generators must be one or more element numbers; got {generators!r}")
    wrong = array[(array < 0) | (array >= group.order)]
    if wrong.size:
        raise ValueError(f"generators: {wrong[0]} is no element of {group!r}; legal: 0 … {group.order - 1}")
    return array.astype(np.int64)
