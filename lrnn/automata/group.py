"""A finite group, by name or by permutations that generate it, with its multiplication table.

Shapes: n order of the group · P points that its elements permute.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Int64

from lrnn.automata.permutations import checked, closure, cycles, multiplication_table
from lrnn.automata.run import run_table

MAX_ORDER = 5040
"""The multiplication table of a group of this order takes 200 MB."""

LEGAL_NAMES = "Z_m, D_m (order 2m), S_n, A_n and direct products of them, as in Z60, D4, S5, A5, A4xZ5, Z2xZ2xZ2"


class _Factor(NamedTuple):
    permutations: Int64[np.ndarray, "n P"]
    table: Int64[np.ndarray, "n n"]
    names: tuple[str, ...]


class Group:
    """A finite group of permutations. Elements are the numbers 0 … order − 1, and 0 is the identity.

    ``table[g, h]`` is g ∘ h: h first, then g. The product of a word is label_t = x_t ∘ … ∘ x_1, the newest element on
    the left, as in S_t = A_t … A_1 S_0.

    ==============  =====  ============================  ===================================
    name            order  elements 0, 1, 2, …           names of the elements
    ==============  =====  ============================  ===================================
    ``Zm``          m      0, 1, 2, … under addition     ``0``, ``1``, …
    ``Dm``          2m     m rotations, m reflections    ``r0`` … , ``s0`` … (s_i = r_i s_0)
    ``Sn``          n!     in lexicographic order        cycles on 1 … n: ``()``, ``(1 2 3)``
    ``An``          n!/2   the even ones of S_n          as in S_n
    ``GxH``         |G||H| (g, h), h running fastest     ``g,h``
    ==============  =====  ============================  ===================================

    A product permutes the points of its factors side by side. Names are read without regard to case; ``Z_60`` and ``×``
    are understood.

    Arguments:
        name: see above; the order is at most 5,040.

    Raises ValueError if the name is no such group, listing what is. Any other group: :meth:`generated`.

    >>> s3 = Group("S3")
    >>> s3.elements
    ('()', '(2 3)', '(1 2)', '(1 2 3)', '(1 3 2)', '(1 3)')
    >>> s3.elements[s3.table[s3.element("(2 3)"), s3.element("(1 2)")]]
    '(1 3 2)'
    >>> Group("A4xZ5").order
    60
    """

    _maker = "Group"

    def __init__(self, name: str) -> None:
        factors = [_factor(part, name) for part in re.split(r"\s*[xX×]\s*", name.strip())]
        order = math.prod(_order(kind, n) for kind, n in factors)
        if order > MAX_ORDER:
            raise ValueError(f"group {name!r} has {order:,} elements; the most is {MAX_ORDER:,} (its table is n × n)")
        whole = _make(*factors[0])
        for kind, n in factors[1:]:
            whole = _product(whole, _make(kind, n))
        self._fill("x".join(f"{kind}{n}" for kind, n in factors), whole)

    def _fill(self, name: str, whole: _Factor) -> None:
        self.name = name
        self.permutations: Int64[np.ndarray, "n P"] = _frozen(whole.permutations)
        """Row g maps point p to ``permutations[g, p]``; points count from 0."""
        self.table: Int64[np.ndarray, "n n"] = _frozen(whole.table)
        """``table[g, h]`` is g ∘ h."""
        self.elements = whole.names
        """A name for each element."""

    @classmethod
    def generated(
        cls, permutations: Int[np.ndarray, "k P"] | Sequence[Sequence[int]], name: str | None = None
    ) -> Group:
        """The group of all products of some permutations of the points 0 … P − 1.

        Its elements are in lexicographic order, so the same permutations come out alike however they are generated, and
        their names are cycles on 1 … P, as in ``Group("S4")``.

        Arguments:
            permutations: row i maps point p to ``permutations[i, p]``; no rows give the trivial group.
            name: what to call it; by default the cycles of the first elements that generate it, as in
                ``<(2 3), (1 2)>``. (:func:`lrnn.automata.identify` says which group it is.)

        Raises ValueError if a row is no permutation, or above 5,040 elements.

        >>> quaternions = Group.generated([[1, 2, 3, 0, 7, 4, 5, 6], [4, 5, 6, 7, 2, 3, 0, 1]], name="Q8")
        >>> quaternions.order, quaternions.orders.tolist()
        (8, [1, 4, 2, 4, 4, 4, 4, 4])
        >>> Group.generated([[1, 0, 2], [0, 2, 1]])
        Group.generated('<(2 3), (1 2)>')
        """
        rows = closure(checked(permutations), MAX_ORDER)
        table, generators = multiplication_table(rows)
        elements = tuple(map(cycles, rows.tolist()))
        group = cls.__new__(cls)
        group._maker = "Group.generated"
        group._fill(name or f"<{', '.join(elements[g] for g in generators)}>", _Factor(rows, table, elements))
        return group

    def subgroup(self, members: Bool[np.ndarray, "n"]) -> Group:
        """The subgroup of the elements marked in ``members``, which keep their order and names.

        Raises ValueError if their products are not all among them.
        """
        inside = np.flatnonzero(members)
        number = np.full(self.order, -1)
        number[inside] = np.arange(len(inside))
        table = number[self.table[np.ix_(inside, inside)]]
        if not members[0] or (table < 0).any():
            raise ValueError(f"members are no subgroup of {self.name}: a product of two of them is not among them")
        names = tuple(self.elements[g] for g in inside)
        return self._part("a subgroup", _Factor(self.permutations[inside], table, names))

    def quotient(self, normal: Bool[np.ndarray, "n"]) -> Group:
        """The group of the cosets of the elements marked in ``normal``, named after their first elements.

        Raises ValueError if they are no normal subgroup.
        """
        cosets = self.table[:, np.flatnonzero(normal)].min(axis=1, initial=self.order)
        first, number = np.unique(cosets, return_inverse=True)
        if not normal[0] or len(first) * int(normal.sum()) != self.order or (cosets[cosets] != cosets).any():
            raise ValueError(f"normal is no subgroup of {self.name}")
        products = number[self.table]
        table = products[np.ix_(first, first)]
        if (table[number[:, None], number] != products).any():
            raise ValueError(f"normal is a subgroup of {self.name}, but gN = Ng does not hold for all g")
        names = tuple(f"{self.elements[g]}N" for g in first)
        return self._part("a quotient", _Factor(table, table, names))

    def _part(self, kind: str, factor: _Factor) -> Group:
        group = type(self).__new__(type(self))
        group._maker = "Group.generated"
        group._fill(f"{kind} of {self.name}", factor)
        return group

    def __repr__(self) -> str:
        return f"{self._maker}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        """Equal names and permutations in equal order; isomorphic groups of other names are not equal."""
        return (
            isinstance(other, Group)
            and self.name == other.name
            and np.array_equal(self.permutations, other.permutations)
        )

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.elements)

    @property
    def identity(self) -> int:
        """Always element 0."""
        return 0

    @cached_property
    def inverses(self) -> Int64[np.ndarray, "n"]:
        """``table[g, inverses[g]]`` is the identity."""
        return _frozen(np.argmin(self.table, axis=1))

    @cached_property
    def orders(self) -> Int64[np.ndarray, "n"]:
        """Smallest m ≥ 1 such that g composed m times with itself is the identity."""
        orders = np.zeros(self.order, dtype=np.int64)
        power, every = np.zeros(self.order, dtype=np.int64), np.arange(self.order)
        for m in itertools.count(1):
            power = self.table[every, power]
            orders[(power == 0) & (orders == 0)] = m
            if orders.all():
                return _frozen(orders)
        raise AssertionError("a finite group has finite orders")

    @cached_property
    def moved(self) -> Int64[np.ndarray, "n"]:
        """Number of points that each element moves."""
        return _frozen((self.permutations != np.arange(self.permutations.shape[1])).sum(1))

    @cached_property
    def abelian(self) -> bool:
        """Does g ∘ h = h ∘ g hold throughout?"""
        return bool((self.table == self.table.T).all())

    def element(self, name: str) -> int:
        """The number of the element called ``name``. Raises ValueError listing some of the legal names."""
        if name not in self.elements:
            some = ", ".join(repr(element) for element in self.elements[:8])
            raise ValueError(f"{name!r} is no element of {self.name}; its elements are {some}, …")
        return self.elements.index(name)

    def span(self, elements: Int[np.ndarray, "k"]) -> Bool[np.ndarray, "n"]:
        """Which elements are products of the given ones (the subgroup that they generate)."""
        reached = np.zeros(self.order, dtype=bool)
        reached[0] = True
        front = np.array([0])
        while front.size:
            products = np.unique(self.table[np.ix_(elements, front)])
            front = products[~reached[products]]
            reached[front] = True
        return reached

    def products(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """``[b, t]`` is x_t ∘ … ∘ x_1 for the elements ``words[b] = x_1 x_2 …``."""
        return run_table(self.table.T, words, start=0)


def _factor(part: str, name: str) -> tuple[str, int]:
    found = re.fullmatch(r"([ZDSA])_?(\d{1,6})", part, re.IGNORECASE)
    if not found or int(found[2]) < 1:
        which = f"{part!r} in {name!r}" if part != name else f"{name!r}"
        raise ValueError(f"group {which} is unknown; legal: {LEGAL_NAMES}")
    return found[1].upper(), int(found[2])


def _order(kind: str, n: int) -> int:
    if kind in "ZD":
        return n if kind == "Z" else 2 * n
    # Beyond 20! the exact value is of no use, and that of S_100000 takes long to write down.
    return math.factorial(min(n, 20)) // (2 if kind == "A" and n > 1 else 1)


def _make(kind: str, n: int) -> _Factor:
    if kind == "Z":
        return _cyclic(n)
    return _dihedral(n) if kind == "D" else _symmetric(n, even=kind == "A")


def _cyclic(m: int) -> _Factor:
    i = np.arange(m)
    table = (i[:, None] + i) % m
    return _Factor(table, table, tuple(map(str, range(m))))


def _dihedral(m: int) -> _Factor:
    """Element i + m·f is rotation by i after f reflections: (r_i s^f)(r_j s^g) = r_{i + (−1)^f j} s^{f + g}."""
    i, f = np.tile(np.arange(m), 2), np.repeat(np.arange(2), m)
    turn = (i[:, None] + np.where(f, -1, 1)[:, None] * i) % m
    table = turn + m * (f[:, None] ^ f)
    # The corners of the regular polygon; fewer than three tell no two elements apart, so there it permutes itself.
    corners = (i[:, None] + np.where(f, -1, 1)[:, None] * np.arange(m)) % m
    names = tuple(f"r{k}" for k in range(m)) + tuple(f"s{k}" for k in range(m))
    return _Factor(corners if m >= 3 else table, table, names)


def _symmetric(n: int, even: bool) -> _Factor:
    permutations = np.array(list(itertools.permutations(range(n))), dtype=np.int64)
    if even:
        odd = np.zeros(len(permutations), dtype=np.int64)
        for i, j in itertools.combinations(range(n), 2):
            odd ^= permutations[:, i] > permutations[:, j]
        permutations = permutations[odd == 0]
    digits = n ** np.arange(n)[::-1]  # lexicographic order is the order of the numbers with these digits
    codes = permutations @ digits
    rows = [np.searchsorted(codes, g[permutations] @ digits) for g in permutations]
    return _Factor(permutations, np.array(rows), tuple(map(cycles, permutations.tolist())))


def _product(left: _Factor, right: _Factor) -> _Factor:
    n, m = len(left.names), len(right.names)
    permutations = np.hstack(
        [
            np.repeat(left.permutations, m, axis=0),
            np.tile(right.permutations, (n, 1)) + left.permutations.shape[1],
        ]
    )
    table = (left.table[:, None, :, None] * m + right.table[None, :, None, :]).reshape(n * m, n * m)
    return _Factor(permutations, table, tuple(f"{g},{h}" for g in left.names for h in right.names))


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array, dtype=np.int64)
    array.flags.writeable = False
    return array
