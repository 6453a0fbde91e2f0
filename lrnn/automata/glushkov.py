"""From the tree of a regular expression to a table.

The letters written in the tree are numbered (Glushkov's positions), and it is noted which can follow which; sets of
positions are the states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Int64

from lrnn.automata.explore import explored
from lrnn.automata.regex import Concat, Letters, Node, Repeat, Union, read_regex

MAX_POSITIONS = 20_000


def letter_sets(node: Node) -> Iterator[Letters]:
    """Every set of letters that is written in the tree, from left to right."""
    match node:
        case Letters():
            yield node
        case Repeat():
            yield from letter_sets(node.inner)
        case Concat() | Union():
            for part in node.parts:
                yield from letter_sets(part)


class Positions:
    """Which written letter can stand first, last, and after which other; sets of positions are bits of an int."""

    def __init__(self, node: Node, alphabet: Sequence[str]) -> None:
        self.alphabet = alphabet
        self.follow: list[int] = [0]  # position 0 stands before the word
        self.of_letter = dict.fromkeys(alphabet, 0)
        nullable, first, last = self.visit(node)
        self.follow[0] = first
        self.final = last | nullable

    def visit(self, node: Node) -> tuple[bool, int, int]:
        """(matches the empty word?, first positions, last positions)"""
        match node:
            case Letters():
                return self.place(node)
            case Union():
                found = [self.visit(part) for part in node.parts]
                return any(x[0] for x in found), _either(x[1] for x in found), _either(x[2] for x in found)
            case Concat():
                return self.chain(self.visit(part) for part in node.parts)
            case Repeat():
                return self.chain(self.copies(node))

    def place(self, node: Letters) -> tuple[bool, int, int]:
        if len(self.follow) > MAX_POSITIONS:
            raise ValueError(f"the regular expression, written out, has more than {MAX_POSITIONS:,} letters")
        bit = 1 << len(self.follow)
        self.follow.append(0)
        for letter in self.alphabet:
            if (letter in node.letters) != node.negated:
                self.of_letter[letter] |= bit
        return False, bit, bit

    def copies(self, node: Repeat) -> Iterator[tuple[bool, int, int]]:
        """x{m,n} is m times x and n − m times x?; x{m,} is m − 1 times x and then x+."""
        endless = node.most is None
        count = max(node.least, 1) if node.most is None else node.most
        before = len(self.follow)
        for copy in range(count):
            nullable, first, last = self.visit(node.inner)
            if endless and copy == count - 1:
                self.connect(last, first)
            yield nullable or copy >= node.least, first, last
            if len(self.follow) == before:  # nothing but ε or ∅ inside: one copy says it all
                return

    def chain(self, parts: Iterable[tuple[bool, int, int]]) -> tuple[bool, int, int]:
        nullable, first, last = True, 0, 0
        for part_nullable, part_first, part_last in parts:
            self.connect(last, part_first)
            first |= part_first if nullable else 0
            last = part_last | (last if part_nullable else 0)
            nullable &= part_nullable
        return nullable, first, last

    def connect(self, last: int, first: int) -> None:
        for position in _bits(last):
            self.follow[position] |= first


def regex_table(
    pattern: str, alphabet: Sequence[str] | None, max_states: int
) -> tuple[tuple[str, ...], Int64[np.ndarray, "Q A"], list[int]]:
    """Alphabet, complete table with start state 0, and accepting states; not minimal.

    Raises ValueError as :meth:`lrnn.automata.DFA.from_regex` says.
    """
    try:
        letters, positions = _positions(pattern, alphabet)
    except RecursionError:
        raise ValueError(f"regular expression {pattern[:40]!r}…: it is nested too deeply") from None

    def after(state: int) -> list[int]:
        following = _either(positions.follow[position] for position in _bits(state))
        return [following & positions.of_letter[letter] for letter in letters]

    table, states = explored(1, after, max_states, f"the automaton of {pattern!r}")
    return letters, table, [number for number, state in enumerate(states) if state & positions.final]


def _positions(pattern: str, alphabet: Sequence[str] | None) -> tuple[tuple[str, ...], Positions]:
    node = read_regex(pattern)
    written = list(letter_sets(node))
    letters = tuple(sorted(set().union(*(x.letters for x in written)))) if alphabet is None else tuple(alphabet)
    if not letters:
        raise ValueError(
            f"the alphabet is empty: no letter is written in {pattern!r}, so pass alphabet='ab' or --letters ab"
        )
    for wrong in written:
        if unknown := sorted(wrong.letters - set(letters)):
            raise ValueError(
                f"regular expression {pattern!r}, position {wrong.at}: {unknown[0]!r} is not in the alphabet {letters}"
            )
    return letters, Positions(node, letters)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _either(masks: Iterable[int]) -> int:
    together = 0
    for mask in masks:
        together |= mask
    return together
