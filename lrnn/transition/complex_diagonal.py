"""One complex number per state row: A_t = diag(λ_t) (S4D, S5, LRU, the rotations of Mamba-3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Complex, Float, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.decay import add_phases
from lrnn.transition.dplr import DPLR


@dataclass(frozen=True, kw_only=True)
class ComplexDiagonal(Transition):
    """A_t = diag(exp(log_decay_t + i·phase_t)); the state is complex and ``y`` too, a layer takes the real part.

    Arguments:
        log_decay: ``[..., K]``, natural logarithm of |λ|, in (-inf, 0]. ``-inf`` is no legal value.
        phase: ``[..., K]``, in radians, any real number.

    Source: Orvieto et al., "Resurrecting Recurrent Neural Networks for Long Sequences", arXiv 2303.06349, eq. (4).

    >>> ComplexDiagonal(log_decay=torch.zeros(1), phase=torch.full((1,), torch.pi / 2)).value.imag
    tensor([1.])
    """

    log_decay: Float[Tensor, "... K"]
    phase: Float[Tensor, "... K"]

    closed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(shape_fault("phase", self.phase, tuple(self.log_decay.shape), "that of log_decay"))

    @property
    def complex(self) -> bool:
        return True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.log_decay.shape)

    @property
    def value(self) -> Complex[Tensor, "... K"]:
        """The numbers λ_t."""
        # not torch.polar, whose gradient is NaN where the magnitude is subnormal
        log_decay, phase = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (self.log_decay, self.phase))
        return torch.complex(log_decay, phase).exp()

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        return self.value[..., None] * state

    def widen(self) -> DPLR:
        return DPLR.of_rank_zero(self)

    def multiply(self, right: ComplexDiagonal) -> ComplexDiagonal:
        return ComplexDiagonal(log_decay=self.log_decay + right.log_decay, phase=add_phases(self.phase, right.phase))

    def transpose(self) -> ComplexDiagonal:
        return self
