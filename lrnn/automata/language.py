"""A regular language: the set of the words that an automaton accepts.

Shapes: Q states · A letters of the alphabet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
from jaxtyping import Bool, Int, Int64

from lrnn.automata.quotient import after_any, beginnings_of, ends_of, reversed_table
from lrnn.automata.run import in_order_of_visit, moore, pair_table
from lrnn.automata.table import letter_numbers

MAX_STATES = 10_000

# Where Self will not do: in a union, as the result of an operator is, the run-time checks of the tests cannot read it.
L = TypeVar("L", bound="Language")


class Language(ABC):
    """What :class:`lrnn.automata.DFA` is as a set: ``word in language``, ``|``, ``&``, ``-``, ``^``, ``~``, ``==``, the
    mirrored words, and quotients."""

    alphabet: tuple[str, ...]
    delta: Int64[np.ndarray, "Q A"]
    start: int
    accepting: frozenset[int]

    @abstractmethod
    def __init__(
        self,
        *,
        alphabet: Sequence[str],
        delta: Int[np.ndarray, "Q A"] | Sequence[Sequence[int]],
        start: int,
        accepting: Iterable[int],
    ) -> None: ...

    @classmethod
    def trimmed(
        cls, alphabet: Sequence[str], delta: Int[np.ndarray, "Q A"], start: int, accepting: Iterable[int]
    ) -> Self:
        """From a complete table in which some states may be out of reach: they are left out, the others numbered in
        the order in which a breadth-first walk meets them (so the start is 0)."""
        order = in_order_of_visit(delta, start)
        number = np.full(len(delta), -1)
        number[order] = np.arange(len(order))
        kept = frozenset(int(number[state]) for state in accepting if number[state] >= 0)
        return cls(alphabet=alphabet, delta=number[delta[order]], start=0, accepting=kept)

    @property
    def num_states(self) -> int:
        """Q."""
        return len(self.delta)

    @cached_property
    def accepts_in(self) -> Bool[np.ndarray, "Q"]:
        """Is each state accepting?"""
        mask = np.zeros(self.num_states, dtype=bool)
        mask[list(self.accepting)] = True
        mask.flags.writeable = False
        return mask

    @property
    def is_empty(self) -> bool:
        """Is no word accepted? (Every state is reachable.)"""
        return not self.accepting

    def __contains__(self, word: Iterable[str]) -> bool:
        """Is the word accepted? One with a letter outside the alphabet is not."""
        state, numbers = self.start, {letter: number for number, letter in enumerate(self.alphabet)}
        for letter in word:
            if letter not in numbers:
                return False
            state = int(self.delta[state, numbers[letter]])
        return state in self.accepting

    @cached_property
    def minimal(self) -> Self:
        """The automaton of the same language and alphabet with the fewest states, numbered breadth first."""
        classes = moore(self.delta, self.accepts_in.astype(np.int64))
        first = np.unique(classes, return_index=True)[1]
        accepting = set(classes[list(self.accepting)].tolist())
        return self.trimmed(self.alphabet, classes[self.delta[first]], int(classes[self.start]), accepting)

    @cached_property
    def _words(self) -> tuple[tuple[str, ...], bytes, frozenset[int]]:
        """Equal for equal sets of words: the minimal automaton over the sorted letters that occur in accepted words."""
        small = self.minimal
        dead = ~small.accepts_in & (small.delta == np.arange(small.num_states)[:, None]).all(1)
        used = [a for a in range(len(self.alphabet)) if not dead[small.delta[:, a]].all()]
        used.sort(key=lambda a: self.alphabet[a])
        letters = tuple(self.alphabet[a] for a in used)
        if not letters:
            return (), b"", frozenset(small.accepting & {small.start})
        same = self.trimmed(letters, small.delta[:, used], small.start, small.accepting).minimal
        return letters, same.delta.tobytes(), same.accepting

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Language) and self._words == other._words

    def __hash__(self) -> int:
        return hash(self._words)

    def __invert__(self) -> Self:
        return self._accepting_in(~self.accepts_in)

    def __or__(self: L, other: L) -> L:
        return self._combined(other, np.logical_or)

    def __and__(self: L, other: L) -> L:
        return self._combined(other, np.logical_and)

    def __sub__(self: L, other: L) -> L:
        return self._combined(other, np.greater)

    def __xor__(self: L, other: L) -> L:
        return self._combined(other, np.not_equal)

    def over(self, alphabet: Sequence[str]) -> Self:
        """The same language over an alphabet with more letters, or the same in another order.

        Raises ValueError if one of the present letters is missing.
        """
        if missing := [letter for letter in self.alphabet if letter not in alphabet]:
            raise ValueError(f"alphabet must have all present letters; {missing} are missing in {tuple(alphabet)}")
        new = [letter for letter in alphabet if letter not in self.alphabet]
        if not new:
            delta = self.delta
        else:  # a further state, from which no word is accepted
            sink = self.num_states
            delta = np.full((sink + 1, len(alphabet)), sink, dtype=np.int64)
            delta[:sink, : len(self.alphabet)] = self.delta
        letters = [*self.alphabet, *new]
        columns = [letters.index(letter) for letter in alphabet]
        return type(self)(alphabet=alphabet, delta=delta[:, columns], start=self.start, accepting=self.accepting)

    def reversed(self, max_states: int = MAX_STATES) -> Self:
        """The minimal automaton of the mirrored words: x_T … x_1 for each x_1 … x_T.

        Raises ValueError above ``max_states``: there can be 2^Q states.

        >>> from lrnn.automata import DFA
        >>> DFA.from_regex("ab*c").reversed() == DFA.from_regex("cb*a")
        True
        """
        table, accepting = reversed_table(self.delta, self.start, self.accepts_in, max_states)
        return self.trimmed(self.alphabet, table, 0, accepting)

    def left_quotient(self: L, prefix: Iterable[str] | L, max_states: int = MAX_STATES) -> L:
        """The words that complete ``prefix`` to a word of this language: {v : prefix · v ∈ L}, minimal; for a language
        of prefixes, the words that complete at least one of them.

        Raises ValueError if the prefix has letters outside the alphabet; for a language of prefixes, if the automaton
        has more than ``max_states`` states on the way: there can be 2^Q.

        >>> from lrnn.automata import DFA
        >>> DFA.from_regex("(ab)*").left_quotient("a") == DFA.from_regex("b(ab)*")
        True
        """
        if not isinstance(prefix, Language):
            start = int(self._after(self.start, prefix)[0])
            return self.trimmed(self.alphabet, self.delta, start, self.accepting).minimal
        whole, prefixes = self._over_both(prefix)
        starts = ends_of(whole.delta, whole.start, prefixes.delta, prefixes.start, prefixes.accepts_in)
        table, accepting = after_any(self.delta, starts[: self.num_states], self.accepts_in, max_states)
        return self.trimmed(self.alphabet, table, 0, accepting).minimal

    def right_quotient(self: L, suffix: Iterable[str] | L) -> L:
        """The words that ``suffix`` completes to a word of this language: {v : v · suffix ∈ L}, minimal; for a language
        of suffixes, the words that at least one of them completes.

        Raises ValueError if the suffix has letters outside the alphabet.

        >>> from lrnn.automata import DFA
        >>> DFA.from_regex("(ab)*").right_quotient(DFA.from_regex("a*b")) == DFA.from_regex("(ab)*a?")
        True
        """
        if not isinstance(suffix, Language):
            return self._accepting_in(self.accepts_in[self._after(np.arange(self.num_states), suffix)]).minimal
        whole, suffixes = self._over_both(suffix)
        good = beginnings_of(whole.delta, whole.accepts_in, suffixes.delta, suffixes.start, suffixes.accepts_in)
        return self._accepting_in(good[: self.num_states]).minimal

    def _after(self, states: int | np.ndarray, word: Iterable[str]) -> np.ndarray:
        """The states to which a word leads from ``states``."""
        after = np.atleast_1d(states)
        for letter in letter_numbers(self.alphabet, word):
            after = self.delta[after, letter]
        return after

    def _accepting_in(self, mask: Bool[np.ndarray, "Q"]) -> Self:
        accepting = np.flatnonzero(mask).tolist()
        return type(self)(alphabet=self.alphabet, delta=self.delta, start=self.start, accepting=accepting)

    def _over_both(self, other: Self) -> tuple[Self, Self]:
        """Both over the letters of both; the states of this one keep their numbers."""
        letters = tuple(dict.fromkeys([*self.alphabet, *other.alphabet]))
        return self.over(letters), other.over(letters)

    def _combined(self, other: Self, rule: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Self:
        """Accept where ``rule`` says so of the two verdicts, over the letters of both."""
        left, right = self._over_both(other)
        table, pairs = pair_table(left.delta, right.delta, left.start, right.start)
        accepting = np.flatnonzero(rule(left.accepts_in[pairs[:, 0]], right.accepts_in[pairs[:, 1]]))
        return self.trimmed(left.alphabet, table, 0, accepting.tolist()).minimal
