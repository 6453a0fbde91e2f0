"""Krohn–Rhodes in its holonomy form: any machine as a cascade of permutation–reset automata.

Shapes: Q states · A letters of the alphabet · N sets of states · P contexts · n coordinates.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lrnn.automata.cascade import Cascade, Component
from lrnn.automata.cascade_draft import Draft, finished, renumbered
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
        drafts[-1].next_context = renumbered(drafts[-1].next_context, labels)
    if minimize:
        return Cascade(finished(minimized(drafts)), num_outputs)
    return Cascade(finished(drafts), num_outputs, tuple(whole))


class _Unrolling:
    """Follows chains of sets down the levels. Sets go by their numbers in the skeleton."""

    def __init__(self, found: Skeleton, delta: np.ndarray, start: int) -> None:
        self.found, self.delta, self.start = found, delta, start
        self.numbers = found.numbers()
        deepest = found.depth
        self.depths = np.array([found.kinds[kind].depth if kind >= 0 else deepest + 1 for kind in found.kind_of])
        # At which coordinate of its level the tiles of each kind begin, and how many coordinates each level has.
        self.first, self.widths = [], dict.fromkeys(range(1, deepest + 1), 0)
        for kind in found.kinds:
            self.first.append(self.widths[kind.depth])
            self.widths[kind.depth] += len(kind.tiles)
        self._links: dict[int, dict[int, int]] = {}

    def levels(self, max_contexts: int) -> tuple[list[Draft], list[np.ndarray]]:
        """The levels, and the tables that lead from coordinates back to states."""
        letters = range(self.delta.shape[1])
        if not self.widths:  # one state: a level with nothing to remember
            nothing = np.zeros(1, dtype=np.int64)
            return [Draft.forgetful(nothing.repeat(len(letters)))], [nothing[None]]
        contexts = [(0, 0, letter) for letter in letters]  # where the old chain is, where the new one, and the letter
        chains, of_start = [0], 0  # where any chain may be, and that of the start is
        drafts, whole = [], []
        for depth, width in self.widths.items():
            if len(contexts) > max_contexts:
                raise ValueError(f"level {depth} has more than {max_contexts:,} contexts; raise max_contexts")
            start = 0
            if self.depths[of_start] == depth:
                links = self.links(of_start)
                start = next(c for c, tile in links.items() if self.found.sets[tile, self.start])
                of_start = links[start]
            handed: dict[tuple[int, int, int], int] = {}
            steps = [self._step(*context, depth, handed) for context in contexts]
            refined: dict[int, int] = {}
            back = np.full((len(chains), width), -1)
            for row, chain in zip(back, chains):
                for coordinate, tile in self._goes_on(chain, depth).items():
                    row[coordinate] = refined.setdefault(tile, len(refined))
            actions, nexts = (np.array(rows) for rows in zip(*steps))
            drafts.append(Draft(actions, nexts, start, self._components(depth)))
            whole.append(back)
            contexts, chains = list(handed), list(refined)
        # All sets have one state now: the new chain's is the new state of the machine.
        state = self.found.sets.argmax(1)
        drafts[-1].next_context = renumbered(drafts[-1].next_context, state[[new for _, new, _ in contexts]])
        whole[-1] = renumbered(whole[-1], state[chains])
        return drafts, whole

    def links(self, number: int) -> dict[int, int]:
        """The tiles of a set by their coordinates, which are those of the tiles of its representative."""
        if number not in self._links:
            found, kind = self.found, int(self.found.kind_of[number])
            tiles = carried(found.to[number], found.sets[list(found.kinds[kind].tiles)])
            self._links[number] = dict(enumerate((self.numbers[key] for key in packed(tiles)), self.first[kind]))
        return self._links[number]

    def _goes_on(self, number: int, depth: int) -> dict[int, int]:
        """By the coordinate at a level: the set that a chain goes on with which has come to ``number``."""
        if self.depths[number] == depth:
            return self.links(number)
        return dict.fromkeys(range(self.widths[depth]), number)  # this level is no link of the chain

    def _step(
        self, old: int, new: int, letter: int, depth: int, handed: dict[tuple[int, int, int], int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The action of a context, −1 where it does not matter, and what it hands down, numbered by ``handed``."""
        action, row = np.full((2, self.widths[depth]), -1)
        before, image = self._goes_on(old, depth), self.found.image
        after = dict.fromkeys(before, new)
        if self.depths[new] == depth:
            coordinate_of = {tile: coordinate for coordinate, tile in self.links(new).items()}
            whole_image = int(image[old, letter])
            if whole_image == new:  # a permutation
                after = {coordinate: int(image[tile, letter]) for coordinate, tile in before.items()}
                action[list(after)] = [coordinate_of[tile] for tile in after.values()]
            else:  # a reset
                sets = self.found.sets
                target = next(tile for tile in coordinate_of if (sets[whole_image] <= sets[tile]).all())
                after = dict.fromkeys(before, target)
                action[:] = coordinate_of[target]
        for coordinate, tile in before.items():
            row[coordinate] = handed.setdefault((tile, after[coordinate], letter), len(handed))
        return action, row

    def _components(self, depth: int) -> tuple[Component, ...]:
        """The holonomy groups of the kinds of one depth."""
        components = []
        for kind, first in zip(self.found.kinds, self.first):
            if kind.depth == depth:
                tiles = tuple(tuple(np.flatnonzero(self.found.sets[tile]).tolist()) for tile in kind.tiles)
                components.append(Component(tuple(range(first, first + len(tiles))), kind.permutations, tiles))
        return tuple(components)
