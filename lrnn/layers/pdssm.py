"""PD-SSM: the transition is a column one-hot matrix, chosen by the input, times a diagonal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lrnn.layers.config import Form, InitialState, LinearMixerConfig, write_faults
from lrnn.layers.convolution import ShortConvolution
from lrnn.layers.gates import diagonal_decay, precise
from lrnn.layers.mixer import Drive, LinearMixer, undecayed, whole_write
from lrnn.recurrence import Packing, recurrence
from lrnn.transition import PermutationDiagonal


@dataclass(frozen=True, kw_only=True)
class PDSSMConfig(LinearMixerConfig):
    """PD-SSM: one head whose state is a vector."""

    initial_state: InitialState = "learned"
    """S_0: learned from the first unit vector on, where the published S_0 is; or zero."""
    state_dim: int = 64
    """K, the length of the state vector."""
    num_matrices: int = 8
    """Matrices in the dictionary."""
    diagonal: Literal["complex", "real", "signed", "identity"] = "complex"
    """The numbers d of D_t: complex with |d| <= 1 (published), in [0, 1], in [-1, 1], or all 1."""
    decay_form: Form = "sigmoid"
    """How |d| (for signed: d) reaches the ends of its range."""
    hidden_factor: int = 2
    """Width of the hidden layers of the two maps to D_t, in K."""
    conv_size: int = 0
    """Tokens a short convolution in front sees; 0 (published) is off."""
    write: bool = True
    """The additive term B x_t; without it the state is A_t … A_1 s_0 and s_0 must be learned."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        return 1, self.state_dim, 1

    def faults(self) -> Iterator[str]:
        if self.diagonal == "identity" and self.decay_form != "sigmoid":
            yield f"decay_form = {self.decay_form!r}: has no meaning where diagonal = 'identity'"
        yield from write_faults(self)


