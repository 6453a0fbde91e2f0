"""A deterministic finite automaton, and the language it stands for.

Shapes: B words · T letters · Q states · A letters of the alphabet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, Int64

from lrnn.automata.glushkov import regex_table
from lrnn.automata.json_file import read_json
from lrnn.automata.run import in_order_of_visit, moore, pair_table, run_table
from lrnn.automata.table import alphabet_faults, check_letters, checked_table, letter_numbers

MAX_STATES = 10_000


@dataclass(frozen=True, init=False, eq=False)
class DFA:
    """States 0 … Q − 1, and for each state and letter the one state that follows; immutable, complete, all reachable.

    It also is the set of the words it accepts: ``word in dfa``, ``|``, ``&``, ``-``, ``^``, ``~`` (the other words over
    its alphabet), and ``==``, which means the same set of words, whatever the tables and alphabets look like.

    Arguments:
        alphabet: the letters, each a non-empty str; letter number a is ``alphabet[a]``.
        delta: ``delta[q, a]`` is the state after reading letter a in state q. (Never called "transition": that is A_t.)
        start: the state before the first letter.
        accepting: the states in which a word is accepted; may be empty.

    Raises ValueError listing every fault: an empty alphabet or one with a letter twice, a table that is not [Q, A],
    entries that are no states, a start or accepting state that does not exist, states that no word reaches.

    >>> even = DFA(alphabet=("a", "b"), delta=[[1, 0], [0, 1]], start=0, accepting={0})
    >>> "abab" in even, "ab" in even, even == DFA.from_regex("b*(ab*ab*)*")
    (True, False, True)
    """

    alphabet: tuple[str, ...]
    delta: Int64[np.ndarray, "Q A"]
    start: int
    accepting: frozenset[int]

    def __init__(
        self,
        *,
        alphabet: Sequence[str],
        delta: Int[np.ndarray, "Q A"] | Sequence[Sequence[int]],
        start: int,
        accepting: Iterable[int],
    ) -> None:
        accepting = frozenset(int(state) for state in accepting)
        table = checked_table(alphabet, delta, accepting, start)
        for name, value in (
            ("alphabet", tuple(alphabet)),
            ("delta", table),
            ("start", int(start)),
            ("accepting", accepting),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def trimmed(
        cls, alphabet: Sequence[str], delta: Int[np.ndarray, "Q A"], start: int, accepting: Iterable[int]
    ) -> DFA:
        """From a complete table in which some states may be out of reach: they are left out, the others numbered in
        the order in which a breadth-first walk meets them (so the start is 0)."""
        order = in_order_of_visit(delta, start)
        number = np.full(len(delta), -1)
        number[order] = np.arange(len(order))
        kept = frozenset(int(number[state]) for state in accepting if number[state] >= 0)
        return cls(alphabet=alphabet, delta=number[delta[order]], start=0, accepting=kept)

    @classmethod
    def from_regex(cls, pattern: str, alphabet: Sequence[str] | None = None, max_states: int = MAX_STATES) -> DFA:
        r"""The minimal automaton of a regular expression.

        Arguments:
            pattern: letters and ``|``, ``*``, ``+``, ``?``, ``{m}``, ``{m,}``, ``{m,n}``, ``( )``; ``.`` any letter of
                the alphabet, ``[abc]``, ``[a-c]``, ``[^ab]`` sets of letters; ``ε`` or ``()`` the empty word, ``∅`` the
                empty language; ``\`` before a special letter to mean itself. Blanks are letters. A word matches as a
                whole.
            alphabet: the letters, one character each; by default those written in the pattern, sorted.
            max_states: cap on the states before minimization, which are up to 2^letters in the worst case.

        Raises ValueError with the position and the reason if the pattern is no regular expression, if it uses a letter
        outside the alphabet, if the alphabet is empty, or above the cap.

        >>> DFA.from_regex("(ab|ba)*").delta.shape
        (4, 2)
        """
        letters, delta, accepting = regex_table(pattern, alphabet, max_states)
        faults = alphabet_faults(letters) + [
            f"letter {letter!r} of the alphabet must be one character" for letter in letters if len(letter) != 1
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return cls.trimmed(letters, delta, 0, accepting).minimal

    @classmethod
    def from_json(cls, path: str | Path) -> DFA:
        """From a file that names its states; they are numbered in the order of ``delta``.

        .. code-block:: json

            {"alphabet": ["a", "b"],
             "start": "even",
             "accepting": ["even"],
             "delta": {"even": {"a": "odd",  "b": "even"},
                       "odd":  {"a": "even", "b": "odd"}}}

        Raises OSError if the file cannot be read, and ValueError naming the file and the line (no JSON) or every faulty
        field (missing, unknown, not a state, unreachable …).
        """
        spec = read_json(Path(path))
        try:
            return cls(alphabet=spec.alphabet, delta=spec.delta, start=spec.start, accepting=spec.accepting)
        except ValueError as error:
            raise ValueError(f"{path}: {error} (states are numbered {spec.numbering})") from None

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

    def encode(self, word: Iterable[str]) -> Int64[np.ndarray, "T"]:
        """Letter numbers of a word (a str is read one character at a time). Raises ValueError for unknown letters."""
        return letter_numbers(self.alphabet, word)

    def run(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The state after every prefix of every word, given as letter numbers.

        Raises ValueError if a number is no letter.
        """
        check_letters(words, len(self.alphabet))
        return run_table(self.delta, words, self.start)

    def __contains__(self, word: Iterable[str]) -> bool:
        """Is the word accepted? One with a letter outside the alphabet is not."""
        state, numbers = self.start, {letter: number for number, letter in enumerate(self.alphabet)}
        for letter in word:
            if letter not in numbers:
                return False
            state = int(self.delta[state, numbers[letter]])
        return state in self.accepting

    @cached_property
    def minimal(self) -> DFA:
        """The automaton of the same language and alphabet with the fewest states, numbered breadth first."""
        classes = moore(self.delta, self.accepts_in.astype(np.int64))
        first = np.unique(classes, return_index=True)[1]
        accepting = set(classes[list(self.accepting)].tolist())
        return DFA.trimmed(self.alphabet, classes[self.delta[first]], int(classes[self.start]), accepting)

    @cached_property
    def _language(self) -> tuple[tuple[str, ...], bytes, frozenset[int]]:
        """Equal for equal sets of words: the minimal automaton over the sorted letters that occur in accepted words."""
        small = self.minimal
        dead = ~small.accepts_in & (small.delta == np.arange(small.num_states)[:, None]).all(1)
        used = [a for a in range(len(self.alphabet)) if not dead[small.delta[:, a]].all()]
        used.sort(key=lambda a: self.alphabet[a])
        letters = tuple(self.alphabet[a] for a in used)
        if not letters:
            return (), b"", frozenset(small.accepting & {small.start})
        same = DFA.trimmed(letters, small.delta[:, used], small.start, small.accepting).minimal
        return letters, same.delta.tobytes(), same.accepting

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DFA) and self._language == other._language

    def __hash__(self) -> int:
        return hash(self._language)

    def __invert__(self) -> DFA:
        rejecting = set(range(self.num_states)) - self.accepting
        return DFA(alphabet=self.alphabet, delta=self.delta, start=self.start, accepting=rejecting)

    def __or__(self, other: DFA) -> DFA:
        return self._combined(other, np.logical_or)

    def __and__(self, other: DFA) -> DFA:
        return self._combined(other, np.logical_and)

    def __sub__(self, other: DFA) -> DFA:
        return self._combined(other, np.greater)

    def __xor__(self, other: DFA) -> DFA:
        return self._combined(other, np.not_equal)

    @property
    def is_empty(self) -> bool:
        """Is no word accepted? (Every state is reachable.)"""
        return not self.accepting

    def over(self, alphabet: Sequence[str]) -> DFA:
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
        return DFA(alphabet=alphabet, delta=delta[:, columns], start=self.start, accepting=self.accepting)

    def _combined(self, other: DFA, rule: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> DFA:
        """Accept where ``rule`` says so of the two verdicts, over the letters of both."""
        letters = tuple(dict.fromkeys([*self.alphabet, *other.alphabet]))
        left, right = self.over(letters), other.over(letters)
        table, pairs = pair_table(left.delta, right.delta, left.start, right.start)
        accepting = np.flatnonzero(rule(left.accepts_in[pairs[:, 0]], right.accepts_in[pairs[:, 1]]))
        return DFA.trimmed(letters, table, 0, accepting.tolist()).minimal
