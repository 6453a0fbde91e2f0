"""No structure: the truth that every test compares with, and SD-SSM's dictionary matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require


@dataclass(frozen=True, kw_only=True)
class Dense(Transition):
    """A_t = matrix_t.

    Arguments:
        matrix: ``[..., K, K]``, real or complex; row i, column j takes state row j to state row i.

    Source: Terzić et al., "On the Expressiveness and Length Generalization of Selective State-Space Models on Regular
    Languages", arXiv 2412.19350, eq. (4).
    """

    matrix: Shaped[Tensor, "... K K"]

    closed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        square = self.matrix.ndim >= 2 and self.matrix.shape[-1] == self.matrix.shape[-2]
        require(None if square else f"matrix has shape {tuple(self.matrix.shape)}, wanted [..., K, K]")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.matrix.shape[:-1])

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        dtype = torch.promote_types(self.matrix.dtype, state.dtype)
        return self.matrix.to(dtype) @ state.to(dtype)

    def dense(self) -> Shaped[Tensor, "... K K"]:
        return self.matrix

    def widen(self) -> Dense:
        return self

    def multiply(self, right: Dense) -> Dense:
        return Dense(matrix=self.apply(right.matrix))

    def transpose(self) -> Dense:
        return Dense(matrix=self.matrix.mT)
