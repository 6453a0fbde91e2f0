"""One number per state row: A_t = diag(a_t) (Mamba, GLA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.decay import log_and_sign, multiply_signs, value_of
from lrnn.transition.dplr import DPLR


@dataclass(frozen=True, kw_only=True)
class Diagonal(Transition):
    """A_t = diag(sign_t · exp(log_decay_t)).

    Arguments:
        log_decay: ``[..., K]``, natural logarithm of |a|, in (-inf, 0].
        sign: ``[..., K]`` of -1, 0, +1, or None for +1 everywhere. An exact 0 is a reset of that row.

    Source: Gu & Dao, "Mamba", arXiv 2312.00752, eq. (2); sign: Grazzi et al., arXiv 2411.12537, eq. (2).

    >>> import torch
    >>> Diagonal.of(torch.tensor([-1.0, 0.5])).dense()
    tensor([[-1.0000, -0.0000],
            [ 0.0000,  0.5000]])
    """

    log_decay: Float[Tensor, "... K"]
    sign: Float[Tensor, "... K"] | None = None

    closed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(shape_fault("sign", self.sign, tuple(self.log_decay.shape), "that of log_decay"))

    @classmethod
    def of(cls, a: Float[Tensor, "... K"]) -> Diagonal:
        """From the signed value a in [-1, 1].

        |a| is kept at or above a floor far below the rounding of the state, so that the gradient of everything with
        respect to a is finite and right near and at a = 0, where log|a| alone would give 0 · inf.
        """
        log_decay, sign = log_and_sign(a)
        return cls(log_decay=log_decay, sign=sign)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.log_decay.shape)

    @property
    def value(self) -> Float[Tensor, "... K"]:
        """The numbers a_t."""
        return value_of(self.log_decay, self.sign)

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        return self.value[..., None] * state

    def widen(self) -> DPLR:
        return DPLR.of_rank_zero(self)

    def multiply(self, right: Diagonal) -> Diagonal:
        return Diagonal(log_decay=self.log_decay + right.log_decay, sign=multiply_signs(self.sign, right.sign))

    def transpose(self) -> Diagonal:
        return self
