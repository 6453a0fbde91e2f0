"""First pass: whatever names a language becomes one minimal machine.

Shapes: Q states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from lrnn.automata import DFA, Group, Machine, generators

Language = str | DFA | Machine | Group
"""A regular expression, an automaton, a machine, or a group, which stands for its word problem."""


@dataclass(frozen=True)
class Target:
    """What is to be computed."""

    name: str
    """For people."""
    machine: Machine
    """Minimal: every state is reached, and every two answer some word differently."""
    views: tuple[Int64[np.ndarray, "Q"], ...] = ()
    """Classes of states that are worth trying as parts (:mod:`lrnn.compiler.parts`): where a permutation sends a
    point."""


def read(language: Language, letters: str | Sequence[int] = "all") -> Target:
    """The minimal machine behind a language.

    Arguments:
        letters: of a group, the elements that serve as letters, as in :func:`lrnn.automata.generators`, or their
            numbers; of any other language it must be left alone.

    Raises ValueError for a regular expression that is none, generators of what is no group, or a wrong type.
    """
    if isinstance(language, Group):
        return _word_problem(language, letters)
    kind = type(language).__name__
    if isinstance(letters, str) and letters != "all":
        raise ValueError(f"generators = {letters!r}: only a Group has generators, and this is of type {kind}")
    if isinstance(language, str):
        return Target(language, Machine.of(DFA.from_regex(language)).minimal)
    if isinstance(language, DFA):
        return Target(f"DFA with {language.minimal.num_states} states", Machine.of(language.minimal).minimal)
    if isinstance(language, Machine):
        return Target(f"machine with {language.minimal.num_states} states", language.minimal)
    raise TypeError(f"language is of type {kind}: must be a regular expression (str), a DFA, a Machine or a Group")


def _word_problem(group: Group, letters: str | Sequence[int]) -> Target:
    elements = generators(group, letters) if isinstance(letters, str) else np.array(letters, dtype=np.int64)
    machine = Machine.of_group(group, elements).minimal
    points = group.permutations[machine.labels]  # [Q, P]: where each point is after the word
    chosen = letters if isinstance(letters, str) else ";".join(group.elements[x] for x in elements)
    views = tuple(np.unique(column, return_inverse=True)[1].astype(np.int64) for column in points.T)
    return Target(f"{group.name}, letters {chosen}", machine, views)
