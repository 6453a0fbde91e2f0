"""How a transition stretches: norms, distance from orthogonal, rank of the change, and the same along a word.

Shapes: B words · T steps · H heads · K state rows · ``...`` leading axes of a transition.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrnn.transition import ComplexDiagonal, Dense, Diagonal, PermutationDiagonal, Scalar, SteppedDiagonal, Transition


def spectral_norm(A: Transition) -> Float[Tensor, "..."]:
    """‖A‖₂, the largest singular value of every matrix, in float64.

    >>> from lrnn.transition import Diagonal
    >>> spectral_norm(Diagonal.of(torch.tensor([0.5, -0.75])))
    tensor(0.7500, dtype=torch.float64)
    """
    A = A.to(torch.float64)
    if isinstance(A, Scalar):
        return A.value.abs()
    if isinstance(A, Diagonal | SteppedDiagonal | ComplexDiagonal):
        return A.value.abs().amax(-1)
    if isinstance(A, PermutationDiagonal):  # the rows of A Aᴴ do not overlap: each collects the columns that meet in it
        rows = torch.zeros_like(A.log_decay).scatter_add(-1, A.index, A.value.abs().square())
        return rows.amax(-1).sqrt()
    return torch.linalg.matrix_norm(A.dense(), ord=2)


def distance_from_orthogonal(A: Transition) -> Float[Tensor, "..."]:
    """‖Aᴴ A - I‖₂ of every matrix, in float64: 0 for reflections, rotations and permutations, 1 for the zero matrix.

    >>> from lrnn.transition import Householder
    >>> k = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    >>> [round(float(distance_from_orthogonal(Householder(k=k, beta=torch.tensor([b])))), 3) for b in (2.0, 1.9)]
    [0.0, 0.19]
    """
    A = A.to(torch.float64)
    if isinstance(A, Scalar):
        return (A.value.abs().square() - 1).abs()
    if isinstance(A, Diagonal | SteppedDiagonal | ComplexDiagonal):
        return (A.value.abs().square() - 1).abs().amax(-1)
    matrix = A.dense()
    identity = torch.eye(A.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return torch.linalg.matrix_norm(matrix.mH @ matrix - identity, ord=2)


def rank_of_change(A: Transition, tolerance: float = 1e-6) -> Int[Tensor, "..."]:
    """rank(A - I): how many singular values of A - I exceed `tolerance`.

    A product of R reflectors without decay changes at most R dimensions, so this is the smallest number of reflectors
    that can make A if A is orthogonal.

    Raises ValueError if `tolerance` is negative.

    >>> from lrnn.transition import PermutationDiagonal
    >>> cycle = PermutationDiagonal(index=torch.tensor([1, 2, 0]), log_decay=torch.zeros(3))
    >>> int(rank_of_change(cycle))
    2
    """
    if tolerance < 0:
        raise ValueError(f"tolerance = {tolerance}: must be >= 0")
    matrix = A.to(torch.float64).dense()
    identity = torch.eye(A.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return (torch.linalg.svdvals(matrix - identity) > tolerance).sum(-1)


def running_products(A: Transition) -> Dense:
    """P_t = A_t … A_1 for every t (the newest matrix on the left), as `Dense` in float64.

    With it every function of this room says the same about products over a word:
    `eigenvalues(running_products(A))`, `spectral_norm(running_products(A)[:, -1])`.

    Args:
        A: leading axes ``[B, T, H]``.

    Raises ValueError for other leading axes or T = 0.

    >>> from lrnn.transition import Scalar
    >>> A = Scalar.of(torch.tensor([-1.0, 0.5, -1.0]).reshape(1, 3, 1), size=1)
    >>> running_products(A).matrix.flatten()
    tensor([-1.0000, -0.5000,  0.5000], dtype=torch.float64)
    """
    if len(A.leading) != 3 or not A.leading[1]:
        raise ValueError(f"A: leading axes are {A.leading}, must be [B, T, H] with T >= 1")
    A = A.to(torch.float64)
    matrices = [A[:, 0].dense()]
    for t in range(1, A.leading[1]):
        matrices.append(A[:, t].apply(matrices[-1]))
    return Dense(matrix=torch.stack(matrices, dim=1))
