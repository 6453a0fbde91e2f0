"""The definition, step by step. Every other algorithm and every kernel is tested against this file."""

from __future__ import annotations

from itertools import repeat

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.transition import Transition


def sequential(
    A: Transition,
    k: Shaped[Tensor, "B T H *R K"],
    v: Shaped[Tensor, "B T H *R V"],
    q: Shaped[Tensor, "B T H K"] | None,
    state: Shaped[Tensor, "B H K V"],
) -> tuple[Shaped[Tensor, "B T H *K V"], Shaped[Tensor, "B H K V"]]:
    """S_t = A_t S_{t-1} + k_t v_tᵀ and y_t = S_tᵀ q_t, or S_t where q is None, one t after the other."""
    ys = []
    queries = repeat(None, k.shape[1]) if q is None else q.unbind(1)
    for A_t, k_t, v_t, q_t in zip(A.unbind(1), k.unbind(1), v.unbind(1), queries, strict=True):
        state = A_t.advance(state, k_t, v_t)
        ys.append(state if q_t is None else (q_t[..., None, :] @ state).squeeze(-2))
    return torch.stack(ys, dim=1), state
