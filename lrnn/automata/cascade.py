"""A cascade of permutation–reset automata: each level reads what the levels above it make of the letter.

Shapes: B words · T letters · L levels · P contexts · n coordinates · Z actions · p points · k permutations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.group import Group
from lrnn.automata.run import run_table
from lrnn.automata.table import check_letters


@dataclass(frozen=True, eq=False)
class Component:
    """A group that acts on some coordinates of a level.

    Arguments:
        points: the coordinates.
        permutations: generators; row i carries ``points[j]`` to ``points[permutations[i, j]]``. There may be none.
        tiles: for a holonomy group, the states in each point's tile of the representative; else ().
    """

    points: tuple[int, ...]
    permutations: Int64[np.ndarray, "k p"]
    tiles: tuple[tuple[int, ...], ...] = ()

    @property
    def is_trivial(self) -> bool:
        """Is it the group of one element?"""
        return bool((self.permutations == np.arange(len(self.points))).all())

    @cached_property
    def group(self) -> Group:
        """The group, whose element 0 is the identity. Raises ValueError above :data:`lrnn.automata.group.MAX_ORDER`."""
        return Group.generated(self.permutations)


@dataclass(frozen=True, eq=False)
class Level:
    """One permutation–reset automaton of a cascade, whose letters are contexts.

    A context is all that the level needs to know of the letter and of the coordinates above. In context P and at
    coordinate c the level goes to coordinate ``actions[action_of[P], c]`` and hands ``next_context[P, c]`` down.

    Arguments:
        actions: each row is the identity, a permutation of the coordinates, or constant (a reset). Rows differ.
        action_of: the number of each context's action.
        next_context: the context of the next level, or after the last level the new state of the machine (or its
            label); −1 where context and coordinate cannot meet.
        start: the coordinate before the first letter.
        components: the groups in it, on disjoint points that cover the coordinates; trivial ones too.

    Raises ValueError for an action that is none of the three.
    """

    actions: Int64[np.ndarray, "Z n"]
    action_of: Int64[np.ndarray, "P"]
    next_context: Int64[np.ndarray, "P n"]
    start: int
    components: tuple[Component, ...]

    def __post_init__(self) -> None:
        reset = (self.actions == self.actions[:, :1]).all(1)
        permutes = (np.sort(self.actions, axis=1) == np.arange(self.num_states)).all(1)
        if wrong := self.actions[~(reset | permutes)].tolist():
            raise ValueError(f"actions must be permutations or constant, got {wrong[:5]}")

    @property
    def num_states(self) -> int:
        """Number of coordinates."""
        return self.actions.shape[1]

    @property
    def num_contexts(self) -> int:
        """Number of contexts."""
        return len(self.action_of)

    @property
    def is_reset(self) -> bool:
        """Is every permutation in it the identity?"""
        return all(component.is_trivial for component in self.components)


@dataclass(frozen=True, eq=False)
class Cascade:
    """Levels that together do what a machine does.

    Reading letter x, the context of the first level is the number of x. Each level, from its context and its coordinate
    *before* x, gives the context of the next one, and moves. What the last level gives is the new state of the machine,
    or its label.

    Arguments:
        levels: at least one.
        num_outputs: number of states of the machine, or of labels.
        whole: if given, for each level what ``next_context`` would be for a letter that changes nothing: row 0 of the
            first, and so on down to the state. ``state_of`` needs it.

    Raises ValueError if there is no level, or if one hands down what the next has not.

    >>> from lrnn.automata import DFA, decompose
    >>> cascade = decompose(DFA.from_regex("(aa)*b"))
    >>> [(level.num_contexts, level.num_states, level.is_reset) for level in cascade.levels]
    [(2, 2, True), (3, 3, False)]
    """

    levels: tuple[Level, ...]
    num_outputs: int
    whole: tuple[Int64[np.ndarray, "_ _"], ...] | None = None

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("levels must hold at least one level")
        counts = [level.num_contexts for level in self.levels[1:]] + [self.num_outputs]
        for number, (level, count) in enumerate(zip(self.levels, counts), start=1):
            if level.next_context.max() >= count:
                raise ValueError(
                    f"level {number} hands down {level.next_context.max()}, but what follows knows 0 … {count - 1}"
                )

    @property
    def start(self) -> tuple[int, ...]:
        """The coordinates before the first letter."""
        return tuple(level.start for level in self.levels)

    @property
    def is_aperiodic(self) -> bool:
        """Does no level have a group? Then, and only then, the machine counts nothing: its languages are star-free.

        Source: Schützenberger, On finite monoids having only trivial subgroups, Information and Control 8 (1965).
        """
        return all(level.is_reset for level in self.levels)

    @property
    def num_pairs(self) -> int:
        """Contexts times coordinates, summed over the levels: the size of the cascade written as tables."""
        return sum(level.next_context.size for level in self.levels)

    def coordinates(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T L"]:
        """The coordinates after every prefix of every word, given as letter numbers.

        Raises ValueError if a number is no letter.
        """
        return np.stack(self._runs(words)[0], axis=2)

    def run(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The state of the machine (or its label) after every prefix of every word, given as letter numbers.

        Raises ValueError if a number is no letter.
        """
        return self._runs(words)[1]

    def _runs(self, words: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The coordinates, level by level, and what the last level gives."""
        check_letters(words, self.levels[0].num_contexts)
        context, found = words.astype(np.int64), []
        for level in self.levels:
            after = run_table(np.ascontiguousarray(level.actions.T), level.action_of[context], level.start)
            before = np.concatenate([np.full((len(words), 1), level.start), after[:, :-1]], axis=1)[:, : words.shape[1]]
            context = level.next_context[context, before]
            found.append(after)
        return found, context

    def state_of(self, coordinates: Int[np.ndarray, "*B L"]) -> Int64[np.ndarray, "*B"]:
        """The state of the machine that the coordinates stand for: the map back, for the full cascade.

        Raises ValueError for a minimized cascade: its coordinates hold what matters for the letters to come, from which
        the present state need not follow (``run`` gives it all the same, from the letter just read).

        >>> from lrnn.automata import DFA, decompose
        >>> dfa = DFA.from_regex("(aa)*b")
        >>> full = decompose(dfa, minimize=False)
        >>> words = np.array([dfa.encode("aaab"), dfa.encode("aaba")])
        >>> bool((full.state_of(full.coordinates(words)) == dfa.minimal.run(words)).all())
        True
        """
        if self.whole is None:
            raise ValueError(
                "the coordinates of a minimized cascade hold only what matters for the letters to come; "
                "decompose with minimize=False to map them back"
            )
        context = np.zeros(coordinates.shape[:-1], dtype=np.int64)
        for number, table in enumerate(self.whole):
            context = np.asarray(table[context, coordinates[..., number]])
        return context
