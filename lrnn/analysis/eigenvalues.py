"""The eigenvalues of a transition, exact where its structure gives them away.

Shapes: ``...`` leading axes of the transition (``B T H`` in a recurrence) · K state rows · R reflectors.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex
from torch import Tensor

from lrnn.transition import (
    ComplexDiagonal,
    Diagonal,
    Householder,
    PermutationDiagonal,
    Scalar,
    SteppedDiagonal,
    Transition,
)


def eigenvalues(A: Transition) -> Complex[Tensor, "... K"]:
    """The K eigenvalues of every matrix, in no particular order, as complex128.

    Read off in float64 where the structure allows it: the diagonal of `Scalar`, `Diagonal` and `ComplexDiagonal`; 1
    (K - 1 times) and 1 - β kᵀk, times the decay, of a single Householder reflector without or with a scalar decay;
    the roots of the cycles of `PermutationDiagonal`, whose defective zeros a dense solver would blur to ε^(1/K). All
    else goes through `dense()` and a dense solver.

    >>> from lrnn.transition import Householder
    >>> A = Householder(k=torch.tensor([[0.6, 0.8]]).double(), beta=torch.tensor([2.0]).double())
    >>> eigenvalues(A).real.sort().values
    tensor([-1.,  1.], dtype=torch.float64)
    """
    A = A.to(torch.float64)
    if isinstance(A, Scalar):
        return A.value[..., None].expand(A.shape).to(torch.complex128)
    if isinstance(A, Diagonal | SteppedDiagonal | ComplexDiagonal):
        return A.value.to(torch.complex128)
    if isinstance(A, PermutationDiagonal):
        return _of_cycles(A)
    if isinstance(A, Householder) and A.num_reflectors == 1 and not isinstance(A.decay, Diagonal):
        values = torch.ones(A.shape, dtype=torch.float64, device=A.device)
        values[..., -1] -= (A.strength * A.k.square().sum(-1))[..., 0]
        if A.decay is not None:
            values = values * A.decay.value[..., None]
        return values.to(torch.complex128)
    return torch.linalg.eigvals(A.dense())


def _of_cycles(A: PermutationDiagonal) -> Complex[Tensor, "... K"]:
    """The graph j -> index_j ends in cycles. A cycle of m states with product c of its diagonal entries gives the m-th
    roots of c; every state outside a cycle gives 0."""
    size = A.shape[-1]
    start = torch.arange(size, device=A.device).expand(A.shape)
    place, product = start, torch.ones(A.shape, dtype=torch.complex128, device=A.device)
    length = torch.zeros_like(start)  # of the cycle through the state, 0 as long as none was closed
    cycle = torch.zeros_like(product)
    smallest = start.clone()  # member of the cycle, from which its states are numbered
    number = torch.zeros_like(start)  # how many steps after the state the smallest member comes
    for step in range(1, size + 1):
        product = product * A.value.to(torch.complex128).gather(-1, place)
        place = A.index.gather(-1, place)
        closed = (place == start) & (length == 0)
        length = torch.where(closed, step, length)
        cycle = torch.where(closed, product, cycle)
        lower = (length == 0) & (place < smallest)
        smallest, number = torch.where(lower, place, smallest), torch.where(lower, step, number)
    # one product for all states of a cycle: -1 ± i·1e-17 from different starts would have angles π and -π
    cycle = torch.where(length > 0, cycle.gather(-1, smallest), 0)
    m = length.clamp_min(1).double()  # an integer tensor divided is float32
    angle = (cycle.angle() + 2 * torch.pi * number.double()) / m
    return torch.polar(cycle.abs() ** (1 / m), angle)
