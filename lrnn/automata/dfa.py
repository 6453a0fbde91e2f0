"""A deterministic finite automaton: its table, and where it comes from.

Shapes: B words · T letters · Q states · A letters of the alphabet · k letters that are elements of a group.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.att_file import read_att, read_symbols, write_att, write_symbols
from lrnn.automata.explore import explored
from lrnn.automata.glushkov import regex_table
from lrnn.automata.group import Group
from lrnn.automata.json_file import Spec, read_json, write_json
from lrnn.automata.language import MAX_STATES, Language
from lrnn.automata.picture import dot_text, draw_svg
from lrnn.automata.run import run_table
from lrnn.automata.table import alphabet_faults, check_letters, checked_table, letter_numbers
from lrnn.automata.word_problem import word_problem

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True, init=False, eq=False)
class DFA(Language):
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
        return cls._from_file(path, read_json(Path(path)))

    @classmethod
    def from_att(
        cls,
        path: str | Path,
        alphabet: Sequence[str] | None = None,
        symbols: str | Path | None = None,
        complete: bool = False,
    ) -> DFA:
        """From a file in the text format of AT&T's FSM library, as OpenFst, foma and HFST write it: lines ``source
        destination letter [weight]`` and, for accepting states, ``state [weight]``; the first state is the start.

        Arguments:
            alphabet: the letters; by default those of the file, in their order there.
            symbols: a file of symbols, lines ``letter number``, which gives the alphabet instead; number 0 is ε.
            complete: let missing entries lead to a state from which no word is accepted; else they are an error.

        Labels are letters as they are written, numbers too. Weights say nothing about the language, except that an arc
        or final state of weight Infinity is not there. States are numbered in the order in which they appear.

        Raises OSError if a file cannot be read, and ValueError naming the file and every faulty line: two arcs for one
        state and letter or none (nondeterministic, incomplete), ε, outputs that differ from the letter, states that no
        word reaches.
        """
        if alphabet is not None and symbols is not None:
            raise ValueError("alphabet and symbols both give the letters; pass one of them")
        letters = read_symbols(Path(symbols)) if symbols is not None else alphabet
        return cls._from_file(path, read_att(Path(path), letters, complete))

    @classmethod
    def _from_file(cls, path: str | Path, spec: Spec) -> DFA:
        try:
            return cls(alphabet=spec.alphabet, delta=spec.delta, start=spec.start, accepting=spec.accepting)
        except ValueError as error:
            raise ValueError(f"{path}: {error} (states are numbered {spec.numbering})") from None

    @classmethod
    def from_step(
        cls,
        alphabet: Sequence[str],
        step: Callable[[State, str], State],
        start: State,
        accepting: Callable[[State], bool],
        max_states: int = MAX_STATES,
    ) -> DFA:
        """From a Python function; its states are numbered breadth first, the start is 0, and none are merged.

        Arguments:
            step: ``step(state, letter)`` is the state after reading the letter; states are hashable.
            start: the state before the first letter.
            accepting: is a word accepted that leads to this state?
            max_states: cap on the states, without which a function with endless many would never end.

        Raises ValueError if the alphabet is empty or has a letter twice, if a state is not hashable, or above the cap.

        >>> DFA.from_step("01", lambda rest, digit: (2 * rest + int(digit)) % 3, 0, lambda rest: rest == 0).num_states
        3
        """
        if faults := alphabet_faults(alphabet):
            raise ValueError("; ".join(faults))
        try:
            table, states = explored(
                _hashable(start),
                lambda state: [_hashable(step(state, x)) for x in alphabet],
                max_states,
                "the automaton of step",
            )
        except _NotHashable as error:
            raise ValueError(f"the states of step must be hashable, as int or tuple; got {error}") from None
        return cls(
            alphabet=alphabet,
            delta=table,
            start=0,
            accepting=[number for number, state in enumerate(states) if accepting(state)],
        )

    @classmethod
    def from_group(
        cls, group: Group, generators: Int[np.ndarray, "k"] | Sequence[int], accepting: Iterable[int] = (0,)
    ) -> DFA:
        """The words x_1 … x_t over some elements of a group whose product x_t ∘ … ∘ x_1 is one of those in
        ``accepting``: by default the identity, which makes it the word problem of the group.

        Arguments:
            group: the group.
            generators: the elements that are letters, by number, as :func:`lrnn.automata.generators` gives them; the
                alphabet is their names, the states are the elements that they generate, in ascending order.
            accepting: elements, by number.

        Raises ValueError if there are no generators, if one is named twice, or if a number is no element.

        >>> DFA.from_group(Group("Z3"), [1]) == DFA.from_regex("(111)*")
        True
        """
        alphabet, delta, elements = word_problem(group, generators)
        wanted = sorted(set(accepting))
        if wrong := [g for g in wanted if not 0 <= g < group.order]:
            raise ValueError(f"accepting elements {wrong} are none of {group.name}, 0 … {group.order - 1}")
        return cls(
            alphabet=alphabet, delta=delta, start=0, accepting=np.flatnonzero(np.isin(elements, wanted)).tolist()
        )

    def encode(self, word: Iterable[str]) -> Int64[np.ndarray, "T"]:
        """Letter numbers of a word (a str is read one character at a time). Raises ValueError for unknown letters."""
        return letter_numbers(self.alphabet, word)

    def run(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The state after every prefix of every word, given as letter numbers.

        Raises ValueError if a number is no letter.
        """
        check_letters(words, len(self.alphabet))
        return run_table(self.delta, words, self.start)

    def to_json(self, path: str | Path) -> None:
        """Write a file that :meth:`from_json` reads; states are named by their numbers, so they keep them."""
        write_json(Path(path), self.alphabet, self.delta, self.start, self.accepting)

    def to_att(self, path: str | Path, symbols: str | Path | None = None) -> None:
        """Write a file that :meth:`from_att` reads, and with ``symbols`` the file of symbols for OpenFst's
        ``fstcompile --acceptor --isymbols=…``.

        Raises ValueError if a letter has a blank in it or is a sign for ε, as ``<eps>``.
        """
        write_att(Path(path), self.alphabet, self.delta, self.start, self.accepting)
        if symbols is not None:
            write_symbols(Path(symbols), self.alphabet)

    def to_dot(self) -> str:
        """A description in the language of graphviz.

        >>> print(DFA.from_regex("(ab)*", "ab").to_dot().splitlines()[7])
          0 -> 2 [label="b"];
        """
        return dot_text(self.alphabet, self.delta, self.start, self.accepting)

    def to_svg(self, path: str | Path) -> None:
        """Write a drawing. Raises RuntimeError if graphviz's program ``dot`` is not on the PATH."""
        draw_svg(self.to_dot(), Path(path))


class _NotHashable(Exception):
    """A state that cannot be looked up; a type of its own, so that no TypeError of ``step`` itself is taken for it."""


def _hashable(state: State) -> State:
    try:
        hash(state)
    except TypeError:
        raise _NotHashable(f"{state!r} of type {type(state).__name__}") from None
    return state
