"""Two layers of one reflection per letter for a cyclic group (margin mode).

The first layer turns its sign at every letter, and so knows whether the letter is an odd or an even one. The second
reflects the plane: letter i, an odd one, maps the angle φ to (1 - 2i) π/m - φ, an even one to (1 + 2i) π/m - φ. After
an even number of letters with the sum g the angle 0 has become 2g π/m, after an odd number (1 - 2g) π/m.

Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
Theorem 6.

Shapes: A letters.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from lrnn.automata import Machine
from lrnn.compiler.codes import Field, head, naming, spread
from lrnn.compiler.draft import MATCH, Draft, Layer, Units
from lrnn.compiler.heads import SURE
from lrnn.compiler.rotations import group_of
from lrnn.compiler.stream import code
from lrnn.compiler.turning import Head, TurningHeads

SIGNS = 3
"""Channels of ±√D that hold the sign of the first layer: with the √D of the letter, a length of exactly 2√D."""

MAX_FREQUENCY = 256
"""Half of it is the largest j."""


def cyclic_steps(machine: Machine) -> tuple[int, Int[np.ndarray, "A"], Int[np.ndarray, "m"]] | None:
    """m, the step i of each letter, and the state after each sum, if the letters generate a cyclic group; else None."""
    group, letters = group_of(machine)
    generators = np.flatnonzero(group.orders == group.order)
    if not len(generators):
        return None
    power, sums = 0, []
    for _ in range(group.order):
        sums.append(power)
        power = int(group.table[generators[0], power])
    step = np.argsort(sums)
    return group.order, step[letters], group.permutations[sums, machine.start]


def two_layers(machine: Machine, m: int, steps: Int[np.ndarray, "A"], states: Int[np.ndarray, "m"]) -> Draft:
    """The sum of the steps modulo m, in two layers with n_h = 1.

    Further heads of the second layer, with all angles times j, keep the codes further apart.

    Arguments:
        states: the state of the machine after each sum.
    """
    A = len(machine.alphabet)
    labels = code(machine.num_labels)
    first, *others = (_plane(m, steps, j) for j in range(1, min(m, MAX_FREQUENCY) // 2 + 1))
    heads = TurningHeads.far_apart(first, others)
    field = Field({"action": A, "sign": SIGNS, "both": 2 * A, "code": sum(heads.widths), "label": labels.shape[1]})
    names = np.tile(labels[machine.labels[states]], (2, 1))
    mixer, options = heads.mixer(1)
    return Draft(
        field.dim,
        mixer,
        options,
        field.embedding(A),
        (
            Layer(_sign_weights(field, A, len(heads.heads)), _with_sign(field, A)),
            Layer(heads.weights(field, "both", 1), naming(field, heads.codes, heads.gap, names, present="both")),
        ),
        head(field, labels),
        "margin",
        f"two layers, the sum modulo {m} by reflections of {len(heads.heads)} planes, n_h = 1",
    )


def _plane(m: int, steps: Int[np.ndarray, "A"], j: int) -> Head:
    """Its letters are odd ones, then even ones; its elements are the states after sums 0 … m - 1 of an even number of
    letters, then of an odd one."""
    angle = j * np.pi / m
    letters = _reflection(angle * np.concatenate([1 - 2 * steps, 1 + 2 * steps]))
    sums = np.arange(m)
    elements = np.concatenate([_turn(angle * 2 * sums), _reflection(angle * (1 - 2 * sums))])
    return Head(letters, elements, spread(elements))


def _sign_weights(field: Field, num_letters: int, num_heads: int) -> dict[str, np.ndarray]:
    """The first number of the first head is -1 after the first letter, +1 after the second, and so on."""
    first = np.zeros((num_letters, num_heads, 2))
    first[:, 0, 0] = 1
    out, start = np.zeros((field.dim, 2 * num_heads)), np.zeros((num_heads, 2, 2))
    out[field.at("sign"), 0] = field.root
    start[0, 0, 0] = 1
    columns = field.columns(first.reshape(num_letters, -1))
    return {
        "projs.0.weight": columns,
        "projs.1.weight": columns,
        "beta.proj.weight": field.columns(SURE * (2 * first[:, :, 0] - 1)),
        "out_proj.weight": out,
        "initial_state": start,
    }


def _with_sign(field: Field, num_letters: int) -> Units:
    """√D at the channel of letter and sign together (odd ones first), and 0 at all others.

    In units of √D/2 the letter's channel is 1 and the sign's are ±1. The gate is 128 where both are right, else 0 or
    less by multiples of 128.
    """
    unit = 2 / field.root
    gate, up, down = (np.zeros((2 * num_letters, field.dim)) for _ in range(3))
    letter = np.tile(np.eye(num_letters), (2, 1))
    sign = np.repeat([-1.0, 1.0], num_letters)  # after an odd number of letters it is -1
    gate[:, field.at("action")] = MATCH / 2 * unit * (2 * letter - 1)
    gate[:, field.at("sign").start] = MATCH / 2 * unit * sign
    up[:, field.at("action")] = unit / MATCH
    down[:, field.at("action")] = -field.root * letter
    down[:, field.at("sign")] = -field.root * sign[:, None]
    down[:, field.at("both")] = field.root * np.eye(2 * num_letters)
    return Units(gate, up, down)


def _turn(angles: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 2 2"]:
    """φ becomes φ + angle."""
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def _reflection(angles: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 2 2"]:
    """φ becomes angle - φ."""
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([c, s], -1), np.stack([s, -c], -1)], -2)
