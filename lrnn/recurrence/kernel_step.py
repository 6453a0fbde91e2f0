"""A few steps, in the terms of the kernel for steps: the state is read once and written once."""

from __future__ import annotations

import torch
from torch import Tensor

from lrnn.backends.triton.step import step
from lrnn.recurrence.grouped_keys import for_every_head
from lrnn.recurrence.packing import Packing
from lrnn.transition import DPLR, ComplexDiagonal, Householder, SteppedDiagonal, Transition


def take_steps(
    A: Transition, k: Tensor, v: Tensor, q: Tensor, state: Tensor, packing: Packing | None, overwrite_state: bool
) -> tuple[Tensor, Tensor]:
    """y and the last states; words of one step each are a batch of them."""
    if isinstance(A, SteppedDiagonal):
        A = A.to(torch.float32).widen()
    if k.shape[2] != q.shape[2] or isinstance(A, DPLR):
        k, q = (for_every_head(x, v.shape[2]) for x in (k, q))
    decay = A.decay if isinstance(A, Householder | DPLR) else A
    tensors = {
        "q": q,
        "k": k,
        "v": v,
        "log_decay": getattr(decay, "log_decay", None),
        "sign": getattr(decay, "sign", None),
        "phase": radians(decay) if isinstance(decay, ComplexDiagonal) else None,
    }
    if isinstance(A, Householder):
        tensors |= {"reflector": None if A.k is k else A.k, "beta": A.beta}
    elif isinstance(A, DPLR) and A.rank:
        tensors |= {"a": A.a, "b": A.b}
    if packing is not None:
        tensors = {name: None if x is None else x.transpose(0, 1) for name, x in tensors.items()}
    normalize = isinstance(A, Householder) and A.normalize
    y, final = step(state=state, normalize=normalize, overwrite=overwrite_state, **tensors)  # type: ignore[arg-type]
    return y if packing is None else y.transpose(0, 1), final


def radians(A: ComplexDiagonal) -> Tensor:
    """The phases; those counted in angles are turned into radians in float32, whatever their dtype."""
    return A.to(torch.float32).radians if A.num_angles else A.phase
