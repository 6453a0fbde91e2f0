"""A language model reads tokens and says at every position what it makes of the word so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from lrnn.layers import MIXERS, Drive, LinearMixer, MixerConfig
from lrnn.layers.mixer import mark_undecayed
from lrnn.recurrence import Packing


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig:
    """Sizes and mixer of a :class:`LanguageModel`.

    Raises:
        ValueError: one message with every field that is not legal, what it was and what is legal, those of the mixer
            too.

    >>> LanguageModelConfig(vocab_size=0, mixer="deltanet", mixer_config={"heads": 2})
    Traceback (most recent call last):
    ValueError: LanguageModelConfig: vocab_size = 0: must be an integer >= 1; mixer_config.heads is no option of
    deltanet: must be one of initial_state, num_heads, key_dim, value_dim, write, eigenvalues, beta_form, conv_size,
    conv_place, key_activation, value_activation, key_norm, output_norm
    """

    vocab_size: int
    """Number of tokens."""
    num_classes: int | None = None
    """Number of answers per position; None is vocab_size."""
    dim: int = 64
    """D, the width of the model."""
    num_layers: int = 2
    """Number of blocks."""
    mixer: str = "deltanet"
    """A name in lrnn.layers.MIXERS."""
    mixer_config: Mapping[str, Any] | MixerConfig = field(default_factory=dict)
    """Options of the mixer, or its whole config; becomes the whole config."""
    mlp_ratio: float = 8 / 3
    """Width of the gated MLP as a multiple of dim; 0 leaves the MLP out."""
    tie_weights: bool = False
    """Use the embedding as the head."""
    norm_eps: float = 1e-5
    """Added to the mean square in RMSNorm."""

    def __post_init__(self) -> None:
        faults = list(self._own_faults())
        try:
            object.__setattr__(self, "mixer_config", mixer_config(self.mixer, self.dim, self.mixer_config))
        except ValueError as error:
            faults.append(str(error))
        if faults:
            raise ValueError("LanguageModelConfig: " + "; ".join(faults))

    def _own_faults(self) -> Iterator[str]:
        for name in ("vocab_size", "num_classes", "dim", "num_layers"):
            value = getattr(self, name)
            if not (type(value) is int and value >= 1) and not (name == "num_classes" and value is None):
                yield f"{name} = {value!r}: must be an integer >= 1"
        if type(self.mlp_ratio) not in (int, float) or not 0 <= self.mlp_ratio < float("inf"):
            yield f"mlp_ratio = {self.mlp_ratio!r}: must be a number >= 0"
        if type(self.norm_eps) is not float or not 0 < self.norm_eps < 1:
            yield f"norm_eps = {self.norm_eps!r}: must be a number in (0, 1)"
        if type(self.tie_weights) is not bool:
            yield f"tie_weights = {self.tie_weights!r}: must be True or False"
        elif self.tie_weights and self.num_classes not in (None, self.vocab_size):
            yield f"tie_weights = True: num_classes = {self.num_classes} must be vocab_size = {self.vocab_size}"

    @property
    def mlp_dim(self) -> int:
        """Width of the gated MLP."""
        return round(self.mlp_ratio * self.dim)


def mixer_config(mixer: str, dim: int, given: Mapping[str, Any] | MixerConfig) -> MixerConfig:
    """The whole config of a mixer of this name and width. Raises ValueError naming what does not fit."""
    if mixer not in MIXERS:
        raise ValueError(f"mixer = {mixer!r}: must be one of {', '.join(MIXERS)}")
    kind = MIXERS[mixer].Config
    if not isinstance(given, Mapping):
        if type(given) is not kind:
            raise ValueError(f"mixer_config is {type(given).__name__}: mixer {mixer!r} takes {kind.__name__} or a dict")
        given = {option.name: getattr(given, option.name) for option in fields(given)}
    faults = []
    options = [option.name for option in fields(kind) if option.name != "dim"]
    for name in given:
        if name not in ("dim", *options):
            faults.append(f"mixer_config.{name} is no option of {mixer}: must be one of {', '.join(options)}")
    if given.get("dim", dim) != dim:
        faults.append(f"mixer_config.dim = {given['dim']!r}: must be dim = {dim!r} of the model")
    if faults:
        raise ValueError("; ".join(faults))
    # JSON has no tuples
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(**{**values, "dim": dim})


class GatedMLP(nn.Module):
    """x' = W_2 (silu(W_g x) ⊙ W_1 x).

    Source: Shazeer, "GLU Variants Improve Transformer", arXiv 2002.05202, eq. (6).
    """

    def __init__(self, dim: int, mlp_dim: int) -> None:
        super().__init__()
        self.up = nn.Linear(dim, mlp_dim, bias=False)
        self.gate = nn.Linear(dim, mlp_dim, bias=False)
        self.down = nn.Linear(mlp_dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """x + mixer(RMSNorm x), then x + MLP(RMSNorm x)."""

    def __init__(self, config: LanguageModelConfig, seed: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
        self.mixer = MIXERS[config.mixer](config.mixer_config, seed=seed)
        self.mlp_norm = nn.RMSNorm(config.dim, eps=config.norm_eps) if config.mlp_dim else None
        self.mlp = GatedMLP(config.dim, config.mlp_dim) if config.mlp_dim else None

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        state: Any = None,
        packing: Packing | None = None,
        *,
        overwrite_state: bool = False,
    ) -> tuple[Float[Tensor, "B T D"], Any]:
        # the others return a new state anyway
        options = {"overwrite_state": True} if overwrite_state and isinstance(self.mixer, LinearMixer) else {}
        mixed, state = self.mixer(self.norm(x), state, packing, **options)
        x = x + mixed
        if self.mlp is not None and self.mlp_norm is not None:
            x = x + self.mlp(self.mlp_norm(x))
        return x, state


class LanguageModel(nn.Module):
    """Embedding, blocks, RMSNorm, head; ``forward(tokens, state=None, packing=None) -> (logits, state)``.

    One forward serves training, prefill and decoding; ``state`` is a tuple with the state of every block's mixer.
    Parameters with ``no_weight_decay = True`` (those of the transitions, norms, biases, one-dimensional ones) should
    not be decayed.

    Start: embedding, MLP and head normal with std √(2 / 5D) (Nguyen & Salazar, "Transformers without Tears", arXiv
    1910.05895, §2.2), mixers as published; what is added to the residual stream is then divided by √(2 num_layers)
    (Radford et al., GPT-2, §2.3).

    Arguments:
        config: sizes and mixer.
        seed: decides all weights; the global random state is neither read nor moved.
    """

    def __init__(self, config: LanguageModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator("cpu").manual_seed(seed)
        seeds = torch.randint(2**62, (config.num_layers,), generator=generator, device="cpu").tolist()
        with torch.random.fork_rng(devices=[]):  # for the values drawn and thrown away by nn.Linear
            self.embedding = nn.Embedding(config.vocab_size, config.dim)
            self.blocks = nn.ModuleList(Block(config, layer_seed) for layer_seed in seeds)
            self.norm = nn.RMSNorm(config.dim, eps=config.norm_eps)
            classes = config.num_classes or config.vocab_size
            self.head = None if config.tie_weights else nn.Linear(config.dim, classes, bias=False)
        self._start(generator)

    @torch.no_grad()
    def _start(self, generator: torch.Generator) -> None:
        std = (2 / (5 * self.config.dim)) ** 0.5
        for name, parameter in self.named_parameters():
            if ".mixer." not in name and parameter.ndim == 2:
                parameter.copy_(torch.randn(parameter.shape, generator=generator, device="cpu") * std)
            if name.endswith(("mixer.out_proj.weight", "mlp.down.weight")):
                parameter.div_((2 * self.config.num_layers) ** 0.5)
            if parameter.ndim < 2:
                mark_undecayed(parameter)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        state: tuple[Any, ...] | None = None,
        packing: Packing | None = None,
        *,
        overwrite_state: bool = False,
    ) -> tuple[Float[Tensor, "B T C"], tuple[Any, ...]]:
        """Logits [B, T, num_classes] and the state after the word (after each word, with packing).

        With ``overwrite_state``, which is for decoding without gradients, the state handed in is given away: the states
        of linear mixers are written where they lie.

        Raises:
            ValueError: tokens not [B, T], not integers, outside the vocabulary (looked at on the CPU only, and not in
                compiled code), or a state of another number of layers.
        """
        self._check(tokens, state)
        x = self.embedding(tokens)
        states = []
        for layer, block in enumerate(self.blocks):
            x, after = block(x, None if state is None else state[layer], packing, overwrite_state=overwrite_state)
            states.append(after)
        x = self.norm(x)
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(x, weight), tuple(states)

    def drives(self, tokens: Int[Tensor, "B T"]) -> list[Drive | None]:
        """What every layer's mixer makes of a word: A, k, v, q, the strength of writes; None if it is not linear."""
        self._check(tokens, None)
        x = self.embedding(tokens)
        found: list[Drive | None] = []
        for block in self.blocks:
            assert isinstance(block, Block)
            found.append(block.mixer.drive(block.norm(x)) if isinstance(block.mixer, LinearMixer) else None)
            x, _ = block(x)
        return found

    def _check(self, tokens: Tensor, state: tuple[Any, ...] | None) -> None:
        faults = []
        if tokens.ndim != 2 or not tokens.numel():
            faults.append(f"tokens have shape {tuple(tokens.shape)}, wanted [B, T] with B, T >= 1")
        if tokens.dtype not in (torch.int64, torch.int32):
            faults.append(f"tokens have dtype {tokens.dtype}, wanted int64 or int32")
        elif tokens.device.type == "cpu" and tokens.numel() and not torch.compiler.is_compiling():
            least, most = tokens.aminmax()
            if least < 0 or most >= self.config.vocab_size:
                faults.append(f"tokens are in {int(least)}…{int(most)}, wanted 0…{self.config.vocab_size - 1}")
        if state is not None and len(state) != self.config.num_layers:
            faults.append(f"state is of {len(state)} layers, wanted {self.config.num_layers}")
        if faults:
            raise ValueError("; ".join(faults))
