"""Diagonal plus low rank: A_t = D_t + Σ_r a_r b_rᵀ (RWKV-7, S4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.dense import Dense

if TYPE_CHECKING:
    from lrnn.transition.complex_diagonal import ComplexDiagonal
    from lrnn.transition.diagonal import Diagonal
    from lrnn.transition.scalar import Scalar


@dataclass(frozen=True, kw_only=True)
class DPLR(Transition):
    """A_t = D_t + Σ_r a_{t,r} b_{t,r}ᵀ.

    Arguments:
        decay: D_t as :class:`Scalar`, :class:`Diagonal` or :class:`ComplexDiagonal`.
        a, b: ``[..., R, K]``, any real (or complex) numbers; no conjugation is applied to b. R may be 0.

    Source: Peng et al., "RWKV-7 Goose", arXiv 2503.14456, eq. (17); Gu et al., "Efficiently Modeling Long Sequences
    with Structured State Spaces", arXiv 2111.00396, §3.
    """

    decay: Scalar | Diagonal | ComplexDiagonal
    a: Shaped[Tensor, "... R K"]
    b: Shaped[Tensor, "... R K"]

    closed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.decay, Transition):
            raise TypeError(f"decay is {type(self.decay).__name__}, wanted Scalar, Diagonal or ComplexDiagonal")
        wanted = (*self.decay.leading, self.a.shape[-2] if self.a.ndim > 1 else 1, self.decay.shape[-1])
        require(
            shape_fault("a", self.a, wanted, "the leading axes of decay, R, K"),
            shape_fault("b", self.b, wanted, "that of a"),
        )

    @classmethod
    def of_rank_zero(cls, decay: Scalar | Diagonal | ComplexDiagonal) -> DPLR:
        """A diagonal matrix said in this structure."""
        nothing = torch.zeros(*decay.leading, 0, decay.shape[-1], dtype=decay.dtype, device=decay.device)
        return cls(decay=decay, a=nothing, b=nothing)

    @property
    def complex(self) -> bool:
        return self.decay.complex or self.a.is_complex() or self.b.is_complex()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.decay.shape

    @property
    def rank(self) -> int:
        """R, the number of rank-one terms."""
        return self.a.shape[-2]

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        a, b, state = promote(self.a, self.b, state)
        return self.decay.apply(state) + a.mT @ (b @ state)

    def widen(self) -> Dense:
        return Dense(matrix=self.dense())

    def multiply(self, right: DPLR) -> Transition:
        # (D + a bᵀ)(E + c dᵀ) = D E + a (E b)ᵀ + (D c + a (bᵀ c)) dᵀ
        decay = _product(self.decay, right.decay)
        if decay is None:
            return self.widen() @ right.widen()
        a, b, c, d = promote(self.a, self.b, right.a, right.b)
        eb = right.decay.apply(b.mT).mT
        dc = self.decay.apply(c.mT).mT + (b @ c.mT).mT @ a
        a, eb, dc, d = promote(a, eb, dc, d)
        return DPLR(decay=decay, a=torch.cat([a, dc], dim=-2), b=torch.cat([eb, d], dim=-2))

    def transpose(self) -> DPLR:
        return DPLR(decay=self.decay, a=self.b, b=self.a)


def _product(
    left: Scalar | Diagonal | ComplexDiagonal, right: Scalar | Diagonal | ComplexDiagonal
) -> Scalar | Diagonal | ComplexDiagonal | None:
    """The product of two diagonal matrices if one of the diagonal structures holds it exactly."""
    if left.complex == right.complex:
        return left @ right  # type: ignore[return-value]
    turning, real = (left, right) if left.complex else (right, left)
    if real.sign is not None:  # type: ignore[union-attr]
        return None  # no logarithm is that of a reset, and no rounded phase is that of -1
    per_row = real.log_decay.ndim == len(real.shape)
    log_decay = real.log_decay if per_row else real.log_decay[..., None]
    return replace(turning, log_decay=turning.log_decay + log_decay)


def promote(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors in the dtype that holds every one of them."""
    dtype = tensors[0].dtype
    for tensor in tensors[1:]:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return tuple(tensor.to(dtype) for tensor in tensors)
