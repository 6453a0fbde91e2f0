"""A mixer's config checks itself and tells every fault of a call in one message."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from lrnn.types import Eigenvalues, InitialState

Form = Literal["sigmoid", "sharp", "clamp", "pinned"]
"""How a gate reaches the ends of its range; the formulas are in :mod:`lrnn.layers.gates`."""

Activation = Literal["silu", "relu", "elu", "none"]
"""What is applied to keys, queries or values after the projection or short convolution; elu means 1 + elu."""

ConvPlace = Literal["qkv", "input"]
"""Where the short convolution stands: on q, k and v, or once in front of all that the state is made of."""

RANGES = ((0, 1), (-1, 1))
"""The legal values of ``eigenvalues``."""


@dataclass(frozen=True, kw_only=True)
class MixerConfig:
    """What every sequence mixer has.

    Raises:
        ValueError: one message with every field that is not legal, what it was and what is legal.

    >>> from lrnn.layers import DeltaNetConfig
    >>> DeltaNetConfig(dim=8, num_heads=0, eigenvalues=(0, 2))
    Traceback (most recent call last):
    ValueError: DeltaNetConfig: num_heads = 0: must be an integer >= 1; eigenvalues = (0, 2): must be one of (0, 1),
    (-1, 1)
    """

    dim: int
    """D, the width of the model."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset({"conv_size"})

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), list):  # JSON has no tuples
                object.__setattr__(self, field.name, tuple(value))
        # rules between fields only make sense once each field is legal by itself
        if faults := list(self._field_faults()) or list(self.faults()):
            raise ValueError(f"{type(self).__name__}: " + "; ".join(faults))

    def faults(self) -> Iterator[str]:
        """What is wrong between fields that are legal by themselves."""
        yield from ()

    def _field_faults(self) -> Iterator[str]:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            if wanted := self._wanted(field.name, value, hints[field.name]):
                yield f"{field.name} = {value!r}: must be {wanted}"

    def _wanted(self, name: str, value: Any, hint: Any) -> str | None:
        """What the field should have been, or None if it is legal."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name == "eigenvalues":
            return None if value in RANGES else "one of " + ", ".join(map(repr, RANGES))
        if get_origin(hint) is Literal:
            return None if value in get_args(hint) else "one of " + ", ".join(map(repr, get_args(hint)))
        if hint is bool:
            return None if isinstance(value, bool) else "True or False"
        if hint is float:
            return None if number and math.isfinite(value) else "a finite number"
        least = 0 if name in self.may_be_zero else 1
        optional = type(None) in get_args(hint)
        if (optional and value is None) or (number and isinstance(value, int) and value >= least):
            return None
        return f"an integer >= {least}" + (" or None" if optional else "")


@dataclass(frozen=True, kw_only=True)
class LinearMixerConfig(MixerConfig):
    """What every linear recurrence S_t = A_t S_{t-1} + k_t v_tᵀ has."""

    initial_state: InitialState = "zero"
    """S_0: zero, or learned with full rank at the start."""

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """(H, K, V)."""
        raise TypeError(f"{type(self).__name__} does not say the shape of its state")


@dataclass(frozen=True, kw_only=True)
class HeadsConfig(LinearMixerConfig):
    """A linear recurrence with H heads of K × V."""

    num_heads: int = 4
    """H."""
    key_dim: int | None = None
    """K of one head; None is dim / num_heads."""
    value_dim: int | None = None
    """V of one head; None is the width the mixer was published with."""
    write: bool = True
    """The additive term k_t v_tᵀ; without it the state is A_t … A_1 S_0 and S_0 must be learned."""

    key_share: ClassVar[float] = 1.0
    value_share: ClassVar[float] = 1.0
    least_value_dim: ClassVar[int] = 1
    extra_columns: ClassVar[int] = 0

    @property
    def state_shape(self) -> tuple[int, int, int]:
        width = self.dim // self.num_heads
        key_dim = self.key_dim or max(1, int(self.key_share * width))
        value_dim = self.value_dim or int(self.value_share * width)
        return self.num_heads, key_dim, value_dim + self.extra_columns

    def faults(self) -> Iterator[str]:
        if self.dim % self.num_heads and None in (self.key_dim, self.value_dim):
            yield f"num_heads = {self.num_heads}: must divide dim = {self.dim} unless key_dim and value_dim are given"
        elif (value_dim := self.state_shape[2] - self.extra_columns) < self.least_value_dim:
            yield f"value_dim = {value_dim}: must be >= 2, for a head of one number is normalized to 0"
        yield from write_faults(self)


def write_faults(config: Any) -> Iterator[str]:
    """A state that starts at zero and is never written stays zero."""
    if not config.write and config.initial_state == "zero":
        yield "write = False: needs initial_state = 'learned', for a zero state that is never written stays zero"


def conv_faults(config: Any) -> Iterator[str]:
    """A place for no convolution would be ignored."""
    if config.conv_place != "qkv" and not config.conv_size:
        yield f"conv_place = {config.conv_place!r}: needs conv_size >= 1, for there is no convolution to place"


__all__ = [
    "Activation",
    "ConvPlace",
    "Eigenvalues",
    "Form",
    "HeadsConfig",
    "InitialState",
    "LinearMixerConfig",
    "MixerConfig",
]
