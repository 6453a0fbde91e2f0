"""The tables from which the laws run: a new structure joins by one row of STRUCTURES.

A row makes a random transition, and beside it says the same matrices by their textbook definition, written here from
the equations and not from lrnn: as a list of dense factors, one per write of a step. `truth` runs these factors, as
`Dense` and one after the other in float64; everything else is compared with that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lrnn import (
    DPLR,
    ComplexDiagonal,
    Dense,
    Diagonal,
    Householder,
    PermutationDiagonal,
    Scalar,
    SteppedDiagonal,
    Transition,
)

Leading = tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """One row: how to make one, and what it means."""

    make: Callable[[torch.Generator, Leading, int], Transition]
    factors: Callable[[Transition], list[Tensor]]
    """Dense factors ``[..., K, K]``, the first acts first."""
    delta: bool = False
    """The write key is the very tensor A.k (the delta rule, recognized by the chunked algorithm)."""


# ---- random parts ----------------------------------------------------------------------------------------------------


def normal(g: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=g, dtype=torch.float64)


def uniform(g: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=g, dtype=torch.float64)


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def log_decays(g: torch.Generator, *shape: int) -> Tensor:
    """Mostly weak decays, and now and then the edge values 0 and -30."""
    draw = uniform(g, *shape)
    weak = -0.3 * uniform(g, *shape)
    return torch.where(draw < 0.1, 0.0, torch.where(draw > 0.97, -30.0, weak))


def betas(g: torch.Generator, *shape: int) -> Tensor:
    """All of [0, 2], and now and then the edge values 0, 1 and 2."""
    draw = uniform(g, *shape)
    beta = 2 * uniform(g, *shape)
    for low, edge in ((0.1, 0.0), (0.2, 1.0), (0.4, 2.0)):
        beta = torch.where((draw >= low - 0.1) & (draw < low), edge, beta)
    return beta


def signs(g: torch.Generator, *shape: int, resets: bool = False) -> Tensor:
    draw = uniform(g, *shape)
    sign = torch.where(draw < 0.5, -1.0, 1.0).to(torch.float64)
    return torch.where(draw > 0.95, 0.0, sign) if resets else sign


def scalar(g, leading, K, sign=None):
    sign = None if sign is None else signs(g, *leading, resets=sign == "resets")
    return Scalar(log_decay=log_decays(g, *leading), sign=sign, size=K)


def diagonal(g, leading, K, sign=None):
    sign = None if sign is None else signs(g, *leading, K, resets=sign == "resets")
    return Diagonal(log_decay=log_decays(g, *leading, K), sign=sign)


def stepped_diagonal(g, leading, K, shared=False):
    """Rates of their own for every step, or one for each head that all rows and steps share."""
    rates = (*[1] * (len(leading) - 1), *leading[-1:]) if shared else leading
    return SteppedDiagonal(step=uniform(g, *leading), rate=log_decays(g, *rates, K))


def complex_diagonal(g, leading, K):
    return ComplexDiagonal(log_decay=log_decays(g, *leading, K), phase=7 * normal(g, *leading, K))


def roots_of_unity(g, leading, K):
    """Turned by whole multiples of 2π/7."""
    phase = torch.randint(-9, 10, (*leading, K), generator=g).double()
    return ComplexDiagonal(log_decay=log_decays(g, *leading, K), phase=phase, num_angles=7)


def householder(g, leading, K, R=1, decay=None, normalize=False):
    k = normal(g, *leading, R, K)
    return Householder(
        k=k if normalize else unit(k),
        beta=betas(g, *leading, R),
        decay=None if decay is None else decay(g, leading, K),
        normalize=normalize,
    )


def dplr(g, leading, K, R, decay, complex=False):
    """Contracting: the low rank is at most the distance of the decay from 1, so products stay bounded."""
    D = decay(g, leading, K)
    D = replace(D, log_decay=D.log_decay - 0.7)
    a, b = (unit(normal(g, *leading, R, K)) for _ in range(2))
    if complex:
        a, b = (torch.polar(x.abs(), normal(g, *x.shape)) for x in (a, b))
    return DPLR(decay=D, a=-0.5 / max(R, 1) * a, b=b)


def permutation(g, leading, K, sign=None, phase=False):
    return PermutationDiagonal(
        index=torch.randint(K, (*leading, K), generator=g),
        log_decay=log_decays(g, *leading, K) - 1.0,  # columns may meet in a row: keep the state bounded
        sign=None if sign is None else signs(g, *leading, K, resets=sign == "resets"),
        phase=normal(g, *leading, K) if phase else None,
    )


def dense(g, leading, K, complex=False):
    matrix = normal(g, *leading, K, K)
    if complex:
        matrix = torch.complex(matrix, normal(g, *leading, K, K))
    return Dense(matrix=0.9 * matrix / torch.linalg.matrix_norm(matrix, ord=2)[..., None, None].clamp_min(1e-9))


# ---- the textbook definitions ----------------------------------------------------------------------------------------


def diagonal_matrix(A: Transition | None) -> Tensor | float:
    """D of any of the diagonal structures, 1 for none."""
    match A:
        case None:
            return 1.0
        case Scalar(log_decay=g, sign=s, size=K):
            a = torch.exp(g) * (1.0 if s is None else s)
            return torch.diag_embed(a[..., None].expand(*a.shape, K))
        case Diagonal(log_decay=g, sign=s):
            return torch.diag_embed(torch.exp(g) * (1.0 if s is None else s))
        case SteppedDiagonal(step=dt, rate=rate):
            return torch.diag_embed(torch.exp(dt[..., None] * rate))
        case ComplexDiagonal(log_decay=g, phase=phase, num_angles=m):
            return torch.diag_embed(torch.exp(torch.complex(g, phase * (2 * torch.pi / m) if m else phase)))
    raise TypeError(A)


def diagonal_factors(A) -> list[Tensor]:
    return [diagonal_matrix(A)]  # type: ignore[list-item]


def householder_factors(A) -> list[Tensor]:
    eye = torch.eye(A.k.shape[-1], dtype=A.k.dtype)
    found = []
    for r in range(A.k.shape[-2]):
        k, beta = A.k[..., r, :], A.beta[..., r]
        if A.normalize:
            beta = beta / (k * k).sum(-1)
        found.append(eye - beta[..., None, None] * torch.einsum("...i,...j->...ij", k, k))
    if A.decay is not None:
        found[0] = found[0] @ diagonal_matrix(A.decay)
    return found


def dplr_factors(A) -> list[Tensor]:
    D = diagonal_matrix(A.decay)
    low_rank = torch.einsum("...ri,...rj->...ij", A.a, A.b)
    return [D + low_rank]


def permutation_factors(A) -> list[Tensor]:
    d = torch.exp(A.log_decay) * (1.0 if A.sign is None else A.sign)
    if A.phase is not None:
        d = d * torch.exp(1j * A.phase)
    one_hot = torch.nn.functional.one_hot(A.index, A.index.shape[-1])  # [..., column j, row index_j]
    return [one_hot.mT * d[..., None, :]]


def dense_factors(A) -> list[Tensor]:
    return [A.matrix]


def definition(name: str, A: Transition) -> Tensor:
    """The matrices of one step, ``[..., K, K]``."""
    product, *later = STRUCTURES[name].factors(A)
    for factor in later:
        product = factor @ product
    return product


def _signed_diagonal(g, leading, K):
    return diagonal(g, leading, K, "resets")


def _signed_scalar(g, leading, K):
    return scalar(g, leading, K, "signs")


def _householder(**options) -> Callable:
    return lambda g, leading, K: householder(g, leading, K, **options)


def _dplr(R, decay, complex=False) -> Callable:
    return lambda g, leading, K: dplr(g, leading, K, R, decay, complex)


STRUCTURES: dict[str, Structure] = {
    "scalar": Structure(scalar, diagonal_factors),
    "scalar signs": Structure(_signed_scalar, diagonal_factors),
    "scalar resets": Structure(lambda g, leading, K: scalar(g, leading, K, "resets"), diagonal_factors),
    "diagonal": Structure(diagonal, diagonal_factors),
    "diagonal signs": Structure(lambda g, leading, K: diagonal(g, leading, K, "signs"), diagonal_factors),
    "diagonal resets": Structure(_signed_diagonal, diagonal_factors),
    "stepped diagonal": Structure(stepped_diagonal, diagonal_factors),
    "stepped diagonal shared": Structure(lambda g, leading, K: stepped_diagonal(g, leading, K, True), diagonal_factors),
    "complex diagonal": Structure(complex_diagonal, diagonal_factors),
    "complex diagonal angles": Structure(roots_of_unity, diagonal_factors),
    "householder": Structure(_householder(), householder_factors),
    "householder delta": Structure(_householder(), householder_factors, delta=True),
    "householder R=2": Structure(_householder(R=2), householder_factors),
    "householder R=4 normalize": Structure(_householder(R=4, normalize=True), householder_factors),
    "householder delta R=3 scalar": Structure(_householder(R=3, decay=scalar), householder_factors, delta=True),
    "householder delta R=3 normalize": Structure(_householder(R=3, normalize=True), householder_factors, delta=True),
    "householder scalar": Structure(_householder(decay=scalar), householder_factors, delta=True),
    "householder R=2 scalar signs": Structure(_householder(R=2, decay=_signed_scalar), householder_factors),
    "householder diagonal": Structure(_householder(decay=diagonal), householder_factors, delta=True),
    "householder R=2 diagonal resets": Structure(_householder(R=2, decay=_signed_diagonal), householder_factors),
    "householder delta diagonal resets": Structure(
        _householder(decay=_signed_diagonal), householder_factors, delta=True
    ),
    "dplr": Structure(_dplr(1, diagonal), dplr_factors),
    "dplr R=0": Structure(_dplr(0, diagonal), dplr_factors),
    "dplr R=2 scalar signs": Structure(_dplr(2, _signed_scalar), dplr_factors),
    "dplr R=2 diagonal resets": Structure(_dplr(2, _signed_diagonal), dplr_factors),
    "dplr R=3 complex": Structure(_dplr(3, complex_diagonal, complex=True), dplr_factors),
    "permutation": Structure(permutation, permutation_factors),
    "permutation resets": Structure(lambda g, leading, K: permutation(g, leading, K, "resets"), permutation_factors),
    "permutation phase": Structure(
        lambda g, leading, K: permutation(g, leading, K, "signs", True), permutation_factors
    ),
    "dense": Structure(dense, dense_factors),
    "dense complex": Structure(lambda g, leading, K: dense(g, leading, K, complex=True), dense_factors),
}