class PDSSM(LinearMixer[PDSSMConfig]):
    """s_t = P_t D_t s_{t-1} + B x_t, x' = W_o [Re s_t; Im s_t] + b + D ⊙ x_t.

    Column j of P_t is one-hot at the largest entry of column j of Σ_i softmax(W x_t)_i M_i; its gradient is that of the
    softmax of the column (straight-through). D_t = diag(m e^{iφ}) with m = σ(f(x_t)), or another form of the decay
    e^g = σ (:mod:`lrnn.layers.gates`), and φ = 2π σ(f'(x_t)), where f and f' have one hidden layer of GELU. Without φ,
    D_t, B and s_t are real. The whole vector s_t is read.

    Start: M normal with variance 1/K, B complex normal with variance 1/K, D normal with variance 1/dim, the rest as
    PyTorch's linear maps.

    Source: Terzić et al., "Structured Sparse Transition Matrices to Enable State Tracking in State-Space Models", arXiv
    2509.22284, eq. (5), §4. (In the authors' code rows are one-hot; the paper and we speak of columns.)
    """

    Config = PDSSMConfig

    def build(self) -> None:
        c = self.config
        K = c.state_dim
        parts = 2 if c.diagonal == "complex" else 1  # Re and Im
        self.convolution = ShortConvolution(c.dim, c.conv_size) if c.conv_size else None
        self.select_proj = nn.Linear(c.dim, c.num_matrices, bias=False)
        self.dictionary = undecayed(torch.randn(c.num_matrices, K, K) * K**-0.5)
        self.magnitude = None if c.diagonal == "identity" else hidden(c.dim, c.hidden_factor * K, K)
        self.phase = hidden(c.dim, c.hidden_factor * K, K) if c.diagonal == "complex" else None
        self.write_proj = nn.Linear(c.dim, parts * K, bias=False) if c.write else None
        if self.write_proj is not None:
            nn.init.normal_(self.write_proj.weight, std=(parts * K) ** -0.5)
        self.D = undecayed(torch.randn(c.dim) * c.dim**-0.5)
        self.out_proj = nn.Linear(parts * K, c.dim)

    def start(self, generator: torch.Generator) -> Float[Tensor, "1 K 1 *2"]:
        """The first unit vector; where the state is complex as pairs (Re, Im)."""
        pair = (2,) if self.config.diagonal == "complex" else ()
        first = torch.zeros(*self.config.state_shape, *pair)
        first.view(-1)[0] = 1
        return first

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        if self.convolution is not None:
            x, rest = self.convolution(x, tail[0] if tail else None, packing)
            tail = (rest,)
        choice = precise(self.select_proj(x)).softmax(-1)
        scores = torch.einsum("btn,nij->btij", choice, precise(self.dictionary))
        k, v = whole_write(self.write_proj, x, self.config.state_dim)
        if self.write_proj is not None and self.phase is not None:
            k = torch.complex(*precise(k).chunk(2, dim=-1))
        return Drive(self.transition(x, scores.argmax(-2)), k, v, None, tail, skip=(self.D * x, scores))

    def transition(self, x: Float[Tensor, "B T D"], index: Shaped[Tensor, "B T K"]) -> PermutationDiagonal:
        """P_t D_t, the one-hot rows given."""
        log_decay, sign, phase = precise(x).new_zeros(index.shape), None, None
        if self.magnitude is not None:
            g = F.logsigmoid(precise(self.magnitude(x)))
            decay = diagonal_decay(
                g[:, :, None], self.config.decay_form, (-1, 1) if self.config.diagonal == "signed" else (0, 1)
            )
            log_decay, sign = decay.log_decay[:, :, 0], decay.sign
        if self.phase is not None:
            phase = 2 * math.pi * precise(self.phase(x)).sigmoid()[:, :, None]
        return PermutationDiagonal(index=index[:, :, None], log_decay=log_decay[:, :, None], sign=sign, phase=phase)

    def read(
        self, drive: Drive, state: Tensor | None, packing: Packing | None, overwrite_state: bool = False
    ) -> tuple[Tensor, Tensor]:
        scores = drive.skip[1]
        if not scores.requires_grad:
            return super().read(drive, state, packing, overwrite_state)
        # An index has no gradient. But dL/dP_t is the outer product of dL/ds_t and D_t s_{t-1}, which is that of
        # adding (P_t - stop(P_t)) D_t s_{t-1} = 0 to the write: so the states are made once without it.
        scaled = self.scaled_before(drive, None if state is None else state.detach(), packing)
        with torch.autocast(scores.device.type, enabled=False):  # it would round the gradient
            soft = scores.softmax(-2)
            zero = torch.einsum("btij,btj->bti", (soft - soft.detach()).to(scaled.dtype), scaled)
        k = drive.k * drive.v + zero[:, :, None]
        return recurrence(drive.A, k, torch.ones_like(drive.v), None, state=state, packing=packing)

    def scaled_before(self, drive: Drive, state: Tensor | None, packing: Packing | None) -> Shaped[Tensor, "B T K"]:
        """D_t s_{t-1} without a gradient."""
        A = drive.A.map(Tensor.detach)
        assert isinstance(A, PermutationDiagonal)
        seen, last = recurrence(A, drive.k.detach(), drive.v.detach(), None, state=state, packing=packing)
        first = torch.zeros_like(last) if state is None else state.to(last.dtype)
        if packing is None:
            before = torch.cat([first[:, None], seen[:, :-1]], dim=1)
        else:
            before = seen.roll(1, dims=1)
            before[0, list(packing.starts)] = first
        return A.value[:, :, 0] * before[:, :, 0, :, 0]

    def readout(
        self, y: Shaped[Tensor, "B T 1 K 1"], x: Float[Tensor, "B T D"], drive: Drive
    ) -> Float[Tensor, "B T D"]:
        y = y.flatten(2)
        read = torch.cat([y.real, y.imag], dim=-1) if y.is_complex() else y
        return self.out_proj(read.to(x.dtype)) + drive.skip[0]


def hidden(dim: int, width: int, out: int) -> nn.Sequential:
    """A map with one hidden layer of GELU."""
    return nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, out))
