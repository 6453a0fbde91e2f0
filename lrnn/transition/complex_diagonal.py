"""One complex number per state row: A_t = diag(λ_t) (S4D, S5, LRU, the rotations of Mamba-3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Complex, Float, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.decay import add_phases, in_radians
from lrnn.transition.dplr import DPLR


@dataclass(frozen=True, kw_only=True)
class ComplexDiagonal(Transition):
    """A_t = diag(exp(log_decay_t + i·phase_t)); the state is complex and ``y`` too, a layer takes the real part.

    Arguments:
        log_decay: ``[..., K]``, natural logarithm of |λ|, in (-inf, 0]. ``-inf`` is no legal value.
        phase: ``[..., K]``, any real number, in radians.
        num_angles: m, where the phase is in units of 2π/m instead; 0 for radians. Whole numbers are then m-th roots of
            unity, and they add up modulo m without rounding over any number of steps (chunked and associative), where
            2π/m in float32 is off by up to 1.2e-7 per step.

    Source: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences", arXiv 2303.06349, eq. (4).

    >>> ComplexDiagonal(log_decay=torch.zeros(1), phase=torch.full((1,), torch.pi / 2)).value.imag
    tensor([1.])
    """

    log_decay: Float[Tensor, "... K"]
    phase: Float[Tensor, "... K"]
    num_angles: int = 0

    closed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(
            shape_fault("phase", self.phase, tuple(self.log_decay.shape), "that of log_decay"),
            None if self.num_angles >= 0 else f"num_angles is {self.num_angles}, wanted m >= 1, or 0 for radians",
        )

    @property
    def complex(self) -> bool:
        return True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.log_decay.shape)

    @property
    def radians(self) -> Float[Tensor, "... K"]:
        """The phase in radians; brought to one turn first where it is counted in angles."""
        return in_radians(self.phase, self.num_angles) if self.num_angles else self.phase

    @property
    def value(self) -> Complex[Tensor, "... K"]:
        """The numbers λ_t."""
        # not torch.polar, whose gradient is NaN where the magnitude is subnormal
        log_decay, phase = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (self.log_decay, self.radians))
        return torch.complex(log_decay, phase).exp()

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        return self.value[..., None] * state

    def widen(self) -> DPLR:
        return DPLR.of_rank_zero(self)

    def multiply(self, right: ComplexDiagonal) -> ComplexDiagonal:
        log_decay = self.log_decay + right.log_decay
        if self.num_angles != right.num_angles:
            return ComplexDiagonal(log_decay=log_decay, phase=add_phases(self.radians, right.radians))
        phase = add_phases(self.phase, right.phase, self.num_angles)
        return ComplexDiagonal(log_decay=log_decay, phase=phase, num_angles=self.num_angles)

    def transpose(self) -> ComplexDiagonal:
        return self
