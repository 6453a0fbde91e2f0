"""mLSTM: exponential input gates and a state that is normalized when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation, Eigenvalues, Form, HeadsConfig
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import activate, precise, scalar_decay
from lrnn.layers.mixer import Drive, LinearMixer, heads, normed
from lrnn.layers.words import last, pack, unpack
from lrnn.recurrence import Packing
from lrnn.transition import Scalar


@dataclass(frozen=True, kw_only=True)
class MLSTMConfig(HeadsConfig):
    """mLSTM: K = V = dim / num_heads where not given; the state has one more column, the normalizer."""

    eigenvalues: Eigenvalues = (0, 1)
    """(0, 1) is the published forget gate f; (-1, 1) is 2 f - 1."""
    decay_form: Form = "sigmoid"
    """How the forget gate reaches the ends of its range."""
    conv_size: int = 4
    """Tokens the short convolution of q and k sees; 0 is off."""
    key_activation: Activation = "silu"
    """Of what q and k are projected from, after the convolution."""

    least_value_dim: ClassVar[int] = 2
    extra_columns: ClassVar[int] = 1


class MLSTM(LinearMixer[MLSTMConfig]):
    """C_t = f_t C_{t-1} + i_t k_t v_tᵀ, n_t = f_t n_{t-1} + i_t k_t, y_t = C_tᵀ q_t / max(|n_tᵀ q_t|, 1).

    f = σ(W_f x + b_f), i = exp(W_i x + b_i), q, k = W act(conv(x)) with k / √K, x' = W_o (GroupNorm(y) ⊙ σ(W_z x)).
    n is the last column of the state, written by a 1 behind every v.

    Nothing overflows although i is an exponential: with m_t = max(log f_t + m_{t-1}, log i_t, 0), m_0 = 0, the state
    is e^{-m_t} (C_t, n_t). It obeys the same recurrence with decay f e^{m_{t-1} - m_t} <= 1 and write i e^{-m_t} <= 1,
    and is read with e^{-m_t} <= 1 in the place of 1. That is exact for any m, so m carries no gradient; m_t is the last
    part of the tail. (So A_t of ``drive`` is that of the state kept: it is diag(f_t) where m stays 0.)

    Start: q, k, v, z, o normal with std √(2/5D); W_f = W_i = 0, b_f evenly spaced in 3…6 over the heads, b_i normal
    with std 0.1.

    Source: Beck et al., "xLSTM: Extended Long Short-Term Memory", arXiv 2405.04517, eq. (19)-(27), §A.3.
    """

    Config = MLSTMConfig

    def build(self) -> None:
        c = self.config
        H, K, columns = c.state_shape
        V = columns - 1
        self.convolution = ShortConvolution(c.dim, c.conv_size, bias=True) if c.conv_size else None
        self.query_proj = nn.Linear(c.dim, H * K, bias=False)
        self.key_proj = nn.Linear(c.dim, H * K, bias=False) if c.write else None
        self.value_proj = nn.Linear(c.dim, H * V, bias=False) if c.write else None
        self.gate_proj = nn.Linear(c.dim, H * V, bias=False)
        self.out_proj = nn.Linear(H * V, c.dim, bias=False)
        for module in self.children():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=(2 / (5 * c.dim)) ** 0.5)
        self.forget_proj = nn.Linear(c.dim, H)
        nn.init.zeros_(self.forget_proj.weight)
        with torch.no_grad():
            self.forget_proj.bias.copy_(torch.linspace(3, 6, H))
        self.input_proj = nn.Linear(c.dim, H) if c.write else None
        if self.input_proj is not None:
            nn.init.zeros_(self.input_proj.weight)
            nn.init.normal_(self.input_proj.bias, std=0.1)
        self.norm = nn.GroupNorm(H, H * V)

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        c = self.config
        H, K, columns = c.state_shape
        before = tail[-1] if tail and c.write else None
        mixed, rest = x, []
        if self.convolution is not None:
            mixed, *rest = self.convolution(x, tail[0] if tail else None, packing)
        mixed = activate(mixed, c.key_activation)
        q = heads(self.query_proj(mixed), H, K)
        A = scalar_decay(F.logsigmoid(precise(self.forget_proj(x))), c.decay_form, c.eigenvalues, size=K)
        if self.key_proj is None or self.value_proj is None or self.input_proj is None:
            v = q.new_zeros(()).expand(*q.shape[:-1], columns)
            return Drive(A, q, v, q, tuple(rest) or None, skip=(torch.ones_like(A.log_decay),))
        k = heads(self.key_proj(mixed), H, K) * K**-0.5
        log_i = precise(self.input_proj(x))
        shift, m, after = stabilize(A.log_decay, log_i, before, packing)
        A = Scalar(log_decay=(A.log_decay + shift).to(log_i.dtype), sign=A.sign, size=K)
        v = F.pad(heads(self.value_proj(x), H, columns - 1), (0, 1), value=1.0)
        floor = (-m).exp().clamp(min=torch.finfo(m.dtype).tiny)  # never 0 / 0
        return Drive(A, k, v, q, (*rest, after), (log_i - m).exp(), skip=(floor,))

    def readout(self, y: Float[Tensor, "B T H V1"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        (floor,) = drive.skip
        read, n = precise(y[..., :-1]), precise(y[..., -1])
        read = read / torch.maximum(n.abs(), floor)[..., None]
        return self.out_proj(normed(self.norm, read.flatten(-2)) * self.gate_proj(x).sigmoid())


@torch.no_grad()
def stabilize(
    log_f: Float[Tensor, "B T H"],
    log_i: Float[Tensor, "B T H"],
    before: Float[Tensor, "N H"] | None,
    packing: Packing | None,
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B T H"], Float[Tensor, "N H"]]:
    """(m_{t-1} - m_t, m_t, m_T) of m_t = max(log f_t + m_{t-1}, log i_t, 0).

    In float64, so that a sum over a long word does not make a decay larger than 1: with F_t = Σ_{s<=t} log f_s,
    m_t - F_t = max(m_0, max_{s<=t} (max(log i_s, 0) - F_s)).
    """
    f, i = log_f.double(), log_i.double().clamp(min=0)
    if packing is not None:
        f, i = unpack(f, packing), unpack(i, packing)
    start = f.new_zeros(f.shape[0], f.shape[2]) if before is None else before.double()
    total = f.cumsum(1)
    m = total + torch.maximum(start[:, None], (i - total).cummax(1).values)
    shift = torch.cat([start[:, None], m[:, :-1]], dim=1) - m
    after = last(m, packing)
    if packing is not None:
        shift, m = pack(shift, packing), pack(m, packing)
    return shift.clamp(max=-log_f.double()), m.to(log_i.dtype), after
