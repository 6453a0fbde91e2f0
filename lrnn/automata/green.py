"""Green's relations of a monoid: which elements can be multiplied into which.

Shapes: M elements · J classes of the relation J · E pairs of classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata.monoid import Monoid
from lrnn.automata.strong_components import strong_components

MAX_CLASSES = 10_000
"""Most J-classes whose order is held as a whole."""


@dataclass(frozen=True, eq=False, repr=False)
class Green:
    """The class of each element under R, L, J and H; made by :func:`greens_relations`.

    ==  ===================================================================================
    R   x·u = y and y·v = x for some u, v: x and y can be read on into each other
    L   u·x = y and v·y = x for some u, v
    J   each is a product with the other inside; in a finite monoid the join of R and L
    H   R and L: the boxes of an eggbox, of equal size within a class of J
    ==  ===================================================================================

    Classes are numbered in the order of their first elements, so class 0 is that of the identity.

    >>> from lrnn.automata import DFA, greens_relations, syntactic_monoid
    >>> green = greens_relations(syntactic_monoid(DFA.from_regex("(ab)*")))  # elements 1, a, b, 0, ab, ba
    >>> green.j.tolist(), green.r.tolist(), green.l.tolist()
    ([0, 1, 1, 2, 1, 1], [0, 1, 2, 3, 1, 2], [0, 1, 2, 3, 2, 1])
    >>> green.regular_classes.tolist(), green.covers.tolist()
    ([True, True, True], [[0, 1], [1, 2]])
    """

    r: Int64[np.ndarray, "M"]
    l: Int64[np.ndarray, "M"]
    j: Int64[np.ndarray, "M"]
    h: Int64[np.ndarray, "M"]
    idempotents: Int64[np.ndarray, "I"]
    """The elements e = e·e."""
    steps: Int64[np.ndarray, "E 2"]
    """Pairs of classes of J: from the first, one letter more on the left or right of a word leads to the second."""

    def __repr__(self) -> str:
        return f"<Green: {self.num_r:,} R, {self.num_l:,} L, {self.num_j:,} J, {self.num_h:,} H>"

    @property
    def num_r(self) -> int:
        """Number of R-classes."""
        return int(self.r.max()) + 1

    @property
    def num_l(self) -> int:
        """Number of L-classes."""
        return int(self.l.max()) + 1

    @property
    def num_j(self) -> int:
        """Number of J-classes."""
        return int(self.j.max()) + 1

    @property
    def num_h(self) -> int:
        """Number of H-classes."""
        return int(self.h.max()) + 1

    @cached_property
    def regular_classes(self) -> Bool[np.ndarray, "J"]:
        """Is there an idempotent in each J-class? Then there is one in each of its R-classes and L-classes."""
        regular = np.zeros(self.num_j, dtype=bool)
        regular[self.j[self.idempotents]] = True
        return regular

    @property
    def regular(self) -> Bool[np.ndarray, "M"]:
        """Is each element regular: x·y·x = x for some y?"""
        return self.regular_classes[self.j]

    @property
    def is_r_trivial(self) -> bool:
        """Is every R-class a single element?"""
        return self.num_r == len(self.r)

    @property
    def is_l_trivial(self) -> bool:
        """Is every L-class a single element?"""
        return self.num_l == len(self.l)

    @property
    def is_j_trivial(self) -> bool:
        """Is every J-class a single element? Syntactic monoids of piecewise testable languages are like that.

        Source: I. Simon, Piecewise testable events (1975).
        """
        return self.num_j == len(self.j)

    @property
    def is_h_trivial(self) -> bool:
        """Is every H-class a single element? That is, is the monoid aperiodic?"""
        return self.num_h == len(self.h)

    @cached_property
    def _lower(self) -> list[list[int]]:
        lower: list[list[int]] = [[] for _ in range(self.num_j)]
        for upper, under in self.steps.tolist():
            lower[upper].append(under)
        return lower

    def below(self, j: int) -> Bool[np.ndarray, "J"]:
        """Which J-classes lie in the ideal of class j: those of products with an element of j inside, and j itself."""
        found = np.zeros(self.num_j, dtype=bool)
        found[j] = True
        front = [j]
        while front:
            for under in self._lower[front.pop()]:
                if not found[under]:
                    found[under] = True
                    front.append(under)
        return found

    @cached_property
    def covers(self) -> Int64[np.ndarray, "C 2"]:
        """The pairs (upper, lower) of J-classes with none in between: the edges of the picture of the J-order.

        Raises ValueError if there are more than 10,000 J-classes, for it takes J² bytes; :meth:`below` does not.
        """
        if self.num_j > MAX_CLASSES:
            raise ValueError(f"covers takes J² bytes, and J is {self.num_j:,} (at most {MAX_CLASSES:,}); use below(j)")
        strictly = np.zeros((self.num_j, self.num_j), dtype=bool)  # [upper, lower]
        pairs = []
        for upper in self._from_the_bottom():
            for under in self._lower[upper]:
                strictly[upper] |= strictly[under]
            pairs += [(upper, under) for under in self._lower[upper] if not strictly[upper, under]]
            strictly[upper, self._lower[upper]] = True
        return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)

    def _from_the_bottom(self) -> list[int]:
        """The J-classes, each after all those below it."""
        waiting = [len(lower) for lower in self._lower]
        uppers: list[list[int]] = [[] for _ in range(self.num_j)]
        for upper, under in self.steps.tolist():
            uppers[under].append(upper)
        order = [j for j, count in enumerate(waiting) if not count]
        for under in order:
            for upper in uppers[under]:
                waiting[upper] -= 1
                if not waiting[upper]:
                    order.append(upper)
        return order


def greens_relations(monoid: Monoid) -> Green:
    """The classes of R, L, J and H of all elements, and the order of the J-classes.

    R and L are the strong components of the two Cayley graphs. J is read off them: in a finite monoid J = R ∘ L, so the
    R-classes of one J-class all meet the same L-classes, and the first of these stands for it.

    Source: J.-É. Pin, Mathematical Foundations of Automata Theory, chapter V.
    """
    r = _by_first_element(strong_components(monoid.right))
    l = _by_first_element(strong_components(monoid.left))
    first_l = np.full(int(r.max()) + 1, len(l))
    np.minimum.at(first_l, r, l)
    j = _by_first_element(first_l[r])
    h = _by_first_element(r * (int(l.max()) + 1) + l)
    return Green(r, l, j, h, monoid.idempotents, _steps(j, monoid))


def _by_first_element(labels: Int64[np.ndarray, "M"]) -> Int64[np.ndarray, "M"]:
    """The same classes, numbered in the order in which their first elements come."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    classes = number[inverse]
    classes.flags.writeable = False
    return classes


def _steps(j: Int64[np.ndarray, "M"], monoid: Monoid) -> Int64[np.ndarray, "E 2"]:
    count = int(j.max()) + 1
    codes = np.concatenate([(j[:, None] * count + j[after]).ravel() for after in (monoid.right, monoid.left)])
    pairs = np.stack(np.divmod(np.unique(codes), count), axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]
