"""DeltaNet: the state is corrected along each key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lrnn.layers.config import Activation, ConvPlace, Eigenvalues, Form, HeadsConfig, conv_faults
from lrnn.layers.convolution import KERNEL_DTYPES, ShortConvolution, project
from lrnn.layers.gates import Beta
from lrnn.layers.mixer import Drive, LinearMixer, MixerState, heads
from lrnn.layers.pointwise import activated_rows, read_out
from lrnn.recurrence import Packing
from lrnn.recurrence.checks import is_checked
from lrnn.recurrence.kernels import kernels_run_on, wants_gradient
from lrnn.transition import Diagonal, Householder, Scalar

KEY_EPS = 1e-6
"""A key shorter than this is not stretched to length 1, so that a zero key stays zero (no erasing, no write)."""

NORM_EPS = 1e-5
"""Added to the mean square of what is read out of a head."""


@dataclass(frozen=True, kw_only=True)
class DeltaNetConfig(HeadsConfig):
    """DeltaNet: K = V = dim / num_heads where not given."""

    eigenvalues: Eigenvalues = (0, 1)
    """Range of 1 - β, the eigenvalue along the key; published (0, 1), and (-1, 1) by Grazzi et al."""
    beta_form: Form = "sigmoid"
    """How β reaches the end of its range."""
    conv_size: int = 4
    """Tokens the short convolution sees; 0 is off."""
    conv_place: ConvPlace = "qkv"
    """Published "qkv", on q, k and v; "input" is one convolution of x from which q, k, v, β and the decay are made."""
    key_activation: Activation = "silu"
    """Of q and k, before they are normalized. silu biases keys to the positive orthant; none does not."""
    value_activation: Activation = "silu"
    """Of v."""
    key_norm: bool = True
    """q and k have length 1. Without it they are used as they come and the reflector is β k kᵀ/(kᵀk), the identity for
    k = 0, so that keys of small integers make matrices of exact numbers."""
    output_norm: bool = True
    """RMSNorm of what is read out of each head. Without it a number that is read keeps its size."""

    def faults(self) -> Iterator[str]:
        yield from super().faults()
        yield from conv_faults(self)
        if not self.write and self.value_activation != "silu":
            yield f"value_activation = {self.value_activation!r}: needs write = True, for without it there is no v"


class DeltaNet(LinearMixer[DeltaNetConfig]):
    """S_t = (I - β_t k_t k_tᵀ) S_{t-1} + β_t k_t v_tᵀ, y_t = S_tᵀ q_t, x' = W_o RMSNorm(y) per head.

    q, k = normalize(act(conv(W x))) with length 1, v = silu(conv(W x)), β = bound · u(W x) (:mod:`lrnn.layers.gates`).
    With R > 1 reflectors (the DeltaProduct mixers) each has its own k, v, β. Where k is rounded to 16 bits, is not
    normalized or β is pinned, the β of the matrix (not that of the write) is divided by kᵀk of the k at hand, so that
    β = 2 is an exact reflection.

    Start: projections Xavier uniform with gain 2^-2.5, convolutions as PyTorch.

    Source: Schlag et al., "Linear Transformers Are Secretly Fast Weight Programmers", arXiv 2102.11174; Yang et al.,
    "Parallelizing Linear Transformers with the Delta Rule over Sequence Length", arXiv 2406.06484, §2-3; range: Grazzi
    et al., arXiv 2411.12537.
    """

    Config = DeltaNetConfig

    @property
    def num_reflectors(self) -> int:
        """R, generalized Householder matrices (and writes) per token."""
        return 1

    def build(self) -> None:
        c, R = self.config, self.num_reflectors
        H, K, V = c.state_shape
        widths = [H * K, H * R * K] + [H * R * V] * c.write
        self.projs = nn.ModuleList(nn.Linear(c.dim, width, bias=False) for width in widths)  # of q, k, v
        channels = c.dim if c.conv_place == "input" else sum(widths)
        self.convolution = ShortConvolution(channels, c.conv_size) if c.conv_size else None
        self.beta = Beta(c.dim, H * R, c.beta_form, c.eigenvalues)
        self.norm = nn.RMSNorm(V, eps=NORM_EPS) if c.output_norm else None
        self.out_proj = nn.Linear(H * V, c.dim, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=2**-2.5)

    def decay(self, x: Float[Tensor, "B T D"]) -> Scalar | Diagonal | None:
        """What the state is multiplied by before the reflectors, from the x that β is made of; nothing here."""
        return None

    def gate(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T HV"] | None:
        """What of the output passes, before silu; None is all of it."""
        return None

    def _steps_in_one_kernel(self, x: Tensor, state: MixerState) -> bool:
        """Is there one kernel for all that lies between the projections?"""
        c = self.config
        if not kernels_run_on(x.device):
            return False
        if self.convolution is None or c.conv_place != "qkv" or not c.write or not state.tail or is_checked():
            return False
        S, tail, tensors = state.state, state.tail[0], (x, state.state, *state.tail, *self.parameters())
        if not {tensor.dtype for tensor in tensors} <= KERNEL_DTYPES or wants_gradient(*tensors):
            return False
        if S.dtype != torch.float32 or not (S.is_contiguous() and tail.is_contiguous()):
            return False
        from lrnn.backends.triton.delta_step import serves

        _, K, V = c.state_shape
        wanted = [(x.shape[0], *c.state_shape), (x.shape[0], c.conv_size - 1, len(self.convolution.weight))]
        return serves(K, V) and [tuple(S.shape), tuple(tail.shape)] == wanted

    def step(
        self, x: Float[Tensor, "B 1 D"], state: MixerState, overwrite_state: bool
    ) -> tuple[Float[Tensor, "B 1 D"], MixerState] | None:
        if not self._steps_in_one_kernel(x, state):
            return None
        from lrnn.backends.triton.delta_step import delta_step

        assert self.convolution is not None
        assert state.tail is not None
        c, S, tail = self.config, state.state, state.tail[0]
        if not overwrite_state:
            S, tail = S.clone(), tail.clone()
        q, k, v = (proj(x)[:, 0] for proj in self.projs)
        decay, gate, beta = self._decay_of_step(x), self.gate(x), self.beta.proj
        y = delta_step(
            q, k, v, tail, self.convolution.weight, None if beta is None else beta(x)[:, 0], *decay,
            None if gate is None else gate[:, 0], None if self.norm is None else self.norm.weight, S,
            reflectors=self.num_reflectors, beta_form=self.beta.form, beta_bound=self.beta.bound,
            key_activation=c.key_activation, value_activation=c.value_activation,
            key_eps=KEY_EPS if c.key_norm else None, normalize=self._normalizes(q), norm_eps=NORM_EPS,
            untouched=not torch.compiler.is_compiling(),  # a compiler may put their copies anywhere
        )  # fmt: skip
        return self.out_proj(y)[:, None], MixerState(S, (tail,))

    def _decay_of_step(self, x: Float[Tensor, "B 1 D"]) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The decay of a token, or a number, a rate and a bias that it is made of in the kernel."""
        A = self.decay(x)
        if A is None:
            return None, None, None
        return (A.log_decay.exp() * (1 if A.sign is None else A.sign))[:, 0], None, None

    def _normalizes(self, k: Tensor) -> bool:
        """Is the β of the matrix divided by kᵀk?"""
        rounded = k.dtype not in (torch.float32, torch.float64)
        return rounded or not self.config.key_norm or self.config.beta_form == "pinned"

    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        c, R = self.config, self.num_reflectors
        H, K, V = c.state_shape
        x, parts, tail = project(x, self.projs, self.convolution, c.conv_place, tail, packing)
        eps = KEY_EPS if c.key_norm else None
        q = activated_rows(heads(parts[0], H, K), c.key_activation, eps)
        k = activated_rows(heads(parts[1], H, R, K), c.key_activation, eps)
        beta = heads(self.beta(x), H, R)
        if c.write:
            v = activated_rows(heads(parts[2], H, R, V), c.value_activation, scale=beta)
        else:
            v = k.new_zeros(()).expand(*k.shape[:-1], V)
        A = Householder(k=k, beta=beta, decay=self.decay(x), normalize=self._normalizes(k))
        return Drive(A, k, v, q, tail)

    def readout(self, y: Float[Tensor, "B T H V"], x: Float[Tensor, "B T D"], drive: Drive) -> Float[Tensor, "B T D"]:
        return self.out_proj(read_out(self.norm, y, self.gate(x)))
