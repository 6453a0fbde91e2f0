"""The algebra behind the constructions: orders, closure, how many reflections a letter needs."""

from collections import Counter

import numpy as np
import pytest
import torch

from lrnn import Householder
from tests.golden.representations import (
    closure,
    cube,
    cyclic,
    icosahedron,
    permutation_matrices,
    rank,
    reflections,
    standard,
    table,
    triangle,
)

GROUPS = {
    "S3 in R2": (triangle(), 6, {0: 1, 1: 3, 2: 2}),
    "S3 permuting": (permutation_matrices(3), 6, {0: 1, 1: 3, 2: 2}),
    "S4 permuting": (permutation_matrices(4), 24, {0: 1, 1: 6, 2: 11, 3: 6}),
    "S5 permuting": (permutation_matrices(5), 120, {0: 1, 1: 10, 2: 35, 3: 50, 4: 24}),
    "S5 standard": (standard(5), 120, {0: 1, 1: 10, 2: 35, 3: 50, 4: 24}),
    "S4 in R3": (cube(), 24, {0: 1, 2: 23}),
    "A5 in R3": (icosahedron(), 60, {0: 1, 2: 59}),
    "A5 permuting": (permutation_matrices(5, even=True), 60, {0: 1, 2: 35, 4: 24}),
    **{f"Z{m}": (cyclic(m), m, {0: 1, 2: m - 1}) for m in range(2, 13)},
}


@pytest.mark.parametrize("name", GROUPS)
def test_it_is_a_group_and_the_ranks_are_known(name):
    """rank(ρ(g) - I) is the number of reflections that the letter g needs, so its largest value is n_h."""
    elements, order, ranks = GROUPS[name]
    assert len(elements) == order
    multiplication = table(elements)
    assert all(sorted(row) == list(range(order)) for row in multiplication.tolist())
    assert all(np.abs(M @ M.T - np.eye(len(M))).max() < 1e-12 for M in elements)
    assert dict(Counter(rank(M) for M in elements)) == ranks


@pytest.mark.parametrize("name", GROUPS)
def test_every_letter_is_that_many_householders(name):
    for M in GROUPS[name][0]:
        vectors = reflections(M)
        assert len(vectors) == rank(M)
        if not vectors:
            continue
        k = torch.tensor(np.array(vectors))
        letter = Householder(k=k, beta=torch.full((len(k),), 2.0, dtype=torch.float64), normalize=True)
        assert np.abs(letter.dense().numpy() - M).max() < 1e-12


@pytest.mark.parametrize("name", ["S3 permuting", "S4 permuting", "S5 permuting", "S4 in R3"])
def test_integer_letters_are_exact(name):
    """β = 2/(vᵀv) with integer v: no rounding at all, even in bfloat16."""
    for M in GROUPS[name][0]:
        vectors = np.array(reflections(M)).reshape(-1, len(M))
        assert np.array_equal(vectors, np.round(vectors))
        if len(vectors):
            k = torch.tensor(vectors).to(torch.bfloat16)
            letter = Householder(k=k, beta=2 / k.square().sum(-1))
            assert np.array_equal(letter.dense().double().numpy(), M)


def test_a_rotation_of_the_plane_is_two_reflections():
    for m in range(2, 13):
        for r in range(m):
            angle = 2 * np.pi * r / m
            k = torch.tensor([[0.0, 1.0], [-np.sin(angle / 2), np.cos(angle / 2)]], dtype=torch.float64)
            turn = Householder(k=k, beta=torch.full((2,), 2.0, dtype=torch.float64)).dense().numpy()
            assert np.abs(turn - cyclic(m)[r]).max() < 1e-12


def test_a5_by_reflections_up_to_sign():
    """For the 15 half turns M of the icosahedron -M is one reflection; together they generate H3 of order 120."""
    half_turns = [M for M in icosahedron() if round(np.trace(M)) == -1 and abs(np.trace(M) + 1) < 1e-9]
    assert len(half_turns) == 15
    assert all(rank(-M) == 1 for M in half_turns)
    assert len(closure([-M for M in half_turns])) == 120


def test_one_householder_cannot_turn():
    """The best single reflection of a letter of rank 2 is still far from it in the spectral norm."""
    turn = torch.tensor(cyclic(3)[1])
    for angle in np.linspace(0, np.pi, 50):
        k = torch.tensor([[np.cos(angle), np.sin(angle)]])
        for beta in np.linspace(0, 2, 21):
            letter = Householder(k=k, beta=torch.tensor([beta])).dense()
            assert torch.linalg.matrix_norm(letter - turn, ord=2) > 0.8
