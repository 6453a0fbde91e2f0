"""How many Householder factors a group needs when every head has its own representation.

Shapes: k letters · r irreducible characters · m order of an element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from lrnn.automata import CharacterTable, Group, character_table

MOST_ELEMENTS = 1000
"""Order of a group up to which its characters are made."""


@dataclass(frozen=True)
class Heads:
    """A layer for a group: one irreducible representation per head, up to a scalar for each letter.

    The scalars (signs, or complex numbers of modulus 1) only save factors. What they do to a word is known from the
    counts of its letters, which heads of their own keep: a letter is counted mod 2 by one reflection of a line, mod any
    m by two reflections of a plane.

    Arguments:
        num_householders: the factors that the hungriest letter needs in the hungriest head.
        degrees: of the representations that tell the elements apart, as real matrices.
        width: rows of the state, all heads together, with those that count.
    """

    num_householders: int
    degrees: tuple[int, ...]
    width: int


def heads(group: Group, letters: Int64[np.ndarray, "k"]) -> Heads | None:
    """The fewest factors per letter with which irreducible representations, one per head, tell all elements apart.

    None for a group of more elements than the characters are made for.

    >>> s5 = Group("S5")
    >>> [heads(s5, np.array([s5.element(g) for g in pair])).num_householders for pair in (("(1 2)",), ("(1 2 3 4 5)",))]
    [1, 4]
    """
    if group.order > MOST_ELEMENTS:
        return None
    table = character_table(group)
    costs = [_cost(table, i, letters) for i in range(len(table.degrees))]
    for least in sorted({cost for cost, _, _ in costs}):
        usable = [i for i, (cost, _, _) in enumerate(costs) if cost <= least]
        chosen = _faithful(table, sorted(usable, key=lambda i: (costs[i][1], costs[i][2])))
        if chosen is not None:
            degrees = tuple(costs[i][1] for i in chosen)
            return Heads(least, degrees, sum(degrees) + max((costs[i][2] for i in chosen), default=0))
    raise AssertionError("all characters together are faithful")


def _cost(table: CharacterTable, i: int, letters: np.ndarray) -> tuple[int, int, int]:
    """Of one representation: factors per letter, its degree as real matrices, and rows of the heads that count."""
    degree, real = int(table.degrees[i]), int(table.indicators[i]) == 1
    scale = 1 if real else 2
    plain = signed = turned = 0
    for letter in letters:
        counts = table.eigenvalues(i, letter)
        half = int(counts[len(counts) // 2]) if len(counts) % 2 == 0 else 0
        plain = max(plain, scale * (degree - int(counts[0])))
        signed = max(signed, scale * (degree - max(int(counts[0]), half)))
        turned = max(turned, 2, 2 * (degree - int(counts.max())))
    options = [(plain, scale * degree, 0), (max(signed, 1), scale * degree, len(letters))]
    options.append((turned, 2 * degree, 2 * len(letters)))
    return min(options)


def _faithful(table: CharacterTable, usable: list[int]) -> list[int] | None:
    """Some of these characters whose kernels have only the identity in common, the first ones that do, none of them to
    spare; None if all of them have more in common."""
    kernels = {i: np.array([int(counts[i, 0]) == table.degrees[i] for counts in table.multiplicities]) for i in usable}
    common = np.ones(len(table.sizes), dtype=bool)
    chosen = []
    for i in usable:
        if (common & ~kernels[i]).any():
            common &= kernels[i]
            chosen.append(i)
    if common.sum() > 1:
        return None
    for i in chosen[:]:
        rest = [j for j in chosen if j != i]
        if rest and np.all([kernels[j] for j in rest], axis=0).sum() == 1:
            chosen = rest
    return chosen
