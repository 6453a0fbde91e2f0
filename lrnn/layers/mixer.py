"""A mixer carries information along a word; a linear mixer does it with A_t, k_t, v_t, q_t of its input.

Shapes: B batch · T time · D model width · H heads · K key = state rows · V value = state columns · R reflectors ·
N packed words (B without packing).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lrnn.layers.config import LinearMixerConfig, MixerConfig
from lrnn.layers.gates import precise
from lrnn.recurrence import Packing, recurrence
from lrnn.transition import Transition

C = TypeVar("C", bound=MixerConfig)
L = TypeVar("L", bound=LinearMixerConfig)


class Drive(NamedTuple):
    """What a linear mixer makes of its input: the arguments of :func:`lrnn.recurrence`, and what is kept beside."""

    A: Transition
    """Leading axes [B, T, H]."""
    k: Tensor
    """[B, T, G, K], one key for each H / G heads; [B, T, H, R, K] for Householder."""
    v: Tensor
    """[B, T, H, V]; [B, T, H, R, V] for Householder. Zero when the additive write is off."""
    q: Tensor | None
    """[B, T, G, K], as k; None reads the whole state, y [B, T, H, K, V]."""
    tail: tuple[Tensor, ...] | None = None
    """What the next piece of the word must know besides the state (short convolution, token shift)."""
    strength: Tensor | None = None
    """[B, T, H] by which writes are multiplied: a step size, an input gate; None is 1."""
    skip: tuple[Tensor, ...] = ()
    """What the readout needs besides y and x (D·u of Mamba, bonus and gate of RWKV-7, the floor of mLSTM)."""


class MixerState(NamedTuple):
    """All that a linear mixer remembers of a word."""

    state: Tensor
    """[N, H, K, V], float32 or better."""
    tail: tuple[Tensor, ...] | None = None
    """As in :class:`Drive`; each tensor has N rows."""


class Mixer(nn.Module, ABC, Generic[C]):
    """A sequence mixer: ``forward(x, state=None, packing=None) -> (x', state)``.

    One forward serves training, prefill and decoding: a word may be cut anywhere if the state is handed on, and packed
    words do not see each other.

    Arguments:
        config: an instance of ``Config``.
        seed: decides the initial weights; the global random state is neither read nor moved.
    """

    Config: ClassVar[type[MixerConfig]]
    config: C

    def __init__(self, config: C, *, seed: int = 0) -> None:
        super().__init__()
        if not isinstance(config, self.Config):
            raise TypeError(f"config is {type(config).__name__}, wanted {self.Config.__name__}")
        self.config = config
        # drawn on the CPU, so that the weights do not depend on the device
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            self.build()
        self.to(torch.get_default_device())
        for parameter in self.parameters():
            if parameter.ndim < 2:
                mark_undecayed(parameter)

    @abstractmethod
    def build(self) -> None:
        """Make the weights; the random state has been seeded."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "B T D"], state: Any = None, packing: Packing | None = None
    ) -> tuple[Float[Tensor, "B T D"], Any]:
        """x' and the state after the word (after each word, with packing)."""

    def check(self, x: Tensor, packing: Packing | None) -> None:
        """Raise ValueError if x is not [B, T, D] or the packing is not of it."""
        if x.ndim != 3 or x.shape[-1] != self.config.dim or not x.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}, wanted [B, T, {self.config.dim}] with T >= 1")
        if packing is not None and (x.shape[0] != 1 or packing.total != x.shape[1]):
            raise ValueError(
                f"packing lengths {packing.lengths} need x of shape [1, {packing.total}, {self.config.dim}], "
                f"got {tuple(x.shape)}"
            )


