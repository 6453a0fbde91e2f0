"""The skeleton of a machine: which sets of states words lead to, which of them are alike, and how they are built up.

Shapes: Q states · A letters of the alphabet · N sets of states · M sets of at least two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata.strong_components import strong_components

MAX_SETS = 10_000


@dataclass(frozen=True)
class Kind:
    """Sets of at least two states that words carry into each other, so that what happens in one happens in all.

    Arguments:
        sets: their numbers in the skeleton; the first is the representative.
        tiles: the numbers of the maximal proper subsets of the representative in the skeleton; they cover it.
        permutations: what the words that carry the representative to itself do to its tiles; row i is a permutation of
            0 … number of tiles − 1. They generate the holonomy group.
        depth: sets on the longest strictly descending chain of subduction from Q down to this kind; that of Q is 1.
    """

    sets: tuple[int, ...]
    tiles: tuple[int, ...]
    permutations: Int64[np.ndarray, "k tiles"]
    depth: int


@dataclass(frozen=True)
class Skeleton:
    """Images of the set Q of all states under all words, Q itself, and the sets of one state.

    P is subdued to R if P ⊆ R·w for some word w. Sets subdued to each other are of one kind (for images: each is an
    image of the other).

    Arguments:
        sets: row i tells which states are in set i. Set 0 is Q; the sets of one state are the last, in the order of the
            states.
        image: ``image[i, a]`` is the number of the set that letter a carries set i to.
        kinds: the kinds of the sets of at least two states, by depth; that of Q is the first.
        kind_of: the number of the kind of each set, −1 for a set of one state.
        to: ``to[i, q]`` is where some word that carries the representative of set i's kind to set i takes the state q
            of the representative; −1 for other states. Only the M sets of at least two states have a row.
        back: the inverse of ``to[i]``: from the states of set i to those of the representative. It too is what some
            word does.
    """

    sets: Bool[np.ndarray, "N Q"]
    image: Int64[np.ndarray, "N A"]
    kinds: tuple[Kind, ...]
    kind_of: Int64[np.ndarray, "N"]
    to: Int64[np.ndarray, "M Q"]
    back: Int64[np.ndarray, "M Q"]

    @classmethod
    def of(cls, delta: Int64[np.ndarray, "Q A"], max_sets: int = MAX_SETS) -> Skeleton:
        """The skeleton of a complete table.

        Raises ValueError if there are more than ``max_sets`` sets: there may be 2^Q.

        >>> from lrnn.automata import Skeleton
        >>> found = Skeleton.of(np.array([[1, 0], [2, 0], [2, 0]]))  # letters a since the last letter b, at most 2
        >>> [np.flatnonzero(row).tolist() for row in found.sets], found.depth
        ([[0, 1, 2], [1, 2], [0], [1], [2]], 2)
        """
        sets, image = _images(delta, max_sets)
        component, sizes = strong_components(image), sets.sum(1)
        # An order in which both images (their components have smaller numbers) and subsets (smaller sets) come later.
        order = np.lexsort((np.arange(len(sets)), -component, -sizes))
        order = order[sizes[order] > 1]
        cuts = np.flatnonzero(np.diff(component[order])) + 1
        groups = [group.tolist() for group in np.split(order, cuts)] if order.size else []
        kind_of = np.full(len(sets), -1)
        for number, group in enumerate(groups):
            kind_of[group] = number
        depths = np.ones(len(groups), dtype=np.int64)
        tiles = []
        for number, group in enumerate(groups):
            tiles.append(_maximal_subsets(sets, group[0]))
            # Members of a kind have alike subsets, so those of the representative stand for all.
            below = np.unique(kind_of[np.concatenate([image[group].ravel(), tiles[-1]])])
            below = below[(below >= 0) & (below != number)]
            depths[below] = np.maximum(depths[below], depths[number] + 1)
        order = np.argsort(depths, kind="stable")
        rank = np.append(np.argsort(order), -1)  # its last entry is for the sets of one state, whose kind is −1
        kind_of = rank[kind_of]
        to, back = np.full((2, int((sizes > 1).sum()), sets.shape[1]), -1)
        numbers = {key: number for number, key in enumerate(packed(sets))}
        kinds = []
        for number in order:
            _walk(delta, sets, image, groups[number], to, back)
            permutations = _roundtrips(delta, sets, image, groups[number], tiles[number], to, back, numbers)
            kinds.append(Kind(tuple(groups[number]), tuple(tiles[number].tolist()), permutations, int(depths[number])))
        return cls(sets, image, tuple(kinds), kind_of, to, back)

    @property
    def depth(self) -> int:
        """Levels of the decomposition: the greatest depth of a set of at least two states, 0 if there is none."""
        return max((kind.depth for kind in self.kinds), default=0)

    def numbers(self) -> dict[bytes, int]:
        """The number of a set by its packed row, as :func:`packed` gives it."""
        return {key: number for number, key in enumerate(packed(self.sets))}


def packed(sets: Bool[np.ndarray, "N Q"]) -> list[bytes]:
    """Each row as bytes, to look it up by."""
    return [row.tobytes() for row in np.packbits(sets, axis=1)]


def carried(states: Int64[np.ndarray, "Q"], sets: Bool[np.ndarray, "N Q"]) -> Bool[np.ndarray, "N Q"]:
    """Where a map of states takes each set; the map must be defined (≥ 0) on its states."""
    result = np.zeros_like(sets)
    for state in np.flatnonzero(sets.any(0)):
        result[:, states[state]] |= sets[:, state]
    return result


def _images(delta: np.ndarray, max_sets: int) -> tuple[np.ndarray, np.ndarray]:
    """The sets, breadth first from Q, those of one state last; and what each letter makes of each."""
    num_states, num_letters = delta.shape
    front = np.ones((int(num_states > 1), num_states), dtype=bool)
    numbers = dict.fromkeys(packed(front), 0)
    rows, images = [front], []
    while len(front):
        new, image = [], np.empty((len(front), num_letters), dtype=np.int64)
        for letter in range(num_letters):
            moved = carried(delta[:, letter], front)
            image[:, letter] = -1 - moved.argmax(1)  # right for a set of one state, whose number is not known yet
            keys = packed(moved)
            for i in np.flatnonzero(moved.sum(1) > 1).tolist():
                if keys[i] not in numbers:
                    numbers[keys[i]] = len(numbers)
                    new.append(moved[i])
                image[i, letter] = numbers[keys[i]]
        if len(numbers) + num_states > max_sets:
            raise ValueError(
                f"the {num_states} states have more than {max_sets:,} sets that words lead to; raise max_sets"
            )
        images.append(image)
        front = np.array(new, dtype=bool).reshape(len(new), num_states)
        rows.append(front)
    image = np.concatenate([*images, -1 - delta])
    sets = np.concatenate([*rows, np.eye(num_states, dtype=bool)])
    return sets, np.where(image < 0, len(numbers) - 1 - image, image)


def _maximal_subsets(sets: np.ndarray, number: int) -> Int64[np.ndarray, "tiles"]:
    """The maximal proper subsets of one set among all; in ascending order."""
    sizes = sets.sum(1)
    inside = np.flatnonzero((sizes > 1) & (sizes < sizes[number]) & ~(sets & ~sets[number]).any(1))
    kept: list[int] = []
    for candidate in inside[np.argsort(-sizes[inside], kind="stable")].tolist():
        if not (sets[candidate] <= sets[kept]).all(1).any():
            kept.append(candidate)
    alone = np.flatnonzero(sets[number] & ~sets[kept].any(0))
    return np.append(np.sort(kept), len(sets) - sets.shape[1] + alone).astype(np.int64)


def _walk(
    delta: np.ndarray, sets: np.ndarray, image: np.ndarray, group: list[int], to: np.ndarray, back: np.ndarray
) -> None:
    """Fill the rows of one kind in ``to`` and ``back``, breadth first from its representative."""
    members, representative = set(group), group[0]
    to[representative] = np.where(sets[representative], np.arange(sets.shape[1]), -1)
    back[representative] = to[representative]
    front = [representative]
    states = np.flatnonzero(sets[representative])
    for number in front:
        for letter, after in enumerate(image[number].tolist()):
            if after in members and to[after, states[0]] < 0:
                to[after, states] = delta[to[number, states], letter]
                back[after, to[after, states]] = states
                front.append(after)


def _roundtrips(
    delta: np.ndarray,
    sets: np.ndarray,
    image: np.ndarray,
    group: list[int],
    tiles: np.ndarray,
    to: np.ndarray,
    back: np.ndarray,
    numbers: dict[bytes, int],
) -> Int64[np.ndarray, "k tiles"]:
    """Representative → a member → by one letter to a member → representative, on the tiles; each but the identity once.

    They generate all that words which carry the representative to itself do (Schreier's generators).
    """
    members, states = set(group), np.flatnonzero(sets[group[0]])
    place = {int(tile): i for i, tile in enumerate(tiles)}
    trips = set()
    whole = np.full(sets.shape[1], -1)
    for number in group:
        for letter, after in enumerate(image[number].tolist()):
            if after in members:
                whole[states] = back[after, delta[to[number, states], letter]]
                trips.add(tuple(whole[states].tolist()))
    permutations = set()
    for trip in trips:
        whole[states] = trip
        permutations.add(tuple(place[numbers[key]] for key in packed(carried(whole, sets[tiles]))))
    permutations.discard(tuple(range(len(tiles))))
    return np.array(sorted(permutations), dtype=np.int64).reshape(len(permutations), len(tiles))
