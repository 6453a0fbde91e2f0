"""What explain calls shipped, the compiler makes: in as many layers, and with as many Householder factors."""

import numpy as np
import pytest

from lrnn.automata import DFA, Group, Machine
from lrnn.compiler import compile
from lrnn.explain import explain
from lrnn.explain.subject import Language
from lrnn.tasks.tomita import Tomita

ASKED = {
    "diagonal, [0, 1]": {"structure": "diagonal", "eigenvalues": (0, 1)},
    "diagonal, [-1, 1]": {"structure": "diagonal"},
    "complex diagonal": {"structure": "complex_diagonal"},
    "Householder n_h = 1, [0, 1]": {"structure": "householder", "eigenvalues": (0, 1), "num_householders": 1},
    **{
        f"Householder n_h = {n_h}, [-1, 1]": {"structure": "householder", "num_householders": n_h}
        for n_h in range(1, 8)
    },
    "permutation-diagonal": {"structure": "permutation_diagonal"},
    "dense": {"structure": "dense"},
}
"""Structure to what the compiler is asked for."""

LANGUAGES = {
    **{
        pattern: (pattern, "all")
        for pattern in ("b*(ab*ab*)*", "(ab)*", "a*b*", "(aa)*b", "(a|b)*a", "(aaa)*", "(aa)+", "a+", "(a|b)*aa(a|b)*")
    },
    "resets and a turn": ("(a|b|ca)*", "all"),
    "Dyck of depth 2": (r"(\((\(\))*\))*", "all"),
    **{f"Tomita {number}": (Tomita(number=number).language, "all") for number in (3, 4, 5, 7)},
    **{
        f"{name}, {letters}": (Group(name), letters)
        for name, letters in (
            ("Z2xZ2", "all"),
            ("Z6", "all"),
            ("S3", "all"),
            ("S3", "swaps"),
            ("D5", "all"),
            ("S4", "swaps"),
            ("A5", "two-random"),
            ("S5", "(1 2);(1 2 3 4 5)"),
        )
    },
}


def random_machine(seed: int) -> Machine:
    """Letters that permute, reset, send states to a sink, or do anything."""
    rng = np.random.default_rng(seed)
    n, k = rng.integers(2, 6), rng.integers(1, 4)
    columns = []
    for _ in range(k):
        match rng.integers(4):
            case 0:
                column = rng.permutation(n)
            case 1:
                column = np.full(n, rng.integers(n))
            case 2:
                column = np.where(rng.random(n) < 0.3, n - 1, rng.permutation(n))
            case _:
                column = rng.integers(0, n, n)
        columns.append(column)
    accepted = np.flatnonzero(rng.random(n) < 0.5).tolist()
    return Machine.of(DFA.trimmed("abc"[:k], np.stack(columns, axis=1), 0, accepted)).minimal


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("seed", range(60))
def test_what_is_shipped_for_random_machines_compiles(seed):
    compiles(random_machine(seed), "all")


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("name", LANGUAGES)
def test_what_is_shipped_compiles(name):
    compiles(*LANGUAGES[name])


def compiles(language: Language, letters: str) -> None:
    for verdict in explain(language, letters).verdicts:
        answer = verdict.several_layers
        if answer.verdict != "yes (construction shipped)":
            continue
        compiled = compile(language, generators=letters, verify=False, **ASKED[verdict.structure])
        assert answer.layers is not None
        assert compiled.model.config.num_layers <= answer.layers, (verdict.structure, answer)