class LinearMixer(Mixer[L]):
    """A mixer is ``drive`` and ``readout``; the recurrence lies between them."""

    def __init__(self, config: L, *, seed: int = 0) -> None:
        super().__init__(config, seed=seed)
        if config.initial_state == "learned":
            self.initial_state = undecayed(self.start(torch.Generator("cpu").manual_seed(seed)))

    def start(self, generator: torch.Generator) -> Tensor:
        """The first learned S_0: full rank with singular values 1, for reflections without writes keep the rank."""
        H, K, V = self.config.state_shape
        q, _ = torch.linalg.qr(torch.randn(H, max(K, V), min(K, V), generator=generator, device="cpu"))
        return (q if K >= V else q.mT).contiguous().to(torch.get_default_device())

    @abstractmethod
    def drive(
        self, x: Float[Tensor, "B T D"], tail: tuple[Tensor, ...] | None = None, packing: Packing | None = None
    ) -> Drive:
        """A_t, k_t, v_t, q_t of the input."""

    @abstractmethod
    def readout(
        self, y: Shaped[Tensor, "B T H *K V"], x: Float[Tensor, "B T D"], drive: Drive
    ) -> Float[Tensor, "B T D"]:
        """x' from what was read out of the state."""

    def initial(self, rows: int) -> Shaped[Tensor, "N H K V"] | None:
        """S_0 for so many words; None is zero. A weight of pairs (Re, Im) is a complex S_0."""
        if self.config.initial_state == "zero":
            return None
        start: Tensor = self.initial_state
        if start.ndim > len(self.config.state_shape):
            start = torch.view_as_complex(precise(start))
        return start.expand(rows, *start.shape)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        state: MixerState | None = None,
        packing: Packing | None = None,
        *,
        overwrite_state: bool = False,
    ) -> tuple[Float[Tensor, "B T D"], MixerState]:
        """As every mixer; with ``overwrite_state`` the state handed in is given away, and S_T is written into it."""
        self.check(x, packing)
        if state is not None and packing is None and x.shape[1] == 1:
            found = self.step(x, state, overwrite_state)
            if found is not None:
                return found
        drive = self.drive(x, None if state is None else state.tail, packing)
        rows = x.shape[0] if packing is None else packing.num_words
        start = self.initial(rows) if state is None else state.state
        if state is not None and state.state.shape != (rows, *self.config.state_shape):
            wanted = (rows, *self.config.state_shape)
            raise ValueError(f"state has shape {tuple(state.state.shape)}, wanted {wanted}: N words, H, K, V")
        y, last = self.read(drive, start, packing, overwrite_state and state is not None)
        return self.readout(y, x, drive), MixerState(last, drive.tail)

    def step(
        self, x: Float[Tensor, "B 1 D"], state: MixerState, overwrite_state: bool
    ) -> tuple[Float[Tensor, "B 1 D"], MixerState] | None:
        """One token by a kernel of the mixer's own; None where it has none that serves."""
        return None

    def read(
        self, drive: Drive, state: Tensor | None, packing: Packing | None, overwrite_state: bool = False
    ) -> tuple[Tensor, Tensor]:
        """What is read at every step, and the last state."""
        A, k, v, q, _, strength, _ = drive
        return recurrence(A, k, v, q, state=state, strength=strength, packing=packing, overwrite_state=overwrite_state)


def whole_write(
    proj: nn.Linear | None, x: Float[Tensor, "B T D"], size: int
) -> tuple[Float[Tensor, "B T 1 W"], Float[Tensor, "B T 1 1"]]:
    """k and v of a state that is one vector of this size: k vᵀ = W x, or 0 without the projection."""
    one = x.new_ones(()).expand(*x.shape[:2], 1, 1)
    if proj is None:
        return one.expand(*x.shape[:2], 1, size), torch.zeros_like(one)
    return proj(x)[:, :, None], one


def on_circle(shape: tuple[int, int, int], generator: torch.Generator) -> Float[Tensor, "H K V 2"]:
    """A first complex S_0 as pairs (Re, Im): random phases, columns of length 1."""
    phase = 2 * math.pi * torch.rand(*shape, generator=generator, device="cpu")
    pairs = torch.stack([phase.cos(), phase.sin()], dim=-1) * shape[1] ** -0.5
    return pairs.to(torch.get_default_device())


def normed(norm: nn.RMSNorm | nn.GroupNorm | None, y: Float[Tensor, "B T ..."]) -> Float[Tensor, "B T ..."]:
    """norm(y) in the dtype of the norm's weight, which under autocast is not that of y; y itself without a norm."""
    if norm is None:
        return y
    y = y.to(norm.weight.dtype)
    if isinstance(norm, nn.GroupNorm):
        return norm(y.flatten(0, 1)).unflatten(0, y.shape[:2])
    return norm(y)


def mark_undecayed(parameter: nn.Parameter) -> None:
    """Tell the optimizer that weight decay has no business here."""
    parameter.no_weight_decay = True  # type: ignore[attr-defined]


def undecayed(value: Tensor) -> nn.Parameter:
    """A parameter of the transition or the state, marked ``no_weight_decay``."""
    parameter = nn.Parameter(value)
    mark_undecayed(parameter)
    return parameter


def heads(x: Float[Tensor, "B T HX"], *shape: int) -> Float[Tensor, "B T ..."]:
    """The last axis cut into ``shape``."""
    return x.unflatten(-1, shape)
