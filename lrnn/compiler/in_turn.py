"""Several layers for any machine: one for each level of its cascade, each a letter late.

Level ℓ moves in the context P_ℓ and hands down the context P_{ℓ+1} that P_ℓ and its coordinate *before* the letter
make. So the mixer of layer ℓ, behind a convolution that shows it the letter before, reads that coordinate, and the MLP
has one unit for each pair of context and coordinate, which puts the next context in place of this one. The last one
puts down the label.

Shapes: Q states · P contexts · n coordinates · Z actions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrnn.automata import Level, Machine
from lrnn.compiler.draft import Draft, Layer, Units, head
from lrnn.compiler.heads import Heads
from lrnn.compiler.parts import Part
from lrnn.compiler.stream import Stream, code, num_bits, one_hot

Levels = Sequence[tuple[Level, Sequence[Part]]]
"""The levels of a cascade whose last one gives labels, each with parts that it is made of."""


def in_turn(machine: Machine, levels: Levels, heads: Heads) -> Draft:
    """A model with as many layers as the cascade has levels."""
    states = [heads.code(parts, level.num_states) for level, parts in levels]
    first = levels[0][0]
    labels = code(machine.num_labels)
    stream = Stream(
        {
            "action": max(len(level.actions) for level, _ in levels),
            "context": num_bits(max(level.num_contexts for level, _ in levels)),
            "state": max(one.shape[1] for one in states),
            "label": labels.shape[1],
        }
    )
    embedding = stream.empty(first.num_contexts)
    embedding[:, stream.at("action")], embedding[:, stream.at("context")] = _context_code(stream, first)
    layers = []
    for number, (level, parts) in enumerate(levels):
        below = levels[number + 1][0] if number + 1 < len(levels) else None
        units = _handing_down(stream, level, states[number], labels if below is None else below)
        layers.append(Layer(heads.weights(parts, len(level.actions), stream, True), units))
    mixer, options = heads.mixer(delayed=True)
    return Draft(
        stream.dim,
        mixer,
        options,
        embedding,
        tuple(layers),
        head(stream, labels),
        "integer",
        f"{len(levels)} layer{'s' * (len(levels) > 1)}, one for each level of the cascade, {heads.summary}",
    )


def _context_code(stream: Stream, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """What the registers ``action`` and ``context`` hold in each context of a level."""
    action, context = stream.at("action"), stream.at("context")
    hot = one_hot(action.stop - action.start)[level.action_of]
    return hot, code(1 << (context.stop - context.start))[: level.num_contexts]


def _handing_down(stream: Stream, level: Level, states: np.ndarray, below: Level | np.ndarray) -> Units:
    """For each pair of context and coordinate that meet, a unit that writes the context of the level below, or the code
    of the label, and clears the register of the coordinate."""
    P, c = np.nonzero(level.next_context >= 0)
    after = level.next_context[P, c]
    action, context, state = stream.at("action"), stream.at("context"), stream.at("state")
    state = slice(state.start, state.start + states.shape[1])
    hot, number = _context_code(stream, level)
    wanted, change = stream.zeros(len(P)), stream.zeros(len(P))
    wanted[:, context], wanted[:, state] = number[P], states[c]
    if isinstance(below, np.ndarray):
        change[:, stream.at("label")] = below[after] + 1
    else:
        next_hot, next_number = _context_code(stream, below)
        change[:, action] = next_hot[after] - hot[P]
        change[:, context] = next_number[after] - number[P]
        change[:, state] = -1 - states[c]
    return Units.when(stream, wanted, change)
