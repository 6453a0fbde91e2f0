"""A deterministic machine that says one of several labels after every prefix of a word.

Shapes: B words · T letters · Q states · A letters of the alphabet · k letters that are elements · n order of a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.dfa import DFA
from lrnn.automata.group import Group
from lrnn.automata.run import in_order_of_visit, moore, run_table
from lrnn.automata.table import check_letters, checked_table, letter_numbers
from lrnn.automata.word_problem import word_problem


@dataclass(frozen=True, init=False, eq=False)
class Machine:
    """States 0 … Q − 1, for each state and letter the one state that follows, and a label on each state (a Moore
    machine); immutable, complete, all states reachable. A language has two labels, a word problem as many as elements.

    Arguments:
        alphabet: the letters, each a non-empty str; letter number a is ``alphabet[a]``.
        delta: ``delta[q, a]`` is the state after reading letter a in state q.
        start: the state before the first letter.
        labels: ``labels[q]`` is the number of the label of state q.
        names: a name for each label; some may be on no state.

    Raises ValueError listing every fault of the table, as :class:`lrnn.automata.DFA` does, or if the labels are not
    one number of a name for each state.

    >>> mod3 = Machine(alphabet="a", delta=[[1], [2], [0]], start=0, labels=[0, 1, 1], names=("zero", "other"))
    >>> [mod3.names[label] for label in mod3.run(np.array([[0, 0, 0]]))[0]]
    ['other', 'other', 'zero']
    """

    alphabet: tuple[str, ...]
    delta: Int64[np.ndarray, "Q A"]
    start: int
    labels: Int64[np.ndarray, "Q"]
    names: tuple[str, ...]

    def __init__(
        self,
        *,
        alphabet: Sequence[str],
        delta: Int[np.ndarray, "Q A"] | Sequence[Sequence[int]],
        start: int,
        labels: Int[np.ndarray, "Q"] | Sequence[int],
        names: Sequence[str],
    ) -> None:
        table = checked_table(alphabet, delta, (), start)
        numbers = np.array(labels)
        if numbers.shape != (len(table),) or numbers.dtype.kind not in "iu":
            raise ValueError(
                f"labels must be one integer for each of the {len(table)} states, got shape {numbers.shape}, "
                f"dtype {numbers.dtype}"
            )
        if numbers.min() < 0 or numbers.max() >= len(names):
            raise ValueError(
                f"labels must be numbers of the {len(names)} names, 0 … {len(names) - 1}, "
                f"got {numbers.min()} … {numbers.max()}"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"names must differ, got {tuple(names)}")
        numbers = numbers.astype(np.int64)
        numbers.flags.writeable = False
        for name, value in (
            ("alphabet", tuple(alphabet)),
            ("delta", table),
            ("start", int(start)),
            ("labels", numbers),
            ("names", tuple(names)),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, dfa: DFA) -> Machine:
        """The states of an automaton, labeled 0 ``reject`` and 1 ``accept``.

        >>> Machine.of(DFA.from_regex("(aa)*")).labels.tolist()
        [1, 0]
        """
        return cls(
            alphabet=dfa.alphabet,
            delta=dfa.delta,
            start=dfa.start,
            labels=dfa.accepts_in.astype(np.int64),
            names=("reject", "accept"),
        )

    @classmethod
    def of_group(cls, group: Group, elements: Int[np.ndarray, "k"] | Sequence[int]) -> Machine:
        """The word problem of a group: reading letter x in state g leads to x ∘ g, so that the label after x_1 … x_t
        is x_t ∘ … ∘ x_1. The labels are the elements, all of them named; the states are those that the letters reach,
        in ascending order, so that state and label are the same number if the letters generate the group.

        Arguments:
            group: the group.
            elements: those that serve as letters, as :func:`lrnn.automata.generators` gives them; their names are the
                alphabet.

        Raises ValueError if there is none, if one is named twice, or if a number is no element.

        >>> swaps = Machine.of_group(Group("S3"), [1, 2])
        >>> swaps.alphabet, swaps.delta[:, 0].tolist()
        (('(2 3)', '(1 2)'), [1, 0, 4, 5, 2, 3])
        """
        alphabet, delta, reached = word_problem(group, elements)
        return cls(alphabet=alphabet, delta=delta, start=0, labels=reached, names=group.elements)

    @property
    def num_states(self) -> int:
        """Q."""
        return len(self.delta)

    @property
    def num_labels(self) -> int:
        """Number of names."""
        return len(self.names)

    def encode(self, word: Iterable[str]) -> Int64[np.ndarray, "T"]:
        """Letter numbers of a word (a str is read one character at a time). Raises ValueError for unknown letters."""
        return letter_numbers(self.alphabet, word)

    def states(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The state after every prefix of every word, given as letter numbers.

        Raises ValueError if a number is no letter.
        """
        check_letters(words, len(self.alphabet))
        return run_table(self.delta, words, self.start)

    def run(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The label after every prefix of every word, given as letter numbers.

        Raises ValueError if a number is no letter.
        """
        return self.labels[self.states(words)]

    @cached_property
    def minimal(self) -> Machine:
        """The machine with the same labels after every word and the fewest states, numbered breadth first."""
        classes = moore(self.delta, self.labels)
        first = np.unique(classes, return_index=True)[1]
        delta, labels = classes[self.delta[first]], self.labels[first]
        order = in_order_of_visit(delta, int(classes[self.start]))
        return Machine(
            alphabet=self.alphabet,
            delta=np.argsort(order)[delta[order]],
            start=0,
            labels=labels[order],
            names=self.names,
        )
