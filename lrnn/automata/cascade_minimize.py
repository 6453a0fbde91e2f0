"""Making a cascade smaller: what no later letter asks about is not told apart.

Shapes: P contexts · n coordinates · G groups of contexts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int64

from lrnn.automata.cascade import Component
from lrnn.automata.cascade_draft import Draft, renumbered


def minimized(drafts: list[Draft]) -> list[Draft]:
    """The same machine with fewer contexts and coordinates.

    First everything out of reach is left out. Then, from the last level up, contexts of a level are merged that differ
    only where one of them does not matter, and coordinates that no context tells apart and that move together. Last,
    levels of one coordinate are folded into the level above. All of it is greedy: the fewest are not promised.
    """
    drafts = _reached(drafts)
    for number in range(len(drafts) - 1, -1, -1):
        draft = _with_fewer_coordinates(drafts[number])
        if number:
            draft, group_of = _with_fewer_contexts(draft)
            above = drafts[number - 1]
            handed = renumbered(above.next_context, group_of)
            drafts[number - 1] = replace(above, next_context=handed)
        drafts[number] = draft
    return _folded(_reached(drafts))


def _reached(drafts: list[Draft]) -> list[Draft]:
    """Without the coordinates that no action leads to from the start, and the contexts that nothing hands down."""
    result, contexts = [], np.arange(len(drafts[0].actions))
    for draft in drafts:
        actions = draft.actions[contexts]
        reached = np.zeros(actions.shape[1], dtype=bool)
        reached[draft.start] = True
        while True:
            after = np.unique(actions[:, reached])
            after = after[after >= 0]
            if reached[after].all():
                break
            reached[after] = True
        number = np.where(reached, np.cumsum(reached) - 1, -1)
        actions = renumbered(actions[:, reached], number)
        handed = draft.next_context[contexts][:, reached]
        used = np.unique(handed[handed >= 0])
        if draft is not drafts[-1]:
            handed = np.where(handed < 0, -1, np.searchsorted(used, handed))
        blocks = [number[list(component.points)] for component in draft.components]
        components = _components(actions, [block[block >= 0] for block in blocks], _nontrivial(draft))
        result.append(Draft(actions, handed, int(number[draft.start]), components))
        contexts = used
    return result


def _folded(drafts: list[Draft]) -> list[Draft]:
    """Without levels of one coordinate; if all are, one remains."""
    result: list[Draft] = []
    for draft in drafts:
        if result and (draft.actions.shape[1] == 1 or result[-1].actions.shape[1] == 1):
            above = result[-1]
            if draft.actions.shape[1] == 1:
                handed = renumbered(above.next_context, draft.next_context[:, 0])
                result[-1] = replace(above, next_context=handed)
            else:  # the level above only renames contexts
                contexts = above.next_context[:, 0]
                result[-1] = replace(draft, actions=draft.actions[contexts], next_context=draft.next_context[contexts])
        else:
            result.append(draft)
    return result


def _with_fewer_contexts(draft: Draft) -> tuple[Draft, Int64[np.ndarray, "P"]]:
    """Contexts merged first fit, the most definite first; and the number of the merged one for each."""
    rows = np.hstack([draft.actions, draft.next_context])
    kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
    groups = np.empty((0, rows.shape[1]), dtype=np.int64)
    group_of = np.empty(len(kinds), dtype=np.int64)
    for kind in np.argsort(-(kinds >= 0).sum(1), kind="stable"):
        row = kinds[kind]
        fits = ((groups == row) | (groups < 0) | (row < 0)).all(1)
        if fits.any():
            group_of[kind] = np.flatnonzero(fits)[0]
            groups[group_of[kind]] = np.maximum(groups[group_of[kind]], row)
        else:
            group_of[kind] = len(groups)
            groups = np.vstack([groups, row])
    actions, handed = np.split(groups, 2, axis=1)
    return replace(draft, actions=actions, next_context=handed), group_of[kind_of.reshape(-1)]


def _with_fewer_coordinates(draft: Draft) -> Draft:
    """Coordinates merged pair by pair, with all that a merge entails."""
    actions, handed = draft.actions, draft.next_context
    blocks = [np.array(component.points) for component in draft.components]
    nontrivial = _nontrivial(draft)
    classes = np.arange(actions.shape[1])
    for first in range(actions.shape[1]):
        given = handed[:, [first]]
        fits = ((handed == given) | (handed < 0) | (given < 0)).all(0)
        for second in np.flatnonzero(fits).tolist():
            if second > first and classes[first] != classes[second]:
                merged = _congruence(actions, handed, classes, first, second)
                if merged is not None and _apart([blocks[i] for i in np.flatnonzero(nontrivial)], merged):
                    classes = merged
    kept, number = np.unique(classes, return_inverse=True)
    number = number.reshape(-1)
    actions = renumbered(actions, number)
    actions = np.stack([actions[:, classes == one].max(1) for one in kept], axis=1)
    handed = np.stack([handed[:, classes == one].max(1) for one in kept], axis=1)
    components = _components(actions, [np.unique(number[block]) for block in blocks], nontrivial)
    return Draft(actions, handed, int(number[draft.start]), components)


def _congruence(
    actions: Int64[np.ndarray, "P n"],
    handed: Int64[np.ndarray, "P n"],
    classes: Int64[np.ndarray, "n"],
    first: int,
    second: int,
) -> Int64[np.ndarray, "n"] | None:
    """The classes after two coordinates are put in one, and whatever the actions then carry to different classes; None
    if a context would have to hand down two things."""
    classes, open_pairs = classes.copy(), [(first, second)]
    while open_pairs:
        one, other = sorted(int(classes[coordinate]) for coordinate in open_pairs.pop())
        if one == other:
            continue
        classes[classes == other] = one
        members = classes == one
        given = handed[:, members]
        if ((given >= 0) & (given != given.max(1, keepdims=True))).any():
            return None
        moved = actions[:, members]
        moved = np.where(moved < 0, -1, classes[moved])
        differ = np.argwhere((moved >= 0) & (moved != moved.max(1, keepdims=True)))
        open_pairs += {(int(moved[row].max()), int(moved[row, column])) for row, column in differ}
    return classes


def _nontrivial(draft: Draft) -> Bool[np.ndarray, "blocks"]:
    return np.array([not component.is_trivial for component in draft.components])


def _apart(blocks: list[Int64[np.ndarray, "_"]], classes: Int64[np.ndarray, "n"]) -> bool:
    """Do no two blocks have points in one class? Overlaid groups may generate a larger one, so that none are."""
    found = [one for block in blocks for one in np.unique(classes[block])]
    return len(found) == len(set(found))


def _components(
    actions: Int64[np.ndarray, "P n"], blocks: list[Int64[np.ndarray, "_"]], nontrivial: Bool[np.ndarray, "blocks"]
) -> tuple[Component, ...]:
    """What the actions generate on each block that had a group; the points of no such block are one more component."""
    components, rest = [], np.ones(actions.shape[1], dtype=bool)
    for block in (block for block, group in zip(blocks, nontrivial) if group and len(block)):
        rest[block] = False
        rows = actions[:, block]
        rows = np.unique(rows[(rows >= 0).all(1) & (np.sort(rows, axis=1) == block).all(1)], axis=0)
        permutations = np.searchsorted(block, rows)
        moving = permutations[(permutations != np.arange(len(block))).any(1)]
        components.append(Component(tuple(block.tolist()), moving))
    if rest.any():
        points = tuple(np.flatnonzero(rest).tolist())
        components.append(Component(points, np.zeros((0, len(points)), dtype=np.int64)))
    return tuple(components)
