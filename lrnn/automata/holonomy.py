"""Krohn–Rhodes in its holonomy form: any machine as a cascade of permutation–reset automata.

Shapes: Q states · A letters of the alphabet · N sets of states · P contexts · n coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lrnn.automata.cascade import Cascade, Component
from lrnn.automata.cascade_draft import Draft, finished
from lrnn.automata.cascade_minimize import minimized
from lrnn.automata.dfa import DFA
from lrnn.automata.machine import Machine
from lrnn.automata.skeleton import MAX_SETS, Skeleton, carried, packed

MAX_CONTEXTS = 100_000


def decompose(
    machine: DFA | Machine,
    minimize: bool = True,
    outputs: Literal["states", "labels"] = "states",
    max_sets: int = MAX_SETS,
    max_contexts: int = MAX_CONTEXTS,
) -> Cascade:
    """The minimal form of a machine as a cascade of permutation–reset automata, whose states are those of
    ``machine.minimal``.

    A state is approximated from above by a chain Q ⊃ P_2 ⊃ P_3 … ⊃ {q} of sets of the skeleton
    (:mod:`lrnn.automata.skeleton`), each a tile of the one before. Level d holds the link below a set of depth d, as a
    tile of the representative of the set's kind. Its coordinates are the tiles of all representatives of depth d, side
    by side. Reading letter x, a level knows from above the set P that the old chain has reached and a set P' ⊇ P·x that
    the new one has:

    - P' is deeper than the level: it holds.
    - P·x = P': both are of one kind, and x permutes its tiles. These permutations lie in the kind's holonomy group.
    - P·x ⊂ P': one tile of P' has all of P·x. The level is reset to it.

    Arguments:
        machine: with the labels of its states; a DFA has two, accepting and not.
        minimize: merge contexts that ask the same of a level, then coordinates that none tells apart, and leave out
            levels that remember nothing. Else the levels are one for each depth of the skeleton, and their components
            the holonomy groups of its kinds.
        outputs: what the last level gives: the new state, or its label (0 rejected, 1 accepted for a DFA), of which
            fewer contexts need be told apart.
        max_sets: cap on the sets of the skeleton, of which there may be 2^Q.
        max_contexts: cap on the contexts of one level, before they are merged.

    Raises ValueError above a cap, naming it, and for other ``outputs``.

    Source: Egri-Nagy, Nehaniv, Computational holonomy decomposition of transformation semigroups, arXiv 1508.06345;
    Eilenberg, Automata, Languages, and Machines B (1976), chapter II.
    """
    small = machine.minimal
    if outputs not in ("states", "labels"):
        raise ValueError(f"outputs must be 'states' or 'labels', got {outputs!r}")
    found = Skeleton.of(small.delta, max_sets)
    drafts, whole = _Unrolling(found, small.delta, small.start).levels(max_contexts)
    num_outputs = small.num_states
    if outputs == "labels":
        labels = small.labels if isinstance(small, Machine) else small.accepts_in.astype(np.int64)
        num_outputs = small.num_labels if isinstance(small, Machine) else 2
        handed = drafts[-1].next_context
        drafts[-1] = replace(drafts[-1], next_context=np.where(handed < 0, -1, labels[handed]))
    if minimize:
        return Cascade(finished(minimized(drafts)), num_outputs)
    return Cascade(finished(drafts), num_outputs, tuple(whole))


@dataclass(frozen=True)
class _Place:
    """Where the tiles of the kinds of one depth are among the coordinates of its level."""

    first: dict[int, int]
    num_states: int


class _Unrolling:
    """Follows chains of sets down the levels."""

    def __init__(self, found: Skeleton, delta: np.ndarray, start: int) -> None:
        self.found, self.delta, self.start = found, delta, start
        self.numbers = found.numbers()
        self.depths = np.array([found.kinds[kind].depth if kind >= 0 else found.depth + 1 for kind in found.kind_of])
        self._tiles: dict[int, tuple[int, ...]] = {}
        self._dominating: dict[tuple[int, int], int] = {}

    def levels(self, max_contexts: int) -> tuple[list[Draft], list[np.ndarray]]:
        """The levels, and the tables that lead from coordinates back to states."""
        letters = range(self.delta.shape[1])
        if not self.found.depth:  # one state: a level with nothing to remember
            nothing = np.zeros(1, dtype=np.int64)
            return [Draft.forgetful(nothing.repeat(len(letters)))], [nothing[None]]
        contexts: list[tuple[int, int, int]] = [(0, 0, letter) for letter in letters]
        prefixes, approached = [0], 0
        drafts, whole = [], []
        for depth in range(1, self.found.depth + 1):
            if len(contexts) > max_contexts:
                raise ValueError(f"level {depth} has more than {max_contexts:,} contexts; raise max_contexts")
            place = self._place(depth)
            start = 0
            if self.depths[approached] == depth:  # the chain of the start: the first tile that has it
                tiles = self.tiles(approached)
                number = next(i for i, tile in enumerate(tiles) if self.found.sets[tile, self.start])
                start, approached = place.first[int(self.found.kind_of[approached])] + number, tiles[number]
            rows, seen = [], {}
            actions = np.full((len(contexts), place.num_states), -1)
            for row, context in zip(actions, contexts):
                rows.append(self._step(context, depth, place, row, seen))
            seen_sets: dict[int, int] = {}
            whole.append(np.array([self._refined(old, depth, place, seen_sets) for old in prefixes]))
            drafts.append(Draft(actions, np.array(rows), start, self._components(depth, place)))
            contexts, prefixes = list(seen), list(seen_sets)
        states = {number: int(np.flatnonzero(row)[0]) for number, row in enumerate(self.found.sets) if row.sum() == 1}
        # Below the last level a context is a pair of single states and a letter: the new state is what is left of it.
        last = np.array([states[new] for _, new, _ in contexts])
        drafts[-1].next_context = np.where(drafts[-1].next_context < 0, -1, last[drafts[-1].next_context])
        ends = np.array([states[number] for number in prefixes])
        whole[-1] = np.where(whole[-1] < 0, -1, ends[whole[-1]])
        return drafts, whole

    def tiles(self, number: int) -> tuple[int, ...]:
        """The tiles of a set, in the order of those of its representative."""
        if number not in self._tiles:
            found = self.found
            alike = found.sets[list(found.kinds[found.kind_of[number]].tiles)]
            self._tiles[number] = tuple(self.numbers[key] for key in packed(carried(found.to[number], alike)))
        return self._tiles[number]

    def _place(self, depth: int) -> _Place:
        first, count = {}, 0
        for number, kind in enumerate(self.found.kinds):
            if kind.depth == depth:
                first[number] = count
                count += len(kind.tiles)
        return _Place(first, count)

    def _components(self, depth: int, place: _Place) -> tuple[Component, ...]:
        found, components = self.found, []
        for number, first in place.first.items():
            kind = found.kinds[number]
            points = tuple(range(first, first + len(kind.tiles)))
            tiles = tuple(tuple(np.flatnonzero(found.sets[tile]).tolist()) for tile in kind.tiles)
            components.append(Component(points, kind.permutations, tiles))
        return tuple(components)

    def _refined(self, number: int, depth: int, place: _Place, seen: dict[int, int]) -> list[int]:
        """For each coordinate, the set that a chain which has come to set ``number`` goes on with."""
        row = [-1] * place.num_states
        if self.depths[number] != depth:
            return [seen.setdefault(number, len(seen))] * place.num_states
        first = place.first[int(self.found.kind_of[number])]
        for i, tile in enumerate(self.tiles(number)):
            row[first + i] = seen.setdefault(tile, len(seen))
        return row

    def _step(
        self, context: tuple[int, int, int], depth: int, place: _Place, action: np.ndarray, seen: dict
    ) -> list[int]:
        """Fill in the action of a context (−1 where it does not matter); return the next contexts."""
        old, new, letter = context
        found, kind_of = self.found, self.found.kind_of
        befores = {0: old} if self.depths[old] != depth else {}
        if not befores:
            first = place.first[int(kind_of[old])]
            befores = {first + i: tile for i, tile in enumerate(self.tiles(old))}
        afters = dict.fromkeys(befores, new)
        if self.depths[new] == depth:
            after = int(found.image[old, letter])
            first = place.first[int(kind_of[new])]
            tiles = self.tiles(new)
            if after == new:
                for coordinate, tile in befores.items():
                    afters[coordinate] = int(found.image[tile, letter])
                    action[coordinate] = first + tiles.index(afters[coordinate])
            else:
                target = self._tile_around(after, new)
                afters = dict.fromkeys(befores, target)
                action[:] = first + tiles.index(target)
        reached = {
            coordinate: seen.setdefault((tile, afters[coordinate], letter), len(seen))
            for coordinate, tile in befores.items()
        }
        if self.depths[old] != depth:
            return [reached[0]] * place.num_states
        return [reached.get(coordinate, -1) for coordinate in range(place.num_states)]

    def _tile_around(self, inner: int, outer: int) -> int:
        """A tile of ``outer`` that has all states of ``inner``."""
        key = (inner, outer)
        if key not in self._dominating:
            sets = self.found.sets
            self._dominating[key] = next(tile for tile in self.tiles(outer) if not (sets[inner] & ~sets[tile]).any())
        return self._dominating[key]
