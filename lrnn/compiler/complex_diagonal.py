"""The structure ``complex_diagonal``: counters modulo m side by side, each a number that turns on the unit circle.

That is every group language whose letters commute. All angles are multiples of 2π/M, M the least common multiple of
the m, and the mixer ``aussm`` is told M: then it adds angles as integers, and what is read is rounded once for each
piece of the word, not at each letter.

Shapes: n states · A letters · P counters.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Int64

from lrnn.automata import Group
from lrnn.automata.permutations import is_permutation
from lrnn.compiler.codes import Field, head, naming
from lrnn.compiler.draft import Draft, Layer
from lrnn.compiler.parts import Part, parts
from lrnn.compiler.read import Target
from lrnn.compiler.stream import code
from lrnn.compiler.wish import Wish
from lrnn.types import NotRealizable


def complex_diagonal(target: Target, wish: Wish) -> Draft:
    """A draft with the mixer ``aussm``.

    Raises NotRealizable where a letter is no permutation, where two letters do not commute, and for integer mode.
    """
    machine = target.machine
    if (why := _obstacle(target, wish)) is not None:
        raise NotRealizable(f"complex_diagonal: {why}; ask for structure='householder', or 'permutation_diagonal'")
    found = parts(machine.delta, machine.start, lambda table: steps(table) is not None, target.views)
    assert found is not None  # a commutative group is a product of cyclic ones
    counters = [_Counter(part, copy) for part in found for copy in range(len(part.starts))] or [_Counter.idle(target)]
    A, P = len(machine.alphabet), len(counters)
    labels = code(machine.num_labels)
    field = Field({"action": A, "code": 2 * P, "label": labels.shape[1]})
    angles = np.stack([2 * np.pi * one.position / one.modulus for one in counters], axis=1)  # [n, P]
    codes = np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(len(angles), -1) / P**0.5
    gap = 1 - float((codes @ codes.T - 2 * np.eye(len(codes))).max(initial=-1))
    out = np.zeros((field.dim, 2 * P))
    out[field.at("code")] = field.code_scale() / P**0.5 * np.eye(2 * P)
    counts = np.repeat(np.stack([one.step for one in counters], axis=1), 2, axis=1)  # [A, 2P]
    moduli = np.repeat([one.modulus for one in counters], 2)
    first = np.exp(1j * angles[machine.start])
    turned = np.stack([first, -1j * first], axis=1).ravel()  # the real parts are cosine and sine
    start = np.stack([np.real(turned), np.imag(turned)], axis=-1)
    weights = {
        "in_proj.weight": field.columns(counts.astype(float)),
        "phase_proj.weight": np.diag(2 * np.pi / moduli),
        "C": np.array([[1.0, 0.0]]),
        "out_proj.weight": out,
        "initial_state": start[:, None, None],
    }
    options: dict[str, Any] = {
        "num_channels": 2 * P,
        "state_dim": 1,
        "num_angles": math.lcm(*(one.modulus for one in counters)),
        "conv_size": 0,
        "write": False,
        "initial_state": "learned",
        "output_gate": False,
    }
    return Draft(
        field.dim,
        "aussm",
        options,
        field.embedding(A),
        (Layer(weights, naming(field, codes, gap, labels[machine.labels], present="action")),),
        head(field, labels),
        "margin",
        "one layer, counters modulo " + ", ".join(str(one.modulus) for one in counters),
    )


class _Counter:
    """One copy of a part whose letters add steps modulo m."""

    def __init__(self, part: Part, copy: int) -> None:
        numbered = steps(part.table)
        assert numbered is not None
        self.modulus = len(part.table)
        self.step, count = numbered
        self.position = count[part.positions[copy]]

    @classmethod
    def idle(cls, target: Target) -> _Counter:
        """A counter modulo 1, for a machine of one state."""
        table = np.zeros((1, len(target.machine.alphabet)), dtype=np.int64)
        return cls(Part(table, (0,), (np.zeros(1, dtype=np.int64),)), 0)


def steps(table: Int64[np.ndarray, "n A"]) -> tuple[Int64[np.ndarray, "A"], Int64[np.ndarray, "n"]] | None:
    """What each letter adds and what each state counts, modulo n, if the table is that of a counter; else None.

    >>> steps(np.array([[2], [0], [1]]))
    (array([2]), array([0, 1, 2]))
    """
    size = len(table)
    if not is_permutation(table).all():
        return None
    group = Group.generated(table.T)
    cycle = np.flatnonzero(group.orders == size)
    if group.order != size or not len(cycle):
        return None
    around, state = np.zeros(size, dtype=np.int64), 0
    for count in range(size):
        around[state] = count
        state = int(group.permutations[cycle[0], state])
    if len(np.unique(around)) < size:
        return None
    return around[table[0]] - around[0], around


def _obstacle(target: Target, wish: Wish) -> str | None:
    machine = target.machine
    if wish.exactness == "integer":
        return "numbers on the unit circle are no integers, so it is exactness='margin'"
    if not (permutes := is_permutation(machine.delta)).all():
        letter = machine.alphabet[np.flatnonzero(~permutes)[0]]
        return f"{letter} joins states of {target.name}, and the numbers of its mixer, aussm, only turn and never meet"
    after = machine.delta[machine.delta]  # [n, A, A]: the first letter, then the second
    differ = np.argwhere((after != after.transpose(0, 2, 1)).any(0))
    if len(differ):
        first, second = (machine.alphabet[x] for x in differ[0])
        return f"{first} and {second} do not commute in {target.name}, and diagonal matrices do"
    return None
