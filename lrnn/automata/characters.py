"""The character table of a finite group, exactly.

Shapes: n order of the group · r number of conjugacy classes, and of irreducible characters · m order of an element.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Complex128, Float64, Int64

from lrnn.automata.group import Group

MAX_CLASSES = 512
"""With more, the prime of the calculation is beyond a million and finding the roots modulo it takes long."""


@dataclass(frozen=True, eq=False, repr=False)
class CharacterTable:
    """The irreducible complex characters of a finite group: one row per character, one column per class.

    Rows are ordered by degree, the trivial character first; class 0 is that of the identity, and the others come by
    their smallest element. Besides the values the table keeps what they were made from, the multiplicity of every
    eigenvalue, which are integers: questions of rank are answered from those, without rounding.

    >>> from lrnn.automata import Group
    >>> table = character_table(Group("S4"))
    >>> table.degrees.tolist(), table.sizes.tolist()
    ([1, 1, 2, 3, 3], [1, 6, 8, 3, 6])
    >>> table.values[3].real.tolist()
    [3.0, 1.0, 0.0, -1.0, -1.0]
    """

    group: Group
    classes: Int64[np.ndarray, "n"]
    """The class of every element."""
    multiplicities: tuple[Int64[np.ndarray, "r _"], ...]
    """``multiplicities[c][i, s]``: how often ρ_i(g), g in class c of order m, has the eigenvalue e^{2πi s/m}."""

    def __repr__(self) -> str:
        return f"CharacterTable({self.group!r}, degrees={self.degrees.tolist()})"

    @cached_property
    def representatives(self) -> Int64[np.ndarray, "r"]:
        """The smallest element of every class."""
        return np.unique(self.classes, return_index=True)[1]

    @cached_property
    def sizes(self) -> Int64[np.ndarray, "r"]:
        """Number of elements of every class."""
        return np.bincount(self.classes)

    @cached_property
    def degrees(self) -> Int64[np.ndarray, "r"]:
        """χ(1) of every character."""
        return self.multiplicities[0][:, 0]

    @cached_property
    def values(self) -> Complex128[np.ndarray, "r r"]:
        """``values[i, c]`` = χ_i on class c. Real characters have imaginary part 0, and integers are integers."""
        return np.stack([_trace(counts) for counts in self.multiplicities], axis=1)

    @cached_property
    def indicators(self) -> Int64[np.ndarray, "r"]:
        """Frobenius–Schur indicator Σ_g χ(g²) / n: 1 real, 0 complex, −1 quaternionic."""
        squares = self.classes[np.diagonal(self.group.table)]
        sums = np.real(self.values[:, squares]).sum(1) / self.group.order
        return np.rint(sums).astype(np.int64)

    @cached_property
    def conjugates(self) -> Int64[np.ndarray, "r"]:
        """The number of the complex conjugate of every character."""
        inverse = self.classes[self.group.inverses[self.representatives]]
        inner = (self.values * self.sizes) @ self.values[:, inverse].conj().T
        return np.argmax(np.abs(inner), axis=1)

    def eigenvalues(self, character: int | np.integer, element: int | np.integer) -> Int64[np.ndarray, "m"]:
        """How often ρ(element) has the eigenvalue e^{2πi s/m}, for s = 0 … m − 1."""
        return self.multiplicities[self.classes[element]][character]


def character_table(group: Group) -> CharacterTable:
    """The character table by the method of Burnside and Dixon.

    The sums K_c over the classes multiply as K_i K_j = Σ_k a_ijk K_k, and every character gives a common eigenvector
    of the matrices (a_i)_jk, with entries ω_j = |C_j| χ(g_j) / χ(1). They are found modulo a prime p ≡ 1 modulo the
    exponent with p > 2 √n, where all of them lie; the degree follows from Σ_j ω_j ω_j* / |C_j| = n / χ(1)²; and a
    Fourier transform modulo p over the powers of g gives the multiplicities of its eigenvalues, integers between 0 and
    χ(1) < p and so known exactly.

    Raises ValueError if the group has more than ``MAX_CLASSES`` classes.

    Source: J. D. Dixon, "High speed computation of group characters", Numerische Mathematik 10 (1967) 446–450. Where
    Dixon splits by one class after the other, this takes one random combination of them (the seed is fixed).
    """
    classes = conjugacy_classes(group)
    num_classes = int(classes.max()) + 1
    if num_classes > MAX_CLASSES:
        raise ValueError(
            f"{group!r} has {num_classes} conjugacy classes; the character table is made for at most {MAX_CLASSES} "
            "(raise lrnn.automata.characters.MAX_CLASSES)"
        )
    exponent = int(np.lcm.reduce(group.orders))
    # Beyond 2 √n any prime will do; with 4 r² a random combination has r different eigenvalues 7 times out of 8.
    prime = _prime(exponent, above=max(2 * math.isqrt(group.order) + 2, 4 * num_classes**2))
    omega = _central_characters(group, classes, prime)
    sizes = np.bincount(classes)
    representatives = np.unique(classes, return_index=True)[1]
    inverse_sizes = np.array([pow(int(size), -1, prime) for size in sizes])
    inverse = classes[group.inverses[representatives]]
    norms = (omega * omega[:, inverse] % prime * inverse_sizes).sum(1) % prime
    degrees = np.array([_degree(group.order, int(norm), prime) for norm in norms])
    residues = omega * degrees[:, None] % prime * inverse_sizes % prime

    root = _root_of_unity(exponent, prime)
    multiplicities = []
    for element in representatives:
        m, powers = int(group.orders[element]), [0]
        while len(powers) < m:
            powers.append(int(group.table[element, powers[-1]]))
        zeta = pow(root, exponent // m, prime)
        inverse_powers = np.array([pow(zeta, -s, prime) for s in range(m)])
        transform = inverse_powers[np.outer(np.arange(m), np.arange(m)) % m]
        counts = _product(residues[:, classes[powers]], transform, prime) * pow(m, -1, prime) % prime
        multiplicities.append(counts)
    order = _order(multiplicities)
    return CharacterTable(group, classes, tuple(counts[order] for counts in multiplicities))


def conjugacy_classes(group: Group) -> Int64[np.ndarray, "n"]:
    """The class of every element; classes are numbered by their smallest element."""
    classes = np.full(group.order, -1, dtype=np.int64)
    number, every = 0, np.arange(group.order)
    for element in range(group.order):
        if classes[element] < 0:
            classes[group.table[group.table[every, element], group.inverses]] = number
            number += 1
    return classes


def _central_characters(group: Group, classes: np.ndarray, prime: int) -> Int64[np.ndarray, "r r"]:
    """ω_j of every character modulo p (rows in no order): the eigenvectors of a random combination of the a_i.

    For a matrix M with r different eigenvalues and a vector v, let f be the polynomial of degree r with f(M) v = 0.
    Its roots are the eigenvalues, and (f(x) / (x − λ))(M) v is an eigenvector of λ.
    """
    rng = np.random.default_rng(0)
    num_classes = int(classes.max()) + 1
    representatives = np.unique(classes, return_index=True)[1]
    for _ in range(64):
        weights = rng.integers(0, prime, num_classes)[classes]
        columns = [
            np.bincount(classes[group.table[group.inverses, z]], weights, num_classes).astype(np.int64) % prime
            for z in representatives
        ]
        matrix = np.stack(columns, axis=1)
        krylov = [rng.integers(0, prime, num_classes)]
        for _ in range(num_classes):
            krylov.append(_product(matrix, krylov[-1], prime))
        basis = np.stack(krylov[:-1], axis=1)
        solution = _solve(basis, krylov[-1], prime)
        if solution is None:
            continue
        roots = _roots(np.append(-solution % prime, 1), prime)
        if len(roots) < num_classes:
            continue
        quotient = np.ones((num_classes, num_classes), dtype=np.int64)
        for k in range(num_classes - 1, 0, -1):
            quotient[:, k - 1] = (quotient[:, k] * roots - solution[k]) % prime
        vectors = _product(quotient, basis.T, prime)
        scale = np.array([pow(int(first), -1, prime) for first in vectors[:, 0]])
        return vectors * scale[:, None] % prime
    raise AssertionError("a random combination of the class matrices has different eigenvalues")


def _solve(matrix: np.ndarray, right: np.ndarray, prime: int) -> np.ndarray | None:
    """x with matrix · x = right modulo p, or None if the matrix is singular."""
    rows = np.concatenate([matrix, right[:, None]], axis=1)
    for column in range(len(matrix)):
        candidates = np.flatnonzero(rows[column:, column])
        if not candidates.size:
            return None
        pivot = column + int(candidates[0])
        rows[[column, pivot]] = rows[[pivot, column]]
        rows[column] = rows[column] * pow(int(rows[column, column]), -1, prime) % prime
        factors = rows[:, column].copy()
        factors[column] = 0
        rows = (rows - factors[:, None] * rows[column]) % prime
    return rows[:, -1]


def _roots(coefficients: np.ndarray, prime: int) -> np.ndarray:
    """The roots modulo p of Σ_k coefficients[k] x^k, by trying every x."""
    every = np.arange(prime)
    values = np.zeros(prime, dtype=np.int64)
    for coefficient in coefficients[::-1]:
        values = (values * every + coefficient) % prime
    return np.flatnonzero(values == 0)


def _product(left: np.ndarray, right: np.ndarray, prime: int) -> np.ndarray:
    """left · right modulo p. In float64, which has fast matrix products and is exact below 2^53."""
    assert prime**2 * left.shape[-1] < 2**53
    return (left.astype(np.float64) @ right.astype(np.float64) % prime).astype(np.int64)


def _degree(order: int, norm: int, prime: int) -> int:
    """The d ≤ √n with d² · norm ≡ n; there is one, because p > 2 √n."""
    return next(d for d in range(1, math.isqrt(order) + 1) if (d * d * norm - order) % prime == 0)


def _prime(exponent: int, above: int) -> int:
    candidate = exponent * (above // exponent + 1) + 1
    while any(candidate % d == 0 for d in range(2, math.isqrt(candidate) + 1)):
        candidate += exponent
    return candidate


def _root_of_unity(order: int, prime: int) -> int:
    """An element of this order modulo p, where order divides p − 1."""
    factors = [q for q in range(2, order + 1) if order % q == 0 and all(q % d for d in range(2, math.isqrt(q) + 1))]
    for candidate in range(1, prime):
        root = pow(candidate, (prime - 1) // order, prime)
        if all(pow(root, order // q, prime) != 1 for q in factors):
            return root
    raise AssertionError("the multiplicative group of a prime field is cyclic")


def _trace(counts: Int64[np.ndarray, "r m"]) -> Complex128[np.ndarray, "r"]:
    """Σ_s counts[·, s] e^{2πi s/m}."""
    angle: Float64[np.ndarray, "m"] = 2 * np.pi * np.arange(counts.shape[1]) / counts.shape[1]
    opposite = np.roll(counts[:, ::-1], 1, axis=1)  # s and m − s
    imaginary = ((counts - opposite) @ np.sin(angle)) / 2
    values = np.stack([counts @ np.cos(angle), imaginary], axis=-1)
    whole = np.rint(values)
    values = np.where(np.abs(values - whole) < 1e-12, whole, values) + 0.0  # no −0
    return values[:, 0] + 1j * values[:, 1]


def _order(multiplicities: list[np.ndarray]) -> np.ndarray:
    """The order of the rows: by degree, the trivial character first, then by the values, large before small."""
    values = np.stack([_trace(counts) for counts in multiplicities], axis=1).round(9)
    keys = [column for value in values.T for column in (-np.real(value), -np.imag(value))]
    degrees = np.real(values[:, 0])
    return np.lexsort([*keys[::-1], degrees])
