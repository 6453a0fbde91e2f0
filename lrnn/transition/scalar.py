"""One number per step and head: A_t = a_t I (Mamba-2, mLSTM, the gate of Gated DeltaNet)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.decay import log_and_sign, multiply_signs, value_of
from lrnn.transition.diagonal import Diagonal


@dataclass(frozen=True, kw_only=True)
class Scalar(Transition):
    """A_t = sign_t · exp(log_decay_t) · I.

    Arguments:
        log_decay: ``[...]``, natural logarithm of |a|, in (-inf, 0].
        sign: ``[...]`` of -1, 0, +1, or None for +1 everywhere. An exact 0 is a reset: the state is forgotten.
        size: K, the number of state rows, which the tensors cannot tell.

    Source: Dao & Gu, "Transformers are SSMs", arXiv 2405.21060, §2; sign: Grazzi et al., arXiv 2411.12537, eq. (2).

    >>> import torch
    >>> Scalar(log_decay=torch.zeros(1), sign=-torch.ones(1), size=2).dense()
    tensor([[[-1., -0.],
             [-0., -1.]]])
    """

    log_decay: Float[Tensor, "..."]
    sign: Float[Tensor, "..."] | None = None
    size: int

    closed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(
            shape_fault("sign", self.sign, tuple(self.log_decay.shape), "that of log_decay"),
            None if self.size >= 1 else f"size is {self.size}, wanted K >= 1, the number of state rows",
        )

    @classmethod
    def of(cls, a: Float[Tensor, "..."], *, size: int) -> Scalar:
        """From the signed value a in [-1, 1]; the gradient is right near and at a = 0 (see :meth:`Diagonal.of`)."""
        log_decay, sign = log_and_sign(a)
        return cls(log_decay=log_decay, sign=sign, size=size)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.log_decay.shape, self.size)

    @property
    def value(self) -> Float[Tensor, "..."]:
        """The number a_t."""
        return value_of(self.log_decay, self.sign)

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        return self.value[..., None, None] * state

    def widen(self) -> Diagonal:
        spread = self.shape
        sign = None if self.sign is None else self.sign[..., None].expand(spread)
        return Diagonal(log_decay=self.log_decay[..., None].expand(spread), sign=sign)

    def multiply(self, right: Scalar) -> Scalar:
        log_decay = self.log_decay + right.log_decay
        return Scalar(log_decay=log_decay, sign=multiply_signs(self.sign, right.sign), size=self.size)

    def transpose(self) -> Scalar:
        return self
