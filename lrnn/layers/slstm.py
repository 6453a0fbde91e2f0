"""sLSTM, a baseline: an LSTM with exponential gates and recurrent weights within heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import InitialState, MixerConfig
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import precise
from lrnn.layers.mixer import Mixer, heads, normed, undecayed
from lrnn.layers.words import lengths_of, pack, unpack
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class SLSTMConfig(MixerConfig):
    """sLSTM with dim cells."""

    num_heads: int = 4
    """H; recurrent weights connect cells of one head only."""
    conv_size: int = 4
    """Tokens the short convolution of what the gates i and f see; 0 is off."""
    initial_state: InitialState = "zero"
    """Output and cells before the first token: zero or learned."""

    def faults(self) -> Iterator[str]:
        if self.dim % self.num_heads or self.dim == self.num_heads:
            yield f"num_heads = {self.num_heads}: must cut dim = {self.dim} into heads of width >= 2"


class SLSTMState(NamedTuple):
    """What is remembered after the last token, float32 or better."""

    output: Tensor
    """[N, H, D/H]."""
    cell: Tensor
    """[N, H, D/H], e^{-m} c."""
    normalizer: Tensor
    """[N, H, D/H], e^{-m} n."""
    stabilizer: Tensor
    """[N, H, D/H], m."""
    tail: Tensor | None = None
    """What the short convolution must remember."""


class SLSTM(Mixer[SLSTMConfig]):
    """c_t = f ⊙ c_{t-1} + i ⊙ tanh(z), n_t = f ⊙ n_{t-1} + i, h_t = σ(o) ⊙ c_t / n_t, x' = GroupNorm(h).

    f = σ(f̃), i = exp(ĩ); f̃, ĩ = W silu(conv(x)) + R h_{t-1} + b and z, o = W x + R h_{t-1} + b, R within heads. With
    m_t = max(log f + m_{t-1}, ĩ) the state kept is e^{-m_t} (c_t, n_t), which changes no output and cannot overflow.

    Start: W normal with std √(2/5D), R = 0, b = 0 but b_f = 5 - 12 (j/(d-1))^{0.3} for cell j of d in a head (the first
    block's in the official code).

    Source: Beck et al., "xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517, eq. (8)-(17).
    """

    Config = SLSTMConfig

    def build(self) -> None:
        c = self.config
        H, width = c.num_heads, c.dim // c.num_heads
        self.convolution = ShortConvolution(c.dim, c.conv_size, bias=True) if c.conv_size else None
        self.gates_proj = nn.Linear(c.dim, 2 * c.dim, bias=False)  # i, f
        self.cells_proj = nn.Linear(c.dim, 2 * c.dim, bias=False)  # z, o
        for proj in (self.gates_proj, self.cells_proj):
            nn.init.normal_(proj.weight, std=(2 / (5 * c.dim)) ** 0.5)
        self.recurrent = nn.Parameter(torch.zeros(H, width, 4 * width))
        forget = 5 - 12 * (torch.arange(width) / (width - 1)) ** 0.3
        zero = torch.zeros(width)
        self.bias = undecayed(torch.stack([zero, forget, zero, zero]).repeat(H, 1, 1))
        self.norm = nn.GroupNorm(H, c.dim)
        # rows: output, cell
        self.initial_state = undecayed(torch.randn(2, H, width) * width**-0.5) if c.initial_state == "learned" else None

    def forward(
        self, x: Float[Tensor, "B T D"], state: SLSTMState | None = None, packing: Packing | None = None
    ) -> tuple[Float[Tensor, "B T D"], SLSTMState]:
        self.check(x, packing)
        mixed, tail = x, None
        if self.convolution is not None:
            mixed, tail = self.convolution(x, None if state is None else state.tail, packing)
            mixed = F.silu(mixed)
        inputs = precise(torch.cat([self.gates_proj(mixed), self.cells_proj(x)], dim=-1))
        H, width = self.config.num_heads, self.config.dim // self.config.num_heads
        inputs = heads(inputs, 4, H, width).transpose(2, 3) + self.bias
        if packing is not None:
            inputs = unpack(inputs, packing)
            ended = torch.arange(inputs.shape[1], device=x.device) >= lengths_of(packing, x.device)[:, None]
        now = self.initial(inputs) if state is None else state
        if now.cell.shape[0] != inputs.shape[0]:
            raise ValueError(f"state is of {now.cell.shape[0]} words, wanted {inputs.shape[0]}")
        recurrent, outputs = precise(self.recurrent), []
        for t, entering in enumerate(inputs.unbind(1)):
            with torch.autocast(x.device.type, enabled=False):  # the state is never rounded to 16 bits
                after = step(entering, recurrent, now)
            if packing is not None:
                stays = ended[:, t, None, None]
                after = SLSTMState(*(torch.where(stays, old, new) for old, new in zip(now[:4], after[:4])))
            now = after
            outputs.append(now.output)
        y = torch.stack(outputs, dim=1).flatten(-2)
        y = y if packing is None else pack(y, packing)
        return normed(self.norm, y), SLSTMState(*now[:4], tail)

    def initial(self, inputs: Float[Tensor, "N T H 4 W"]) -> SLSTMState:
        """n_0 = 0 and m_0 = -inf where the state starts at zero; a learned cell c_0 stands for n_0 = 1."""
        N, _, H, _, width = inputs.shape
        zero = inputs.new_zeros(N, H, width)
        if self.initial_state is None:
            return SLSTMState(zero, zero, zero, torch.full_like(zero, float("-inf")))
        output, cell = precise(self.initial_state).expand(N, 2, H, width).unbind(1)
        return SLSTMState(output, cell, torch.ones_like(zero), zero)


def step(entering: Float[Tensor, "N H 4 W"], recurrent: Float[Tensor, "H W G"], now: SLSTMState) -> SLSTMState:
    """One token."""
    width = entering.shape[-1]
    i, f, z, o = (entering + torch.einsum("nhw,hwg->nhg", now.output, recurrent).unflatten(-1, (4, width))).unbind(2)
    log_f = F.logsigmoid(f)
    m = torch.maximum(log_f + now.stabilizer, i).detach()  # the outputs do not depend on m
    write, keep = (i - m).exp(), (log_f + now.stabilizer - m).exp()
    cell = keep * now.cell + write * z.tanh()
    normalizer = keep * now.normalizer + write
    return SLSTMState(o.sigmoid() * cell / normalizer, cell, normalizer, m)
