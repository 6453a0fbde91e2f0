"""What is explained: a machine, and the algebra that the theorems speak of.

Shapes: A letters of the alphabet · Q states · u letters that are units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata import (
    DFA,
    Cascade,
    Green,
    Group,
    Machine,
    Monoid,
    TooLarge,
    decompose,
    generators,
    greens_relations,
    transition_monoid,
)
from lrnn.automata.group import MAX_ORDER

Language = str | DFA | Machine | Group
"""A regular expression, an automaton, a machine with a label per state, or a group: its word problem."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The machine behind a language, with what is known of its syntactic monoid.

    Arguments:
        machine: minimal, and asked after every letter but not before the first (see :func:`asked`).
        max_elements, max_seconds: caps on the search for the monoid.
        word_problem: the group and the elements that are letters, if that is what was asked about.
        is_exact: is it the language's own minimal machine, so that the start could be asked too?
    """

    machine: Machine
    max_elements: int
    max_seconds: float
    word_problem: tuple[Group, Int64[np.ndarray, "A"]] | None = field(default=None, repr=False)
    is_exact: bool = True

    @classmethod
    def of(cls, language: Language, letters: str | Sequence[int], max_elements: int, max_seconds: float) -> Subject:
        """Raises ValueError for a regular expression that is none, and for generators of what is no group."""
        if isinstance(language, Group):
            elements = generators(language, letters) if isinstance(letters, str) else np.array(letters, dtype=np.int64)
            machine = Machine.of_group(language, elements)
            if machine.num_states < language.order:
                raise ValueError(
                    f"generators reach only {machine.num_states} of the {language.order} elements of {language.name}"
                )
            return cls(machine, max_elements, max_seconds, (language, elements))
        if not (isinstance(letters, str) and letters == "all"):
            raise ValueError(f"generators = {letters!r}: only a Group has generators, got a {type(language).__name__}")
        if isinstance(language, str):
            language = DFA.from_regex(language)
        if isinstance(language, DFA):
            language = Machine.of(language)
        if not isinstance(language, Machine):
            raise TypeError(
                f"language must be a regular expression (str), a DFA, a Machine or a Group, "
                f"got a {type(language).__name__}"
            )
        machine = asked(language)
        is_exact = machine.num_states == language.minimal.num_states
        return cls(machine, max_elements, max_seconds, is_exact=is_exact)

    @property
    def alphabet(self) -> tuple[str, ...]:
        """The letters."""
        return self.machine.alphabet

    @cached_property
    def permutes(self) -> Bool[np.ndarray, "A"]:
        """Does each letter permute the states? Those are the letters that are units of the syntactic monoid."""
        return (np.sort(self.machine.delta, axis=0) == np.arange(self.machine.num_states)[:, None]).all(0)

    @cached_property
    def resets(self) -> Bool[np.ndarray, "A"]:
        """Does each letter lead to one state from all?"""
        return (self.machine.delta == self.machine.delta[0]).all(0)

    @property
    def is_group(self) -> bool:
        """Is the syntactic monoid a group?"""
        return bool(self.permutes.all())

    @cached_property
    def units(self) -> tuple[Group, Int64[np.ndarray, "u"]] | None:
        """The group of the letters that permute the states, and the element of each of them, in their order.

        None above the most elements that a :class:`lrnn.automata.Group` may have.
        """
        if self.word_problem is not None:
            return self.word_problem
        maps = self.machine.delta[:, self.permutes].T
        try:
            group = Group.generated(maps.reshape(-1, self.machine.num_states))
        except ValueError:
            return None
        number = {row.tobytes(): g for g, row in enumerate(group.permutations)}
        return group, np.array([number[np.ascontiguousarray(row).tobytes()] for row in maps], dtype=np.int64)

    @cached_property
    def _monoid(self) -> Monoid | TooLarge:
        try:
            return transition_monoid(self.machine, self.max_elements, self.max_seconds)
        except TooLarge as error:
            return error

    @property
    def monoid(self) -> Monoid | None:
        """The syntactic monoid; None above a cap."""
        return None if isinstance(self._monoid, TooLarge) else self._monoid

    @property
    def unknown(self) -> str:
        """Why the algebra is not known, for people; empty if it is."""
        if self.is_group:
            return "" if self.units is not None else f"the group has more than {MAX_ORDER:,} elements"
        return str(self._monoid) if isinstance(self._monoid, TooLarge) else ""

    @cached_property
    def green(self) -> Green | None:
        """Green's relations of the monoid, if it is known."""
        return None if self.monoid is None else greens_relations(self.monoid)

    @cached_property
    def cascade(self) -> Cascade | None:
        """The machine as permutation–reset levels; None above a cap of the decomposition."""
        try:
            return decompose(self.machine)
        except ValueError:
            return None

    def letter(self, a: int | np.integer) -> str:
        """A letter, for people."""
        return self.alphabet[int(a)]

    def spell(self, word: Sequence[str]) -> str:
        """A word, for people: letters of more than one character are kept apart; the empty word is 1."""
        if not word:
            return "1"
        return "·".join(word) if any(len(letter) > 1 for letter in self.alphabet) else "".join(word)


def asked(machine: Machine) -> Machine:
    """The smallest machine with the same labels after every word of at least one letter.

    A model says a label after every letter; before the first there is nothing it could be asked. So a start to which no
    word leads back may be any state that does the same with every letter.

    >>> asked(Machine.of(DFA.from_regex("(aa)+"))).num_states
    2
    """
    small = machine.minimal
    if (small.delta == small.start).any():
        return small
    others = np.delete(np.arange(small.num_states), small.start)
    twins = others[(small.delta[others] == small.delta[small.start]).all(1)]
    if not twins.size:
        return small
    number = np.full(small.num_states, -1)
    number[others] = np.arange(len(others))
    return Machine(
        alphabet=small.alphabet,
        delta=number[small.delta[others]],
        start=int(number[twins[0]]),
        labels=small.labels[others],
        names=small.names,
    ).minimal
