"""LSTM, a baseline: a nonlinear recurrence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import InitialState, MixerConfig
from lrnn.layers.mixer import Mixer, undecayed
from lrnn.layers.words import pack, unpack
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class LSTMConfig(MixerConfig):
    """LSTM with dim cells."""

    initial_state: InitialState = "zero"
    """Output and cells before the first token: zero or learned."""


class LSTMState(NamedTuple):
    """Output and cells after the last token."""

    output: Tensor
    """[N, D]."""
    cell: Tensor
    """[N, D]."""


class LSTM(Mixer[LSTMConfig]):
    """c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(z), x'_t = σ(o) ⊙ tanh(c_t), with i, f, z, o = W x_t + R x'_{t-1} + b.

    Computed by PyTorch's LSTM, which is fast on every device.

    Start: PyTorch's, uniform in ±1/√D.

    Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997; forget gate: Gers et al.,
    "Learning to Forget", Neural Computation 12(10), 2000.
    """

    Config = LSTMConfig

    def build(self) -> None:
        D = self.config.dim
        self.cells = nn.LSTM(D, D, batch_first=True)
        self.initial_state = undecayed(torch.randn(2, D) * D**-0.5) if self.config.initial_state == "learned" else None

    def forward(
        self, x: Float[Tensor, "B T D"], state: LSTMState | None = None, packing: Packing | None = None
    ) -> tuple[Float[Tensor, "B T D"], LSTMState]:
        self.check(x, packing)
        rows = x.shape[0] if packing is None else packing.num_words
        if state is not None:
            if state.cell.shape != (rows, x.shape[2]):
                raise ValueError(f"state has shape {tuple(state.cell.shape)}, wanted {(rows, x.shape[2])}")
            start = (state.output[None].to(x.dtype), state.cell[None].to(x.dtype))
        elif self.initial_state is not None:
            start = tuple(part.expand(1, rows, -1).contiguous() for part in self.initial_state)
        else:
            start = None
        if packing is None:
            y, (output, cell) = self._run(x, start)
            return y, LSTMState(output[0], cell[0])
        lengths = torch.tensor(packing.lengths, device="cpu")
        words = nn.utils.rnn.pack_padded_sequence(unpack(x, packing), lengths, batch_first=True, enforce_sorted=False)
        y, (output, cell) = self._run(words, start)
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return pack(y, packing), LSTMState(output[0], cell[0])

    def _run(self, x: Any, start: tuple[Tensor, ...] | None) -> Any:
        """On a CPU as it is: its autocast asks for products of bfloat16, and fails where the CPU has none."""
        weight = next(self.cells.parameters())
        if weight.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return self.cells(x, start)
        with torch.autocast("cpu", enabled=False):
            start = None if start is None else tuple(part.to(weight.dtype) for part in start)
            return self.cells(x.to(weight.dtype), start)
