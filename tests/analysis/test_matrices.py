"""Eigenvalues, norms and ranks of every structure against numpy on the written-out matrices."""

import math

import numpy as np
import pytest
import torch

from lrnn.analysis import (
    distance_from_orthogonal,
    eigenvalues,
    rank_of_change,
    running_products,
    spectral_norm,
)
from lrnn.transition import Dense, Diagonal, Householder, PermutationDiagonal, Scalar
from tests.cases import STRUCTURES, definition

LEADING = (2, 3, 2)


def as_sets(found, expected, tolerance):
    """Do two lists of K complex numbers agree in some order? Greedy matching is enough for separated clusters."""
    left = list(expected)
    for value in found:
        nearest = min(range(len(left)), key=lambda i: abs(left[i] - value))
        assert abs(left[nearest] - value) < tolerance, (found, expected)
        left.pop(nearest)


@pytest.mark.parametrize("K", [1, 2, 5])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_eigenvalues_are_those_of_the_dense_matrix(structure, K):
    A = make(structure, K)
    found = eigenvalues(A)
    assert found.dtype == torch.complex128
    assert found.shape == A.shape
    matrices = definition(structure, A).flatten(0, -3).numpy()
    for values, matrix in zip(found.flatten(0, -2).numpy(), matrices, strict=True):
        # a defective eigenvalue is only known to eps^(1/K) by a dense solver
        as_sets(values, np.linalg.eigvals(matrix), 1e-2 if structure.startswith("permutation") else 1e-6)
        characteristic = [np.linalg.det(matrix - value * np.eye(K)) for value in values]
        assert max(map(abs, characteristic)) < 1e-9


@pytest.mark.parametrize("K", [1, 2, 5])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_norm_and_distance_and_rank_are_those_of_the_dense_matrix(structure, K):
    A = make(structure, K)
    matrices = definition(structure, A).flatten(0, -3).numpy()
    norms, distances = spectral_norm(A).flatten(), distance_from_orthogonal(A).flatten()
    ranks = rank_of_change(A).flatten()
    assert spectral_norm(A).shape == A.leading
    for n, matrix in enumerate(matrices):
        assert float(norms[n]) == pytest.approx(np.linalg.norm(matrix, 2), abs=1e-12)
        gram = matrix.conj().T @ matrix - np.eye(K)
        assert float(distances[n]) == pytest.approx(np.linalg.norm(gram, 2), abs=1e-12)
        assert int(ranks[n]) == np.linalg.matrix_rank(matrix - np.eye(K), tol=1e-6)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_running_products_have_the_newest_matrix_on_the_left(structure):
    A = make(structure, 3)
    matrices = definition(structure, A).numpy()
    expected = np.eye(3)
    for t in range(LEADING[1]):
        expected = matrices[:, t] @ expected
        np.testing.assert_allclose(running_products(A).matrix[:, t].numpy(), expected, atol=1e-12)
    assert eigenvalues(running_products(A)).shape == (*LEADING, 3)


def test_a_cycle_with_a_tail_has_exact_roots_and_exact_zeros():
    """0 -> 1 -> 2 -> 0 with product -8, fed by 4 -> 3 -> 0: the cube roots of -8 and a zero that is defective."""
    A = PermutationDiagonal(
        index=torch.tensor([1, 2, 0, 0, 3]),
        log_decay=torch.tensor([2.0, 2.0, 2.0, 0.5, 0.5], dtype=torch.float64).log(),
        sign=torch.tensor([-1.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64),
    )
    values = eigenvalues(A).numpy()
    assert (values == 0).sum() == 2
    roots = [2 * np.exp(1j * math.pi * k / 3) for k in (1, 3, 5)]
    as_sets(values[values != 0], roots, 1e-12)


def test_all_roots_of_every_cycle_length():
    for m in range(1, 9):
        shift = PermutationDiagonal(index=(torch.arange(m) + 1) % m, log_decay=torch.zeros(m))
        values = np.sort_complex(eigenvalues(shift).numpy().round(9))
        assert len(set(values)) == m
        np.testing.assert_allclose(values**m, 1, atol=1e-7)


def test_two_reflections_turn_by_twice_their_angle():
    angle = 2 * math.pi / 7
    k = torch.tensor([[-math.sin(angle / 2), math.cos(angle / 2)], [0.0, 1.0]], dtype=torch.float64)
    A = Householder(k=k, beta=torch.full((2,), 2.0, dtype=torch.float64))
    as_sets(eigenvalues(A).numpy(), [np.exp(1j * angle), np.exp(-1j * angle)], 1e-12)
    assert int(rank_of_change(A)) == 2
    assert float(distance_from_orthogonal(A)) < 1e-12


def test_length_of_k_counts():
    """Without normalize, a longer k makes a stronger reflector: 1 - β kᵀk."""
    k = torch.tensor([[2.0, 0.0]])
    beta = torch.tensor([0.5])
    as_sets(eigenvalues(Householder(k=k, beta=beta)).numpy(), [1.0, -1.0], 1e-12)
    as_sets(eigenvalues(Householder(k=k, beta=beta, normalize=True)).numpy(), [1.0, 0.5], 1e-12)


@pytest.mark.no_shape_checks
def test_bad_arguments():
    A = Scalar(log_decay=torch.zeros(3, 2), size=2)
    with pytest.raises(ValueError, match=r"leading axes are \(3, 2\), must be \[B, T, H\]"):
        running_products(A)
    with pytest.raises(ValueError, match="tolerance = -1"):
        rank_of_change(A, -1)


def make(structure, K):
    g = torch.Generator().manual_seed(K)
    return STRUCTURES[structure].make(g, LEADING, K)


def test_the_table_of_structures_is_complete():
    kinds = {type(make(name, 3)) for name in STRUCTURES}
    assert {Scalar, Diagonal, Householder, PermutationDiagonal, Dense} <= kinds
