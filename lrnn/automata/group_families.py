"""Groups that are known by a name of their own, by order.

Shapes: P points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from lrnn.automata.group import Group


def named_groups(order: int, longest: int) -> Iterator[tuple[str, Group]]:
    """The groups of the families below that have this order, are not abelian, and, if dihedral or dicyclic, have
    elements of order ``longest`` and no higher. No two of them are isomorphic.

    ===============================  ===================  ==========================================
    ``Sn``, ``An``                   n!, n!/2             n ≥ 3 and n ≥ 4
    ``Dm``                           2m, m ≥ 4            m rotations and m reflections of a polygon
    ``Q8``, ``Q16``, … and ``Dicm``  4m, m ≥ 2            dicyclic: a^2m = 1, b² = a^m, b a b⁻¹ = a⁻¹
    ``D4oZ4``                        16                   the Pauli matrices: D4xZ4 with one center for both
    ``SL(2,q)``                      q(q² − 1)            q = 3, 5, 7, 11, 13 (4,896 for 17)
    ``GL(2,q)``                      q(q − 1)(q² − 1)     q = 3, 5, 7
    ``PGL(2,q)``                     q(q² − 1)            q = 7, 11, 13, 17
    ===============================  ===================  ==========================================
    """
    for n in range(3, 8):
        if order == math.factorial(n):
            yield f"S{n}", Group(f"S{n}")
        if 2 * order == math.factorial(n) and n > 3:
            yield f"A{n}", Group(f"A{n}")
    if order == 2 * longest and order >= 8:
        yield f"D{order // 2}", Group(f"D{order // 2}")
    if order == 2 * longest and order % 4 == 0 and order >= 8:
        yield (f"Q{order}" if order & (order - 1) == 0 else f"Dic{order // 4}"), dicyclic(order // 4)
    if order == 16:
        both = Group("D4xZ4")
        yield "D4oZ4", both.quotient(both.span(np.array([both.element("r2,2")])))
    for q in (3, 5, 7, 11, 13, 17):
        if order == q * (q * q - 1):
            yield f"SL(2,{q})", Group.generated(_on_vectors(q, [_UPPER, _LOWER]), f"SL(2,{q})")
            if q > 5:  # those of 3 and 5 are S4 and S5
                yield f"PGL(2,{q})", Group.generated(_on_lines(q, [_UPPER, _LOWER, _scale(q)]), f"PGL(2,{q})")
        if order == q * (q - 1) * (q * q - 1):
            yield f"GL(2,{q})", Group.generated(_on_vectors(q, [_UPPER, _LOWER, _scale(q)]), f"GL(2,{q})")


def dicyclic(m: int) -> Group:
    """The dicyclic group of order 4m on itself: aⁱ is point i, aⁱ b is point 2m + i."""
    i = np.arange(2 * m)
    # From the left: a · aⁱ bᶠ = aⁱ⁺¹ bᶠ; b · aⁱ = a⁻ⁱ b; b · aⁱ b = a⁻ⁱ b² = a^(m−i).
    turn = np.concatenate([(i + 1) % (2 * m), 2 * m + (i + 1) % (2 * m)])
    flip = np.concatenate([2 * m + -i % (2 * m), (m - i) % (2 * m)])
    return Group.generated(np.stack([turn, flip]), f"Q{4 * m}" if m & (m - 1) == 0 else f"Dic{m}")


_UPPER, _LOWER = ((1, 1), (0, 1)), ((1, 0), (1, 1))
_Matrix = tuple[tuple[int, int], tuple[int, int]]


def _scale(q: int) -> _Matrix:
    """The matrix diag(g, 1), where the powers of g are all numbers but 0 modulo the prime q."""
    root = next(g for g in range(2, q) if len({pow(g, e, q) for e in range(q - 1)}) == q - 1)
    return ((root, 0), (0, 1))


def _on_vectors(q: int, matrices: list[_Matrix]) -> Int64[np.ndarray, "k P"]:
    """What matrices do to the q² − 1 vectors (x, y) ≠ 0 modulo q."""
    vectors = [(x, y) for x, y in itertools.product(range(q), repeat=2) if x or y]
    return _action(vectors, matrices, lambda x, y: (x % q, y % q))


def _on_lines(q: int, matrices: list[_Matrix]) -> Int64[np.ndarray, "k P"]:
    """What matrices do to the q + 1 lines through 0 modulo q."""

    def line(x: int, y: int) -> tuple[int, int]:
        return (x * pow(y, -1, q) % q, 1) if y % q else (1, 0)

    return _action([(1, 0), *((x, 1) for x in range(q))], matrices, line)


def _action(points: list[tuple[int, int]], matrices: list[_Matrix], normal) -> Int64[np.ndarray, "k P"]:
    number = {point: i for i, point in enumerate(points)}
    return np.array(
        [[number[normal(a * x + b * y, c * x + d * y)] for x, y in points] for (a, b), (c, d) in matrices],
        dtype=np.int64,
    )
