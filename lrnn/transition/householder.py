"""A product of generalized Householder matrices (DeltaNet, Gated DeltaNet, DeltaProduct, KDA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from lrnn.transition.base import Transition, require, shape_fault
from lrnn.transition.diagonal import Diagonal
from lrnn.transition.dplr import DPLR, promote
from lrnn.transition.scalar import Scalar


@dataclass(frozen=True, kw_only=True)
class Householder(Transition):
    """A_t = (I - β_R k_R k_Rᵀ) … (I - β_1 k_1 k_1ᵀ) · D_t; reflector 1 acts first, the decay before it.

    With ‖k‖ = 1 the eigenvalue along k is 1 - β: β in [0, 1] keeps it in [0, 1], β in [0, 2] in [-1, 1], and β = 2
    is a reflection.

    Arguments:
        k: ``[..., R, K]``, the reflectors' directions, of length 1 unless ``normalize``.
        beta: ``[..., R]``, in [0, 2].
        decay: D_t as :class:`Scalar` or :class:`Diagonal`, or None for I.
        normalize: use β/(kᵀk), with kᵀk that of the k given. A rounded k then still gives an exact reflection at
            β = 2; k = 0 gives the identity.

    Source: Yang et al., "Parallelizing Linear Transformers with the Delta Rule over Sequence Length", arXiv
    2406.06484, eq. (2); product and range: Siems et al., "DeltaProduct", arXiv 2502.10297, §3; Grazzi et al., arXiv
    2411.12537, eq. (3).

    >>> rotation = Householder(k=torch.eye(2), beta=torch.full((2,), 2.0))
    >>> rotation.dense()
    tensor([[-1.,  0.],
            [ 0., -1.]])
    """

    k: Float[Tensor, "... R K"]
    beta: Float[Tensor, "... R"]
    decay: Scalar | Diagonal | None = None
    normalize: bool = False

    closed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.decay is not None and not isinstance(self.decay, Scalar | Diagonal):
            raise TypeError(f"decay is {type(self.decay).__name__}, wanted Scalar, Diagonal or None")
        shape = tuple(self.k.shape)
        wanted = None if self.decay is None else (*shape[:-2], shape[-1])
        require(
            None if len(shape) >= 2 and shape[-2] >= 1 else f"k has shape {shape}, wanted [..., R, K] with R >= 1",
            shape_fault("beta", self.beta, shape[:-1], "that of k without K"),
            None
            if wanted is None or self.decay is None or self.decay.shape == wanted
            else f"decay is for leading axes and K {self.decay.shape}, wanted {wanted} (those of k without R)",
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.k.shape[:-2], self.k.shape[-1])

    @property
    def complex(self) -> bool:
        return self.k.is_complex() or self.beta.is_complex() or (self.decay is not None and self.decay.complex)

    @property
    def dtype(self) -> torch.dtype:
        # β/(kᵀk) is not rounded to a narrow dtype: the reflection would no longer be one
        given = torch.promote_types(self.k.dtype, self.beta.dtype)
        given = given if self.decay is None else torch.promote_types(given, self.decay.dtype)
        return torch.promote_types(given, torch.float32) if self.normalize else given

    @property
    def num_reflectors(self) -> int:
        """R, the number of factors."""
        return self.k.shape[-2]

    @property
    def strength(self) -> Float[Tensor, "... R"]:
        """What multiplies k kᵀ: β, or β/(kᵀk) when normalized."""
        if not self.normalize:
            return self.beta
        dtype = torch.promote_types(self.k.dtype, torch.float32)
        square = self.k.to(dtype).square().sum(-1)
        nonzero = torch.where(square > 0, square, 1.0)
        return torch.where(square > 0, self.beta.to(dtype) / nonzero, 0.0)

    def apply(self, state: Shaped[Tensor, "... K V"]) -> Shaped[Tensor, "... K V"]:
        if self.decay is not None:
            state = self.decay.apply(state)
        k, strength, state = promote(self.k, self.strength, state)
        for r in range(self.num_reflectors):
            state = reflect(k[..., r, :], strength[..., r], state)
        return state

    def advance(
        self, state: Shaped[Tensor, "... K V"], k: Shaped[Tensor, "... R K"], v: Shaped[Tensor, "... R V"]
    ) -> Shaped[Tensor, "... K V"]:
        """One step with R writes: k_j v_jᵀ is added right after reflector j."""
        if self.decay is not None:
            state = self.decay.apply(state)
        strength = self.strength
        for r in range(self.num_reflectors):
            state = reflect(self.k[..., r, :], strength[..., r], state) + k[..., r, :, None] * v[..., r, None, :]
        return state

    def widen(self) -> DPLR:
        # H_r (I + Σ a bᵀ) = I + Σ a bᵀ + a_r (k_r + Σ b (aᵀ k_r))ᵀ  with a_r = -β_r k_r
        k, strength = promote(self.k, self.strength)
        a = -strength[..., None] * k
        b: list[Tensor] = []
        for r in range(self.num_reflectors):
            row = k[..., r, :]
            for s in range(r):
                row = row + b[s] * (a[..., s, :] * k[..., r, :]).sum(-1, keepdim=True)
            b.append(row)
        rows = torch.stack(b, dim=-2)
        identity = Scalar(log_decay=torch.zeros_like(strength[..., 0]), size=k.shape[-1])
        decay = identity if self.decay is None else self.decay
        return DPLR(decay=decay, a=a, b=rows if self.decay is None else decay.apply(rows.mT).mT)

    def multiply(self, right: Householder) -> Transition:
        if isinstance(self.decay, Diagonal):  # a diagonal between reflectors does not commute with them
            return self.widen() @ right.widen()
        decay = right.decay
        if self.decay is not None:
            decay = self.decay if decay is None else self.decay @ decay
        k_left, k_right = promote(self.k, right.k)
        if self.normalize == right.normalize:
            beta, normalize = promote(right.beta, self.beta), self.normalize
        else:
            beta, normalize = promote(right.strength, self.strength), False
        k, beta = torch.cat([k_right, k_left], dim=-2), torch.cat(beta, dim=-1)
        return Householder(k=k, beta=beta, decay=decay, normalize=normalize)  # type: ignore[arg-type]

    def transpose(self) -> Transition:
        if isinstance(self.decay, Diagonal):
            return self.widen().mT
        return Householder(k=self.k.flip(-2), beta=self.beta.flip(-1), decay=self.decay, normalize=self.normalize)


def reflect(
    k: Float[Tensor, "... K"], strength: Float[Tensor, "..."], state: Shaped[Tensor, "... K V"]
) -> Shaped[Tensor, "... K V"]:
    """(I - strength · k kᵀ) S."""
    kS = (k[..., None, :] @ state).squeeze(-2)
    return state - (strength[..., None] * k)[..., None] * kS[..., None, :]
