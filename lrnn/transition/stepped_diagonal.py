"""A diagonal of fixed rates and a step size: A_t = diag(exp(Δ_t · rate)) (Mamba)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from jaxtyping import Float, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require
from lrnn.transition.diagonal import Diagonal


@dataclass(frozen=True, kw_only=True)
class SteppedDiagonal(Transition):
    """A_t = diag(exp(step_t · rate)), without the K numbers of every step being written out.

    It is the :class:`Diagonal` with ``log_decay = step · rate`` and widens to it. What the rates do not depend on is an
    axis of size 1, which is never copied: ``rate[None, None]`` says ``[H, K]`` for every row of the batch and every
    step.

    Arguments:
        step: ``[...]``, the step size Δ, in [0, inf).
        rate: ``[..., K]``, in (-inf, 0]; its leading axes are those of step, or 1.

    Source: Gu & Dao, "Mamba", arXiv 2312.00752, eq. (4), alg. 2.

    >>> import torch
    >>> A = SteppedDiagonal(step=torch.tensor([0.0, 1.0]), rate=torch.tensor([[-1.0, -2.0]]))
    >>> A.value
    tensor([[1.0000, 1.0000],
            [0.3679, 0.1353]])
    """

    step: Float[Tensor, "..."]
    rate: Float[Tensor, "... K"]

    closed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        step, rate = tuple(self.step.shape), tuple(self.rate.shape)
        fits = len(rate) == len(step) + 1 and all(size in (1, whole) for size, whole in zip(rate, step))
        require(
            None if fits else f"rate has shape {rate}, wanted {(*step, 'K')} (that of step, or 1 on any axis, and K)"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.step.shape, self.rate.shape[-1])

    @property
    def log_decay(self) -> Float[Tensor, "... K"]:
        """step · rate, written out."""
        return self.step[..., None] * self.rate

    @property
    def value(self) -> Float[Tensor, "... K"]:
        """The numbers a_t."""
        return self.log_decay.exp()

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        return self.value[..., None] * state

    def widen(self) -> Diagonal:
        return Diagonal(log_decay=self.log_decay)

    def transpose(self) -> SteppedDiagonal:
        return self

    def unbind(self, axis: int) -> list[Self]:
        return self._whole().unbind(axis) if self._short else super().unbind(axis)

    def __getitem__(self, index: Any) -> Self:
        steps = index if isinstance(index, tuple) else (index,)
        if not self._short:
            return super().__getitem__(index)
        if len(steps) > len(self.leading) or any(type(step) not in (int, slice) for step in steps):
            return self._whole()[index]
        one = {int: 0, slice: slice(None)}
        kept = tuple(one[type(step)] if size == 1 else step for step, size in zip(steps, self.rate.shape))
        return type(self)(step=self.step[steps], rate=self.rate[kept])

    @property
    def _short(self) -> bool:
        """Has rate an axis of size 1 where step has more?"""
        return self.rate.shape[:-1] != self.step.shape

    def _whole(self) -> Self:
        """The same with every axis of rate as long as that of step; a view."""
        return type(self)(step=self.step, rate=self.rate.expand(self.shape))
