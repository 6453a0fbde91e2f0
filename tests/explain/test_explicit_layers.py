"""What an explicit layer with finitely many states computes is never refuted for its structure."""

import numpy as np
import pytest

from lrnn.automata import Machine
from lrnn.explain import explain

MAX_STATES = 60

CUBE = [np.diag(signs) for signs in ([-1, 1], [1, -1])] + [np.array([[0, 1], [1, 0]]), np.array([[0, -1], [-1, 0]])]
"""The reflections of a square."""


def householder_letter(rng, num_householders: int):
    """One head of two rows, v ↦ Av + b: a gate of 0 or 1 times reflections and projections, with what they write."""
    matrix, write = np.eye(2, dtype=int), np.zeros(2, dtype=int)
    for _ in range(num_householders):
        match rng.integers(3):
            case 0:
                factor = CUBE[rng.integers(4)]
                matrix, write = factor @ matrix, factor @ write
            case 1:  # erase a row and write it
                row = int(rng.integers(2))
                factor = np.diag([int(row != 0), int(row != 1)])
                matrix, write = factor @ matrix, factor @ write
                write[row] = rng.integers(-1, 2)
    if rng.integers(5) == 0:
        matrix, write = np.zeros_like(matrix), rng.integers(-1, 2, 2)
    return matrix, write


def diagonal_letter(rng, signs: tuple[int, ...]):
    """Two channels: keep, turn or reset."""
    matrix, write = np.diag(rng.choice(signs, 2)), np.zeros(2, dtype=int)
    for row in range(2):
        if rng.integers(3) == 0:
            matrix[row, row], write[row] = 0, rng.integers(-1, 3)
    return matrix, write


def layer_machine(rng, make, num_letters: int) -> Machine | None:
    """Two heads and the last letter; labels are drawn for the states, the same letter may give others."""
    letters = [(make(rng), make(rng)) for _ in range(num_letters)]
    start = tuple(rng.integers(-1, 2, 4).tolist())
    number, rows, queue = {(start, -1): 0}, [], [(start, -1)]
    for state, _ in queue:
        row = []
        for a, heads in enumerate(letters):
            parts = [A @ np.array(state[2 * h : 2 * h + 2]) + b for h, (A, b) in enumerate(heads)]
            after = tuple(np.concatenate(parts).tolist()), a
            if after not in number:
                number[after] = len(number)
                queue.append(after)
            row.append(number[after])
        rows.append(row)
        if len(number) > MAX_STATES:
            return None
    labels = rng.integers(0, 3, len(rows))
    return Machine(alphabet="abc"[:num_letters], delta=rows, start=0, labels=labels, names=("0", "1", "2"))


MAKERS = {
    "diagonal, [0, 1]": lambda rng: diagonal_letter(rng, (1,)),
    "diagonal, [-1, 1]": lambda rng: diagonal_letter(rng, (1, -1)),
    "Householder n_h = 1, [-1, 1]": lambda rng: householder_letter(rng, 1),
    "Householder n_h = 2, [-1, 1]": lambda rng: householder_letter(rng, 2),
}
STRONGER = {
    "diagonal, [0, 1]": ["diagonal, [-1, 1]", "complex diagonal", "Householder n_h = 1, [0, 1]"],
    "diagonal, [-1, 1]": ["complex diagonal", "Householder n_h = 1, [-1, 1]"],
    "Householder n_h = 1, [-1, 1]": ["Householder n_h = 2, [-1, 1]", "signed diagonal × Householder"],
    "Householder n_h = 2, [-1, 1]": [],
}


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("structure", MAKERS)
def test_an_explicit_layer_is_not_refuted(structure):
    rng = np.random.default_rng(0)
    seen = 0
    while seen < 60:
        machine = layer_machine(rng, MAKERS[structure], int(rng.integers(2, 4)))
        if machine is None:
            continue
        seen += 1
        explanation = explain(machine)
        about = machine.delta.tolist(), machine.labels.tolist()
        for name in (structure, *STRONGER[structure]):
            one = explanation.verdict(name).one_layer
            assert not one.is_no, (name, one, about)
            assert one.is_yes or not name.startswith(("diagonal", "complex")), (name, one, about)
            assert not explanation.verdict(name).several_layers.is_no, (name, about)
