"""Exact representations of finite groups, written from the geometry and not from lrnn.

A group is a list of orthogonal matrices; its word problem is tracked by handing each letter to `lrnn` as a product of
reflections. Everything here is numpy in float64 (or integers).
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def rotation(angle: float) -> Matrix:
    """In the plane, counterclockwise."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def cyclic(m: int) -> list[Matrix]:
    """Z_m as rotations of the plane; element r is the turn by r/m."""
    return [rotation(2 * np.pi * r / m) for r in range(m)]


def triangle() -> list[Matrix]:
    """S3 as the symmetries of a triangle: three rotations, three reflections."""
    flip = np.diag([1.0, -1.0])
    return [rotation(2 * np.pi * r / 3) @ f for f in (np.eye(2), flip) for r in range(3)]


def permutation_matrices(n: int, even: bool = False) -> list[Matrix]:
    """S_n, or A_n, in the permutation representation: P e_j = e_{p(j)}."""
    found = [np.eye(n)[:, list(p)] for p in permutations(range(n))]
    return [P for P in found if not even or round(np.linalg.det(P)) == 1]


def standard(n: int) -> list[Matrix]:
    """S_n on the hyperplane where coordinates add to 0, in an orthonormal basis of it, R^(n-1)."""
    basis = np.zeros((n - 1, n))
    for i in range(n - 1):
        basis[i, : i + 1], basis[i, i + 1] = 1.0, -(i + 1.0)
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return [basis @ P @ basis.T for P in permutation_matrices(n)]


def cube() -> list[Matrix]:
    """S4 as the 24 rotations of a cube: signed permutation matrices of determinant 1, all integers."""
    signs = [np.diag(np.array(s, dtype=float)) for s in product((1, -1), repeat=3)]
    return [S @ P for S in signs for P in permutation_matrices(3) if round(np.linalg.det(S @ P)) == 1]


def icosahedron() -> list[Matrix]:
    """A5 as the 60 rotations of an icosahedron, closed from two generators."""
    golden = (1 + 5**0.5) / 2
    third = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # about (1, 1, 1)
    axis = np.array([0.0, 1, golden]) / np.hypot(1, golden)  # through a vertex
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    fifth = np.eye(3) + np.sin(2 * np.pi / 5) * cross + (1 - np.cos(2 * np.pi / 5)) * cross @ cross
    return closure([third, fifth])


def closure(generators: list[Matrix]) -> list[Matrix]:
    """All products, each to double precision."""
    found = [np.eye(len(generators[0]))]
    for element in found:  # grows while it is read
        for g in generators:
            new = g @ element
            if min(np.abs(new - old).max() for old in found) > 1e-6:
                found.append(new)
    return found


def table(elements: list[Matrix]) -> NDArray[np.int64]:
    """``table[g, h]`` is the number of g·h; fails if the elements are not a group."""
    flat = np.stack(elements).reshape(len(elements), -1)
    products = np.einsum("gij,hjk->ghik", np.stack(elements), np.stack(elements)).reshape(len(elements) ** 2, -1)
    distance = ((products[:, None] - flat[None]) ** 2).sum(-1)
    assert distance.min(1).max() < 1e-12, "not closed"
    return distance.argmin(1).reshape(len(elements), len(elements))


def rank(M: Matrix) -> int:
    """rank(M - I), the number of reflections that M needs."""
    return int(np.linalg.matrix_rank(M - np.eye(len(M)), tol=1e-6))


def reflections(M: Matrix) -> list[NDArray[np.float64]]:
    """Vectors v_1 … v_r, r = rank(M - I), with M = H(v_r) … H(v_1) and H(v) = I - 2 v vᵀ/(vᵀv).

    The Cartan–Dieudonné theorem as an algorithm: the reflection along M e - e takes M e to e and keeps everything that
    M kept. On integer matrices the vectors are integers.
    """
    n, vectors = len(M), []
    while rank(M):
        moved = (M - np.eye(n)).T  # row i is M e_i - e_i
        v = moved[np.argmax((moved**2).sum(1))]
        vectors.append(v)
        M = M - 2 * np.outer(v, v @ M) / (v @ v)
    return vectors[::-1]
