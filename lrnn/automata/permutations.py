"""Permutations of a few points: all that some of them generate, how those compose, and which letters are some.

Shapes: k permutations given · n permutations generated · P points; of a table, n states · Z letters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Int64

from lrnn.automata.generated_maps import keys


def checked(permutations: Int[np.ndarray, "k P"] | Sequence[Sequence[int]]) -> np.ndarray:
    """The rows as one array of int64. Raises ValueError naming the first row that is no permutation of 0 … P − 1."""
    try:
        rows: np.ndarray = np.array(permutations)
    except ValueError:
        rows = np.zeros(0)
    if rows.ndim != 2 or not rows.shape[1] or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(
            "permutations must be a table of integers with one row for each permutation and one column for each point; "
            f"got shape {rows.shape}, dtype {rows.dtype}"
        )
    wrong = np.flatnonzero((np.sort(rows, axis=1) != np.arange(rows.shape[1])).any(axis=1))
    if wrong.size:
        row = rows[wrong[0]].tolist()
        raise ValueError(f"permutations[{wrong[0]}] = {row} is no permutation of the points 0 … {rows.shape[1] - 1}")
    return rows.astype(np.int64)


def closure(permutations: Int64[np.ndarray, "k P"], max_order: int) -> Int64[np.ndarray, "n P"]:
    """All products of the given permutations, in lexicographic order, so the identity comes first.

    Raises ValueError if they are more than ``max_order``.
    """
    identity = np.arange(permutations.shape[1])[None]
    rows, generators = identity, identity[:0]
    known = set(keys(rows))
    for permutation, key in zip(permutations, keys(permutations)):
        if key in known:
            continue
        # Each of these at least doubles the group, so the loop below runs at most log2(max_order) times.
        generators = np.concatenate([generators, permutation[None]])
        front = rows
        while len(front):
            products = generators[:, front].reshape(-1, permutations.shape[1])
            fresh = {key: i for i, key in enumerate(keys(products)) if key not in known}
            known.update(fresh)
            front = products[list(fresh.values())]
            rows = np.concatenate([rows, front])
            if len(rows) > max_order:
                raise ValueError(f"the permutations generate more than {max_order:,} elements, the most (table: n × n)")
    return rows[np.lexsort(rows.T[::-1])]


def multiplication_table(
    rows: Int64[np.ndarray, "n P"],
) -> tuple[Int64[np.ndarray, "n n"], Int64[np.ndarray, "g"]]:
    """``table[g, h]`` = g ∘ h (h first) of a whole group of permutations, and the first elements that generate it.

    Row 0 must be the identity. The rows of the table are gathered from those of the generators: with g = s ∘ f,
    g ∘ h = s ∘ (f ∘ h).
    """
    number = {key: g for g, key in enumerate(keys(rows))}
    table = np.empty((len(rows), len(rows)), dtype=np.int64)
    table[0] = np.arange(len(rows))
    reached = np.zeros(len(rows), dtype=bool)
    reached[0] = True
    generators: list[int] = []
    after: list[np.ndarray] = []  # after[i][h] = generators[i] ∘ h
    order = [0]
    while len(order) < len(rows):
        generators.append(int(np.argmin(reached)))
        after.append(np.array([number[key] for key in keys(rows[generators[-1]][rows])]))
        order = [0]
        reached[:] = False
        reached[0] = True
        for f in order:
            for step in after:
                g = int(step[f])
                if not reached[g]:
                    reached[g] = True
                    table[g] = step[table[f]]
                    order.append(g)
    return table, np.array(generators, dtype=np.int64)


def rank_of(table: Int64[np.ndarray, "n Z"]) -> int:
    """Reflections that its permutations need, at most: a permutation of n states takes n - (number of cycles). Every
    column is a permutation or constant.

    >>> rank_of(np.array([[1, 2], [2, 2], [0, 2], [4, 2], [3, 2], [5, 2]]))
    3
    """
    permutations = table[:, ~is_constant(table)]  # one state has no permutation but the identity, which is constant
    least, power = np.broadcast_to(np.arange(len(table))[:, None], permutations.shape), permutations
    for _ in range(len(table).bit_length()):  # the least state of each cycle: after 1, 2, 4, … steps
        least = np.minimum(least, np.take_along_axis(least, power, axis=0))
        power = np.take_along_axis(power, power, axis=0)
    return int((least != np.arange(len(table))[:, None]).sum(0).max(initial=0))


def is_permutation(table: Int64[np.ndarray, "n Z"]) -> Bool[np.ndarray, "Z"]:
    """Which letters permute the states."""
    return (np.sort(table, axis=0) == np.arange(len(table))[:, None]).all(0)


def is_constant(table: Int64[np.ndarray, "n Z"]) -> Bool[np.ndarray, "Z"]:
    """Which letters send every state to one."""
    return (table == table[:1]).all(0)


def cycles(permutation: Sequence[int]) -> str:
    """Cycle notation on the points 1 … P, fixed points left out.

    >>> cycles([1, 0, 2, 4, 3])
    '(1 2)(4 5)'
    """
    seen, text = set(), ""
    for start in range(len(permutation)):
        cycle, point = [], start
        while point not in seen:
            seen.add(point)
            cycle.append(str(point + 1))
            point = permutation[point]
        text += f"({' '.join(cycle)})" if len(cycle) > 1 else ""
    return text or "()"
