"""The irreducible real representations of a finite group, as orthogonal matrices.

Shapes: n order of the group · D dimension of a representation · V dimension of the space it is cut out of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from lrnn.automata.characters import CharacterTable, character_table
from lrnn.automata.group import Group

Kind = Literal["real", "complex", "quaternionic"]


@dataclass(frozen=True, eq=False, repr=False)
class Representation:
    """An irreducible real representation ρ: one orthogonal matrix per element, ρ(g) ρ(h) = ρ(g ∘ h).

    ==============  ==================  =======  ============================================
    kind            its character        D        matrices that commute with all ρ(g)
    ==============  ==================  =======  ============================================
    real            χ                   χ(1)     the real numbers
    complex         χ + χ̄               2 χ(1)   the complex numbers
    quaternionic    2 χ                 2 χ(1)   the quaternions
    ==============  ==================  =======  ============================================
    """

    table: CharacterTable
    irreducible: int
    """The row of χ in the character table (of χ and χ̄, the first)."""
    kind: Kind

    def __repr__(self) -> str:
        faithful = ", faithful" if self.faithful else ""
        return f"Representation({self.group!r}, dimension={self.dimension}, {self.kind}{faithful})"

    @property
    def group(self) -> Group:
        """The group represented."""
        return self.table.group

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.table.degrees[self.irreducible]) * (1 if self.kind == "real" else 2)

    @cached_property
    def matrices(self) -> Float64[np.ndarray, "n D D"]:
        """ρ(g) for every g. Made when first asked for; all else is known from the character table."""
        return _matrices(self.table, self.irreducible, self.kind)

    @cached_property
    def character(self) -> Float64[np.ndarray, "n"]:
        """The trace of every matrix, from the character table."""
        values = np.real(self.table.values[self.irreducible, self.table.classes])
        return values if self.kind == "real" else 2 * values

    def multiplicities(self, element: int | np.integer) -> Int64[np.ndarray, "m"]:
        """How often ρ(element), an element of order m, has the eigenvalue e^{2πi s/m}, for s = 0 … m − 1."""
        counts = self.table.eigenvalues(self.irreducible, element)
        return counts if self.kind == "real" else counts + np.roll(counts[::-1], 1)

    @cached_property
    def fixed_rank(self) -> Int64[np.ndarray, "n"]:
        """rank(ρ(g) − I) for every g, exactly: the number of eigenvalues other than 1.

        It is the number of reflections whose product is ρ(g), and no fewer will do (Cartan–Dieudonné).
        """
        fixed = np.array([counts[self.irreducible, 0] for counts in self.table.multiplicities])
        return (self.dimension - (1 if self.kind == "real" else 2) * fixed)[self.table.classes]

    @property
    def kernel(self) -> Bool[np.ndarray, "n"]:
        """Which elements ρ maps to I."""
        return self.fixed_rank == 0

    @property
    def faithful(self) -> bool:
        """Does ρ tell all elements apart?"""
        return int(self.kernel.sum()) == 1


def real_irreps(group: Group) -> tuple[Representation, ...]:
    """All irreducible real representations, in the order of the character table (the trivial one first).

    The space of functions on the group, on which it acts by L_g e_x = e_{g∘x}, holds every one of them. The projection
    on the copies of one, P = (χ(1)/n) Σ_g χ(g⁻¹) L_g, is known from its character. The symmetric matrices that commute
    with all L_g are the combinations of e_x ↦ e_{x∘g} + e_{x∘g⁻¹}; a random one has, inside the range of P, one
    eigenspace per copy. The matrices of ρ on one eigenspace are then made homomorphic by
    ρ(g) ← (1/n) Σ_h ρ(g∘h) ρ(h)ᵀ and orthogonal by ρ ← ρ (3 I − ρᵀρ)/2, both of which square the error. What is
    left is the rounding of float64. Seeds are fixed: a group has the same matrices every time.

    Raises ValueError as :func:`~lrnn.automata.characters.character_table` does.

    Source: for types and indicators J.-P. Serre, "Linear Representations of Finite Groups" (Springer 1977), section
    13.2.

    >>> from lrnn.automata import Group, real_irreps
    >>> real_irreps(Group("Z4"))[1:]
    (Representation(Group('Z4'), dimension=2, complex, faithful), Representation(Group('Z4'), dimension=1, real))
    >>> [(rho.dimension, int(rho.fixed_rank.max())) for rho in real_irreps(Group("S4"))]
    [(1, 0), (1, 1), (2, 2), (3, 3), (3, 2)]
    """
    table = character_table(group)
    kinds: dict[int, Kind] = {1: "real", 0: "complex", -1: "quaternionic"}
    return tuple(
        Representation(table, i, kinds[int(indicator)])
        for i, indicator in enumerate(table.indicators)
        if i <= table.conjugates[i]
    )


def _matrices(table: CharacterTable, i: int, kind: Kind) -> Float64[np.ndarray, "n D D"]:
    group, degree = table.group, int(table.degrees[i])
    values = np.real(table.values[i, table.classes])
    if degree == 1 and kind == "real":
        return np.ascontiguousarray(values[:, None, None])
    if degree == 1:
        sine = np.imag(table.values[i, table.classes])
        return np.stack([np.stack([values, -sine], -1), np.stack([sine, values], -1)], -2)
    dimension = degree if kind == "real" else 2 * degree
    copies = degree // 2 if kind == "quaternionic" else degree
    rng = np.random.default_rng(0)
    quotient = group.table[:, group.inverses]  # [x, y]: x ∘ y⁻¹
    projection = values[quotient] * (degree / group.order * (2 if kind == "complex" else 1))
    space = np.linalg.qr(projection @ rng.standard_normal((group.order, dimension * copies)))[0]
    if copies > 1:
        weights = rng.standard_normal(group.order)
        commuting = (weights + weights[group.inverses])[group.table[group.inverses]]  # [x, y]: x⁻¹ ∘ y
        values_, vectors = np.linalg.eigh(space.T @ commuting @ space)
        space = space @ _most_separate(values_, vectors, dimension)
    rows = group.table[group.inverses]  # (L_g f)(x) = f(g⁻¹ ∘ x)
    matrices = np.stack([space.T @ space[moved] for moved in rows])
    return _orthogonal(_homomorphic(matrices, group))


def _most_separate(
    values: Float64[np.ndarray, "V"], vectors: Float64[np.ndarray, "V V"], dimension: int
) -> Float64[np.ndarray, "V D"]:
    """The eigenspace (of ``dimension`` equal eigenvalues, which are in ascending order) farthest from the others."""
    centers = values.reshape(-1, dimension).mean(1)
    gaps = np.diff(centers, prepend=-np.inf, append=np.inf)
    best = int(np.argmax(np.minimum(gaps[:-1], gaps[1:])))
    return vectors[:, best * dimension : (best + 1) * dimension]


def _homomorphic(matrices: Float64[np.ndarray, "n D D"], group: Group) -> Float64[np.ndarray, "n D D"]:
    """The mean over h of ρ(g ∘ h) ρ(h)ᵀ."""
    n, dimension, _ = matrices.shape
    left = np.ascontiguousarray(matrices.transpose(1, 0, 2))
    right = matrices.transpose(0, 2, 1).reshape(n * dimension, dimension)
    return np.stack([left[:, products].reshape(dimension, -1) @ right for products in group.table]) / n


def _orthogonal(matrices: Float64[np.ndarray, "n D D"]) -> Float64[np.ndarray, "n D D"]:
    """Two Newton–Schulz steps towards the nearest orthogonal matrix."""
    for _ in range(2):
        error = np.eye(matrices.shape[-1]) - matrices.transpose(0, 2, 1) @ matrices
        matrices = matrices + matrices @ error / 2
    return matrices
