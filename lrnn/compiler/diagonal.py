"""The structure ``diagonal``: one number in [0, 1] or [-1, 1] per state row, which resets, holds or changes sign.

With [0, 1] that is every star-free language and no other, one layer for each level of its cascade. With [-1, 1] it is
every language in which all periods are powers of 2, and no other: a level with such a group becomes several that
exchange two states.

Source: Sarrof, Veitsman & Hahn, "The Expressive Capacity of State Space Models", arXiv 2405.17394 (star-free); Grazzi
et al., arXiv 2411.12537, Theorem 2 (odd periods).
"""

from __future__ import annotations

import numpy as np

from lrnn.automata import Machine
from lrnn.automata.permutations import rank_of
from lrnn.compiler.decay_heads import DecayHeads
from lrnn.compiler.draft import Draft
from lrnn.compiler.in_turn import in_turn
from lrnn.compiler.level_parts import cascade_of, level_parts
from lrnn.compiler.obstacle import odd_turn, shortest_turn
from lrnn.compiler.parts import parts
from lrnn.compiler.read import Target
from lrnn.compiler.side_by_side import side_by_side
from lrnn.compiler.wish import Wish
from lrnn.types import Eigenvalues, NotRealizable


def diagonal(target: Target, wish: Wish) -> Draft:
    """A draft with a real diagonal.

    Raises NotRealizable for what is not star-free with eigenvalues (0, 1), and with (-1, 1) if some word has a period
    that is no power of 2.
    """
    machine, eigenvalues = target.machine, wish.eigenvalues

    def fits(table: np.ndarray) -> bool:
        return rank_of(table) == 0 or (len(table) == 2 and eigenvalues == (-1, 1))

    if (found := parts(machine.delta, machine.start, fits, target.views)) is not None:
        return side_by_side(machine, found, DecayHeads.of([found], eigenvalues))
    levels = level_parts(cascade_of(target), fits)
    if not isinstance(levels, list):
        raise NotRealizable(_why(target.name, machine, eigenvalues))
    return in_turn(machine, levels, DecayHeads.of([made for _, made in levels], eigenvalues))


def _why(name: str, machine: Machine, eigenvalues: Eigenvalues) -> str:
    ask = "ask for structure='householder', or 'permutation_diagonal'"
    if eigenvalues == (0, 1):
        turn = shortest_turn(machine) or "some word turns its states"
        return (
            f"diagonal with eigenvalues (0, 1) recognizes the star-free languages, and {name} is none: {turn}; {ask}, "
            "or for eigenvalues=(-1, 1) if all periods are powers of 2"
        )
    if (turn := odd_turn(machine)) is not None:
        return f"diagonal with eigenvalues (-1, 1) counts modulo powers of 2 at any depth, but in {name} {turn}; {ask}"
    return (
        f"diagonal with eigenvalues (-1, 1): a level of the cascade of {name} does not become exchanges of two states; "
        f"{ask}"
    )
