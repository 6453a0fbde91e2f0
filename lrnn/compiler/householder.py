"""The structure ``householder``: products of reflections, and resets by a decay of 0 or a reflector with β = 1.

The first that does it, in this order:

1. one layer, integers: the machine is made of permutation–reset automata side by side;
2. one layer, margin: a group by orthogonal matrices, with fewer reflectors than permutations need;
3. two layers, margin: a cyclic group with n_h = 1;
4. one layer or more for each level of the cascade, integers: any machine.

A cycle of n states takes n - 1 reflectors in integers. Where nobody says how many there may be, or which mode, that is
done for up to 24, and beyond only if nothing else does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lrnn.automata import Level
from lrnn.automata.permutations import is_permutation, rank_of
from lrnn.compiler.delta_heads import DeltaHeads
from lrnn.compiler.draft import Draft
from lrnn.compiler.in_turn import in_turn
from lrnn.compiler.level_parts import cascade_of, level_parts
from lrnn.compiler.obstacle import shortest_turn
from lrnn.compiler.parts import parts
from lrnn.compiler.read import Target
from lrnn.compiler.rotations import group_of, rotations
from lrnn.compiler.side_by_side import side_by_side
from lrnn.compiler.two_layers import cyclic_steps, two_layers
from lrnn.compiler.wish import Wish
from lrnn.explain.householders import householder_realization
from lrnn.types import NotRealizable

FEW = 24
"""So many reflectors per letter are taken without being asked for."""


def householder(target: Target, wish: Wish) -> Draft:
    """A draft with products of generalized Householder matrices.

    Raises NotRealizable if eigenvalues (0, 1) are asked for and the language is not star-free, or if it needs more
    reflectors than allowed, or for margin mode if a letter is no permutation.
    """
    if wish.num_householders is None and wish.exactness is None:
        try:
            return _least(target, replace(wish, num_householders=FEW))
        except NotRealizable:
            pass
    return _least(target, wish)


def _least(target: Target, wish: Wish) -> Draft:
    """In the order above."""
    machine, most = target.machine, wish.num_householders

    def fits(table: np.ndarray) -> bool:
        rank = rank_of(table)
        return (most is None or rank <= most) and (rank == 0 or wish.eigenvalues == (-1, 1))

    if wish.exactness != "margin":
        found = parts(machine.delta, machine.start, fits, target.views)
        if found is not None:
            return side_by_side(machine, found, DeltaHeads.of([found], wish.eigenvalues))
    reason = ""
    if wish.exactness != "integer" and wish.eigenvalues == (-1, 1) and is_permutation(machine.delta).all():
        draft = _group(target, most)
        if isinstance(draft, Draft):
            return draft
        reason = draft
    if wish.exactness == "margin":
        raise NotRealizable(reason or _no_group(target))
    cascade = cascade_of(target)
    if wish.eigenvalues == (0, 1) and not cascade.is_aperiodic:
        raise NotRealizable(
            f"householder with eigenvalues (0, 1) keeps no length that it turns, and {target.name} turns: "
            f"{shortest_turn(machine) or 'some word'}, so it is not star-free; ask for eigenvalues=(-1, 1), where "
            "reflections turn"
        )
    levels = level_parts(cascade, fits)
    if not isinstance(levels, list):
        raise NotRealizable(reason or _too_few(target, levels, most))
    return in_turn(machine, levels, DeltaHeads.of([made for _, made in levels], wish.eigenvalues))


def _group(target: Target, most: int | None) -> Draft | str:
    """Margin mode, or why not."""
    machine = target.machine
    group, letters = group_of(machine)
    made = householder_realization(group, letters)
    if most is None or made.num_householders <= most:
        return rotations(machine, letters, made)
    if (cyclic := cyclic_steps(machine)) is not None:
        return two_layers(machine, *cyclic)
    return (
        f"householder with n_h = {most}: one layer tracks {target.name} by {made.num_householders} reflections, and by "
        f"no fewer than {made.lower_bound} ({made.lower_bound_theorem}), and no level of several layers here does with "
        f"{most}; ask for num_householders={made.num_householders}"
    )


def _no_group(target: Target) -> str:
    machine = target.machine
    wrong = np.flatnonzero(~is_permutation(machine.delta))
    if not len(wrong):
        return f"exactness='margin' with eigenvalues (0, 1) turns nothing, and {target.name} turns; leave eigenvalues"
    return (
        f"exactness='margin' is for groups, but {machine.alphabet[wrong[0]]} is no permutation of the states of "
        f"{target.name}; ask for exactness='integer'"
    )


def _too_few(target: Target, level: Level, most: int | None) -> str:
    least = max(part.rank for part in parts(np.ascontiguousarray(level.actions.T), level.start) or ())
    return (
        f"householder with n_h = {most} does not permute a level of the cascade of {target.name}, which takes "
        f"{least} reflections; ask for num_householders={least}, or for structure='permutation_diagonal'"
    )
