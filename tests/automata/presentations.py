"""Finite groups from generators and relations, as permutations of their own elements: for tests only."""

import itertools

import numpy as np

from lrnn.automata import Group


def semidirect(modulus, action, order=None):
    """The vectors modulo ``modulus`` (a number for each coordinate) by the powers of an integer matrix.

    Of the given order, which by default is that of the matrix; a larger multiple of it lets some powers act trivially.
    """
    modulus, action = np.atleast_1d(modulus), np.atleast_2d(action)
    vectors = list(itertools.product(*map(range, modulus)))
    power, powers = np.eye(len(modulus), dtype=int), []
    while not powers or (power % modulus[:, None] != np.eye(len(modulus), dtype=int) % modulus[:, None]).any():
        powers.append(power % modulus[:, None])
        power = action @ power % modulus[:, None]
    order = order or len(powers)
    assert order % len(powers) == 0
    points = [(vector, e) for vector in vectors for e in range(order)]
    number = {point: i for i, point in enumerate(points)}

    def times(left, right):
        (x, e), (y, f) = left, right
        moved = (np.array(x) + powers[e % len(powers)] @ np.array(y)) % modulus
        return number[tuple(moved.tolist()), (e + f) % order]

    units = [(tuple(row), 0) for row in np.eye(len(modulus), dtype=int).tolist()] + [(vectors[0], 1 % order)]
    return Group.generated([[times(unit, point) for point in points] for unit in units], name="semidirect")


def matrices(modulus, generators):
    """The group that integer matrices modulo a number generate, acting on all vectors."""
    generators = [np.array(matrix) for matrix in generators]
    vectors = list(itertools.product(range(modulus), repeat=len(generators[0])))
    number = {vector: i for i, vector in enumerate(vectors)}
    return Group.generated(
        [[number[tuple((matrix @ np.array(v) % modulus).tolist())] for v in vectors] for matrix in generators],
        name="matrices",
    )


def product(*groups):
    """The direct product, side by side."""
    points = sum(group.permutations.shape[1] for group in groups)
    rows, start = [], 0
    for group in groups:
        width = group.permutations.shape[1]
        for permutation in group.permutations:
            row = np.arange(points)
            row[start : start + width] = permutation + start
            rows.append(row)
        start += width
    return Group.generated(np.array(rows), name="product")


def relabeled(group, rng):
    """The same group with its elements in another order, on as many points as it has elements."""
    order = rng.permutation(group.order)
    number = np.argsort(order)
    table = number[group.table[np.ix_(order, order)]]
    return Group.generated(table, name="relabeled")


def central_product(left, right, left_center, right_center):
    """Both side by side, with one central element of each identified."""
    both = product(left, right)
    names = [tuple(row) for row in both.permutations.tolist()]
    width = left.permutations.shape[1]
    row = [*left.permutations[left_center], *(right.permutations[right_center] + width)]
    glued = np.zeros(both.order, dtype=bool)
    glued[[0, names.index(tuple(row))]] = True
    return both.quotient(glued)
