"""Causal softmax attention, a baseline: its state is every key and value so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lrnn.layers.config import MixerConfig
from lrnn.layers.mixer import Mixer, heads
from lrnn.layers.words import lengths_of, pack, unpack
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(MixerConfig):
    """Attention with heads of dim / num_heads."""

    num_heads: int = 4
    """H."""
    rope_base: float = 10000.0
    """Base of the rotary angles θ_i = base^{-2i/K}, > 1."""

    def faults(self) -> Iterator[str]:
        if self.dim % self.num_heads or self.dim // self.num_heads % 2:
            yield f"num_heads = {self.num_heads}: must cut dim = {self.dim} into heads of even width (RoPE)"
        if not self.rope_base > 1:
            yield f"rope_base = {self.rope_base}: must be a number > 1"


class AttentionState(NamedTuple):
    """The keys (turned to their positions) and values of the word so far. It grows with the word."""

    k: Tensor
    """[N, P, H, K]; word n fills the last length_n of P places."""
    v: Tensor
    """[N, P, H, K]."""
    length: Tensor
    """[N], tokens read of each word."""


class Attention(Mixer[AttentionConfig]):
    """y_t = Σ_{s<=t} softmax_s(⟨R_t q_t, R_s k_s⟩ / √K) v_s per head, x' = W_o y.

    R_t turns pair i (entries i and i + K/2) of a head by the angle t · base^{-2i/K}.

    Start: projections normal with std √(2/5D).

    Source: Vaswani et al., "Attention Is All You Need", arXiv 1706.03762, §3.2; Su et al., "RoFormer", arXiv
    2104.09864, §3.2.
    """

    Config = AttentionConfig

    def build(self) -> None:
        D = self.config.dim
        self.in_proj = nn.Linear(D, 3 * D, bias=False)
        self.out_proj = nn.Linear(D, D, bias=False)
        for proj in (self.in_proj, self.out_proj):
            nn.init.normal_(proj.weight, std=(2 / (5 * D)) ** 0.5)

    def forward(
        self, x: Float[Tensor, "B T D"], state: AttentionState | None = None, packing: Packing | None = None
    ) -> tuple[Float[Tensor, "B T D"], AttentionState]:
        self.check(x, packing)
        rows = x if packing is None else unpack(x, packing)
        N, T, D = rows.shape
        fresh = torch.full((N,), T, device=x.device) if packing is None else lengths_of(packing, x.device)
        q, k, v = heads(self.in_proj(rows), 3, self.config.num_heads, D // self.config.num_heads).unbind(2)
        past = torch.zeros_like(fresh) if state is None else state.length
        if state is not None and state.length.shape != fresh.shape:
            raise ValueError(f"state is of {len(state.length)} words, wanted {N}")
        position = past[:, None] + torch.arange(T, device=x.device)
        q, k = rotate(q, position, self.config.rope_base), rotate(k, position, self.config.rope_base)
        if state is not None:
            k, v = torch.cat([state.k.to(k.dtype), k], dim=1), torch.cat([state.v.to(v.dtype), v], dim=1)
        P = k.shape[1] - T
        place = torch.arange(P + T, device=x.device)
        filled = (place >= P - past[:, None]) & (place < P + fresh[:, None])
        seen = filled[:, None] & (place <= P + torch.arange(T, device=x.device)[:, None])
        q, keys, values = (part.transpose(1, 2) for part in (q, k, v))
        if state is None and packing is None:
            y = F.scaled_dot_product_attention(q, keys, values, is_causal=True)
        else:
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen[:, None])
        y = self.out_proj(y.transpose(1, 2).flatten(-2))
        if packing is not None:  # close the gaps between what was cached and what is new
            order = filled.to(torch.int8).argsort(dim=1, stable=True)[:, -int((past + fresh).max()) :, None, None]
            k, v, y = k.take_along_dim(order, 1), v.take_along_dim(order, 1), pack(y, packing)
        return y, AttentionState(k, v, past + fresh)


def rotate(x: Float[Tensor, "N T H K"], position: Int[Tensor, "N T"], base: float) -> Float[Tensor, "N T H K"]:
    """R_t x_t."""
    half = x.shape[-1] // 2
    frequency = base ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
    angle = position[..., None, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    left, right = x[..., :half], x[..., half:]
    return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)
