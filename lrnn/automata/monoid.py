"""The transition monoid of an automaton: what each word does to the states, and how those maps multiply.

Shapes: M elements · Q states · A letters of the alphabet · N pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.dfa import DFA
from lrnn.automata.generated_maps import closure, keys, left_products, shortest_words

MAX_ELEMENTS = 200_000
MAX_SECONDS = 10.0


@runtime_checkable
class HasTable(Protocol):
    """A DFA, or any other deterministic machine with a table of states and letters."""

    @property
    def alphabet(self) -> tuple[str, ...]: ...
    @property
    def delta(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False, repr=False)
class Monoid:
    """All maps of the states that words make: x·y is x first, then y, as the words are read.

    Made by :func:`transition_monoid` and :func:`syntactic_monoid`. Elements are the numbers 0 … M − 1 in the order of
    their shortest words, shorter ones first; 0 is the identity, the map of the empty word. Two elements are the same
    if and only if they map all states alike.

    >>> from lrnn.automata import DFA, syntactic_monoid
    >>> monoid = syntactic_monoid(DFA.from_regex("(ab)*"))
    >>> ["".join(monoid.word(x)) for x in range(monoid.num_elements)]
    ['', 'a', 'b', 'aa', 'ab', 'ba']
    >>> monoid.zero, monoid.idempotents.tolist(), monoid.is_aperiodic
    (3, [0, 3, 4, 5], True)
    """

    alphabet: tuple[str, ...]
    elements: Int[np.ndarray, "M Q"]
    """``elements[x, q]`` is the state after a word of x from state q."""
    right: Int64[np.ndarray, "M A"]
    """``right[x, a]`` is x·a, the right Cayley graph."""
    left: Int64[np.ndarray, "M A"]
    """``left[x, a]`` is a·x, the left Cayley graph."""
    shorter: Int64[np.ndarray, "M"]
    """The element of the shortest word without its last letter; 0 for the identity."""
    last: Int64[np.ndarray, "M"]
    """The last letter of the shortest word; 0 for the identity, which has none."""
    _numbers: dict[bytes, int] = field(repr=False)

    def __repr__(self) -> str:
        return f"<Monoid of {self.num_elements:,} maps of {self.num_states} states>"

    @property
    def num_elements(self) -> int:
        """M."""
        return len(self.elements)

    @property
    def num_states(self) -> int:
        """Q."""
        return self.elements.shape[1]

    @property
    def generators(self) -> Int64[np.ndarray, "A"]:
        """The element of each letter; letters that map all states alike have the same."""
        return self.right[0]

    def word(self, x: int) -> tuple[str, ...]:
        """A shortest word of element x, and the first of these in the order of the alphabet."""
        letters: list[str] = []
        while x:
            letters.append(self.alphabet[self.last[x]])
            x = int(self.shorter[x])
        return tuple(reversed(letters))

    def element(self, word: Sequence[str]) -> int:
        """The element of a word. Raises ValueError for letters outside the alphabet."""
        numbers = {letter: number for number, letter in enumerate(self.alphabet)}
        if unknown := sorted({letter for letter in word if letter not in numbers}):
            raise ValueError(f"word has letters outside the alphabet {self.alphabet}: {unknown}")
        x = 0
        for letter in word:
            x = int(self.right[x, numbers[letter]])
        return x

    def product(self, x: int, y: int) -> int:
        """x·y: x first, then y."""
        return self._numbers[self.elements[y][self.elements[x]].tobytes()]

    def products(self, x: Int[np.ndarray, "N"], y: Int[np.ndarray, "N"]) -> Int64[np.ndarray, "N"]:
        """``x[i]·y[i]`` for every i."""
        rows = np.take_along_axis(self.elements[y], self.elements[x], axis=1)
        return np.array([self._numbers[key] for key in keys(rows)], dtype=np.int64)

    @cached_property
    def idempotents(self) -> Int64[np.ndarray, "E"]:
        """The elements e = e·e."""
        return np.flatnonzero((_squares(self.elements) == self.elements).all(1))

    @cached_property
    def zero(self) -> int | None:
        """The element 0 = x·0 = 0·x for all x, if there is one."""
        every = np.arange(self.num_elements)[:, None]
        found = np.flatnonzero(((self.right == every) & (self.left == every)).all(1))
        return int(found[0]) if found.size else None

    @cached_property
    def is_group(self) -> bool:
        """Does every letter permute the states?"""
        return bool((np.sort(self.elements[self.generators], axis=1) == np.arange(self.num_states)).all())

    @cached_property
    def is_aperiodic(self) -> bool:
        """Are all its subgroups trivial, that is xᵏ = xᵏ⁺¹ for large k?

        A language is star-free if and only if its syntactic monoid is. Source: M. P. Schützenberger, On finite monoids
        having only trivial subgroups (Information and Control 8, 1965).
        """
        power, exponent = self.elements, 1
        while exponent < self.num_states:  # a map of Q states is on its cycles after Q steps
            power, exponent = _squares(power), 2 * exponent
        return bool((np.take_along_axis(self.elements, power, axis=1) == power).all())

    @cached_property
    def is_commutative(self) -> bool:
        """Is x·y = y·x throughout? It is if the letters commute."""
        return bool((self.right[self.generators] == self.right[self.generators].T).all())

    @cached_property
    def idempotents_right_regular(self) -> bool:
        """Is e·f·e = f·e for all idempotents e and f?

        Then the idempotents are closed under products and form a right regular band: of a product of them only the
        last occurrence of each counts. Letters that reset (constant maps) and the identity are of this kind.
        """
        maps = self.elements[self.idempotents].astype(np.intp)
        if _share_images(maps):
            return False
        for e in maps:
            after = e[maps]  # f first, then e: [F, Q]
            if (after[:, e] != after).any():
                return False
        return True


def transition_monoid(
    machine: HasTable | Int[np.ndarray, "A Q"] | Sequence[Sequence[int]],
    max_elements: int = MAX_ELEMENTS,
    max_seconds: float = MAX_SECONDS,
) -> Monoid:
    """The monoid of all maps of the states that words make.

    Arguments:
        machine: a DFA or another machine with ``alphabet`` and ``delta``, as it is (not minimized); or one row of
            states for each letter, where ``maps[a][q]`` is the state after letter a in state q. The letters are then
            called ``0``, ``1``, ….
        max_elements: cap on M. The monoid of a random automaton with two letters and 50 states is beyond all counting.
        max_seconds: cap on the time.

    Raises TooLarge (a ValueError, with ``found``) at a cap, and ValueError if the rows are no maps of the states.

    >>> from lrnn.automata import transition_monoid
    >>> full = transition_monoid([[1, 2, 0], [1, 0, 2], [0, 0, 2]])  # all 3³ maps of three states
    >>> full.num_elements, full.product(full.element("01"), full.element("2")) == full.element("012")
    (27, True)
    """
    if isinstance(machine, HasTable):
        alphabet, maps = tuple(machine.alphabet), np.asarray(machine.delta).T
    else:
        maps = _maps(machine)
        alphabet = tuple(map(str, range(len(maps))))
    num_states = maps.shape[1]
    maps = np.ascontiguousarray(maps, dtype=np.int16 if num_states <= np.iinfo(np.int16).max else np.int32)
    elements, right, numbers = closure(maps, max_elements, max_seconds)
    shorter, last = shortest_words(right)
    left = left_products(right, shorter, last)
    for array in (elements, right, left, shorter, last):
        array.flags.writeable = False
    return Monoid(alphabet, elements, right, left, shorter, last, numbers)


def syntactic_monoid(dfa: DFA, max_elements: int = MAX_ELEMENTS, max_seconds: float = MAX_SECONDS) -> Monoid:
    """The transition monoid of the minimal automaton: words are one element if no context tells them apart.

    Arguments and errors as in :func:`transition_monoid`.
    """
    return transition_monoid(dfa.minimal, max_elements, max_seconds)


def _maps(rows: Int[np.ndarray, "A Q"] | Sequence[Sequence[int]]) -> np.ndarray:
    try:
        maps: np.ndarray = np.array(rows)
    except ValueError:
        maps = np.zeros(0)
    if maps.ndim != 2 or not maps.size or maps.dtype.kind not in "iu":
        raise ValueError(
            "machine must be a DFA, or a table of integers with at least one row, one for each letter, and one column "
            f"for each state; got shape {maps.shape}, dtype {maps.dtype}"
        )
    if maps.min() < 0 or maps.max() >= maps.shape[1]:
        a, q = np.argwhere((maps < 0) | (maps >= maps.shape[1]))[0]
        raise ValueError(f"machine[{a}][{q}] is {maps[a, q]}, which is no state (0 … {maps.shape[1] - 1})")
    return maps


def _squares(maps: Int[np.ndarray, "N Q"]) -> Int[np.ndarray, "N Q"]:
    """x·x for each row x."""
    return np.take_along_axis(maps, maps, axis=1)


def _share_images(idempotents: Int[np.ndarray, "E Q"]) -> bool:
    """Have two of them one image? Then e·f = e and f·e = f, so that e·f·e = e is not f·e = f."""
    image = np.zeros(idempotents.shape, dtype=bool)
    image[np.arange(len(idempotents))[:, None], idempotents] = True
    return len(np.unique(np.packbits(image, axis=1), axis=0)) < len(idempotents)
