"""A column one-hot matrix times a diagonal (PD-SSM): any finite automaton's step, at the cost of a gather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.decay import add_phases, multiply_signs, value_of
from lrnn.transition.dense import Dense


@dataclass(frozen=True, kw_only=True)
class PermutationDiagonal(Transition):
    """A_t = P_t diag(d_t), column j of P_t one-hot at row index_j; d = sign · exp(log_decay + i·phase).

    State row j is scaled by d_j and added to row index_j, so an automaton's step δ(·, x) is ``index = δ[:, x]``. P
    need not be a permutation: several columns may meet in one row.

    Arguments:
        index: ``[..., K]`` int64 in 0…K-1.
        log_decay: ``[..., K]``, natural logarithm of |d|, in (-inf, 0].
        sign: ``[..., K]`` of -1, 0, +1, or None.
        phase: ``[..., K]`` in radians, or None for a real structure.

    Source: Terzić et al., "Structured Sparse Transition Matrices to Enable State Tracking in State-Space Models",
    arXiv 2509.22284, eq. (5).

    >>> swap = PermutationDiagonal(index=torch.tensor([1, 0]), log_decay=torch.zeros(2))
    >>> swap.dense()
    tensor([[0., 1.],
            [1., 0.]])
    """

    index: Int[Tensor, "... K"]
    log_decay: Float[Tensor, "... K"]
    sign: Float[Tensor, "... K"] | None = None
    phase: Float[Tensor, "... K"] | None = None

    closed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        shape = tuple(self.log_decay.shape)
        require(
            None if self.index.dtype == torch.int64 else f"index has dtype {self.index.dtype}, wanted torch.int64",
            shape_fault("index", self.index, shape, "that of log_decay"),
            shape_fault("sign", self.sign, shape, "that of log_decay"),
            shape_fault("phase", self.phase, shape, "that of log_decay"),
        )

    @property
    def complex(self) -> bool:
        return self.phase is not None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.log_decay.shape)

    @property
    def value(self) -> Shaped[Tensor, "... K"]:
        """The diagonal d."""
        value = value_of(self.log_decay, self.sign)
        if self.phase is None:
            return value
        phase = self.phase.to(torch.promote_types(self.phase.dtype, torch.float32))
        return value * torch.polar(torch.ones_like(phase), phase)

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        scaled = self.value[..., None] * state
        index = self.index[..., None].expand(scaled.shape)
        return torch.zeros_like(scaled).scatter_add(-2, index, scaled)

    def widen(self) -> Dense:
        return Dense(matrix=self.dense())

    def multiply(self, right: PermutationDiagonal) -> PermutationDiagonal:
        # column j first goes where right sends it, then where left sends that row
        shape = torch.broadcast_shapes(self.index.shape, right.index.shape)
        first = right.index.expand(shape)
        log_decay = self.log_decay.expand(shape).gather(-1, first) + right.log_decay
        sign = None if self.sign is None else self.sign.expand(shape).gather(-1, first)
        phase = None if self.phase is None else self.phase.expand(shape).gather(-1, first)
        if right.phase is not None:
            phase = right.phase.expand(shape) if phase is None else add_phases(phase, right.phase)
        return PermutationDiagonal(
            index=self.index.expand(shape).gather(-1, first),
            log_decay=log_decay,
            sign=multiply_signs(sign, None if right.sign is None else right.sign.expand(shape)),
            phase=phase,
        )
