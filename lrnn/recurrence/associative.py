"""A parallel scan: (A₂, W₂) ∘ (A₁, W₁) = (A₂ A₁, A₂ W₁ + W₂) is associative, so any order of grouping will do."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.transition import Transition


def associative(
    A: Transition,
    k: Shaped[Tensor, "B T H *R K"],
    v: Shaped[Tensor, "B T H *R V"],
    q: Shaped[Tensor, "B T H K"] | None,
    state: Shaped[Tensor, "B H K V"],
) -> tuple[Shaped[Tensor, "B T H *K V"], Shaped[Tensor, "B H K V"]]:
    """All states by a scan over time, then all outputs at once, which are the states where q is None.

    The write of a step is what it makes of the zero state; a structure whose products leave it is widened first.
    """
    shape = (*A.shape, v.shape[-1])
    writes = A.advance(torch.zeros(shape, dtype=state.dtype, device=state.device), k, v)
    while not A.closed:
        A = A.widen()
    products, partial = scan(A, writes)
    states = products.apply(state[:, None]) + partial
    return states if q is None else (q[..., None, :] @ states).squeeze(-2), states[:, -1]


def scan(A: Transition, W: Shaped[Tensor, "B T H K V"]) -> tuple[Transition, Shaped[Tensor, "B T H K V"]]:
    """All prefixes (A_t … A_1, Σ_i A_t … A_{i+1} W_i), by scanning pairs of neighbors and filling in between them."""
    length = W.shape[1]
    if length == 1:
        return A, W
    even, odd = slice(0, length - 1, 2), slice(1, length, 2)
    pairs = A[:, odd] @ A[:, even], A[:, odd].apply(W[:, even]) + W[:, odd]
    A_odd, W_odd = scan(*pairs)  # the prefixes that end at 1, 3, 5, …
    later, before = slice(2, length, 2), slice(0, (length - 1) // 2)
    A_even = A[:, later] @ A_odd[:, before]
    W_even = A[:, later].apply(W_odd[:, before]) + W[:, later]
    return _interleave(A[:, :1], A_odd, A_even), _interleave_tensors(W[:, :1], W_odd, W_even)


def _interleave(first: Transition, odd: Transition, even: Transition) -> Transition:
    parts = [part.tensors() for part in (first, odd, even)]
    return odd._with({name: _interleave_tensors(*(part[name] for part in parts)) for name in parts[1]})


def _interleave_tensors(first: Tensor, odd: Tensor, even: Tensor) -> Tensor:
    """first, odd[0], even[0], odd[1], even[1], … along axis 1; odd may be one longer than even."""
    paired = even.shape[1]
    both = torch.stack([odd[:, :paired], even], dim=2).flatten(1, 2)
    return torch.cat([first, both, odd[:, paired:]], dim=1)
