"""Signs and phases need no algorithm of their own.

With σ_t the running product of the signs (or phases), S'_t = σ_t⁻¹ S_t obeys the recurrence with |decay|, write keys
σ_t⁻¹ k_t and read keys σ_t q_t. A rank-one term of A_t turns with it: a_t bᵀ_t becomes (σ_t⁻¹ a_t)(σ_{t-1} b_t)ᵀ, and
the reflector β k kᵀ of a signed diagonal, which acts after the decay, keeps its form with k' = σ_t k.
A sign of exactly 0 is left in place: it is a reset, and |decay| carries it.

The gradient of a phase is so the sum of those of all later σ, and right relative to these: where the state decays to
nothing they cancel down to the size of the decay, and what is left is rounding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from lrnn.recurrence.packing import Packing
from lrnn.transition import DPLR, ComplexDiagonal, Diagonal, Householder, Scalar, Transition
from lrnn.transition.decay import in_radians


class Gauged(NamedTuple):
    """A recurrence with decays in [0, 1] and what takes its states back."""

    A: Transition
    k: Tensor
    v: Tensor
    q: Tensor
    state: Tensor
    turn: Tensor | None
    """``[N, H, 1 or K, 1]``: S_T = turn · S'_T."""


def remove_signs(
    A: Transition, k: Tensor, v: Tensor, q: Tensor, state: Tensor, packing: Packing | None, same_key: bool
) -> Gauged:
    """The same recurrence with every sign and phase moved into keys and values."""
    decay = A.decay if isinstance(A, Householder | DPLR) else A
    sigma = _running_turn(decay)
    if sigma is None:
        return Gauged(A, k, v, q, state, None)
    before = torch.cat([torch.ones_like(sigma[:, :1]), sigma[:, :-1]], dim=1)
    inverse = sigma.conj()  # |σ| = 1
    reals = _positive(decay)

    if isinstance(decay, Scalar):  # a number commutes with every k, so the values can take it
        v = v * (inverse[..., None, None] if isinstance(A, Householder) else inverse[..., None])
        q = q * sigma[..., None]
        turn = sigma[..., None, None]
        before_turn = before[..., None, None]
        row = sigma[..., None]
    else:
        row, turn, before_turn = sigma, sigma[..., None], before[..., None]
        q = q * row
    if isinstance(A, Householder):
        if isinstance(decay, Diagonal):
            turned = A.k * row[..., None, :]
            k = turned if same_key else k * row[..., None, :]  # a real σ is its own inverse
            A = replace(A, k=turned, decay=reals)
        else:
            A = replace(A, decay=reals)
    else:
        if not isinstance(decay, Scalar):
            k = k * inverse
        if isinstance(A, DPLR):
            after, earlier = (
                (inverse, before) if not isinstance(decay, Scalar) else (inverse[..., None], before[..., None])
            )
            A = DPLR(decay=reals, a=A.a * after[..., None, :], b=A.b * earlier[..., None, :])  # type: ignore[arg-type]
        else:
            A = reals

    if packing is None:
        return Gauged(A, k, v, q, state, turn[:, -1])
    starts, ends = list(packing.starts), [end - 1 for end in packing.ends]
    state = state * before_turn[0, starts].conj()
    return Gauged(A, k, v, q, state, turn[0, ends])


def _running_turn(decay: Transition | None) -> Tensor | None:
    """σ_t, the product of the signs or phases of steps 1…t, with resets counted as +1; ``[B, T, H]`` or ``[…, K]``."""
    if isinstance(decay, ComplexDiagonal):
        total = decay.phase.to(torch.float64).cumsum(1)
        angle = in_radians(total, decay.num_angles).to(decay.phase.dtype)
        return torch.polar(torch.ones_like(angle), angle)
    sign = getattr(decay, "sign", None)
    if sign is None:
        return None
    # the parity of the number of negative signs: exact, and cheaper to differentiate through than a product
    negative = (sign < 0).to(torch.int32).cumsum(1) % 2
    return (1 - 2 * negative).to(sign.dtype)


def _positive(decay: Transition | None) -> Transition:
    """|decay|; exact zeros stay zeros."""
    if isinstance(decay, ComplexDiagonal):
        return Diagonal(log_decay=decay.log_decay)
    assert isinstance(decay, Scalar | Diagonal)
    assert decay.sign is not None
    return replace(decay, sign=decay.sign.abs())
