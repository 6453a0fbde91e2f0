"""The mixers in the table of the laws: a new mixer or option joins by one row."""

import dataclasses

import torch
from torch import Tensor

from lrnn.layers import MIXERS, LinearMixer, Mixer

D = 16
SMALL = {
    "mamba": {"key_dim": 3},
    "mamba2": {"key_dim": 5, "num_heads": 2},
    "gla": {"num_heads": 2},
    "mlstm": {"num_heads": 2},
    "deltanet": {"num_heads": 2, "key_dim": 6},
    "gated_deltanet": {"num_heads": 2, "key_dim": 6},
    "deltaproduct": {"num_heads": 2, "key_dim": 5, "num_householders": 3},
    "gated_deltaproduct": {"num_heads": 2, "key_dim": 6},
    "rwkv7": {"num_heads": 2, "rank": 4},
    "sdssm": {"state_dim": 7, "num_matrices": 3},
    "pdssm": {"state_dim": 5, "num_matrices": 3},
    "lru": {"state_dim": 9},
    "aussm": {"num_channels": 6, "state_dim": 3},
    "attention": {"num_heads": 2},
    "lstm": {},
    "slstm": {"num_heads": 2},
}
NEEDS = {"write": {"initial_state": "learned"}, "conv_place": {"conv_size": 3}}
"""What an option has no meaning without."""

OPTIONS = {
    "eigenvalues": [(-1, 1)],
    "beta_form": ["sharp", "clamp", "pinned"],
    "decay_form": ["sharp", "clamp", "pinned"],
    "initial_state": ["learned"],
    "write": [False],
    "conv_size": [0, 1, 3],
    "num_angles": [5],
    "diagonal": ["real", "signed", "identity"],
    "conv_place": ["input"],
    "key_activation": ["none", "relu", "elu", "silu"],
    "value_activation": ["none"],
    "key_norm": [False],
    "output_norm": [False],
    "output_gate": [False],
    "discretization": ["zoh"],
    "token_shift": [False],
    "num_householders": [1],
}


def options_of(name: str) -> list[dict]:
    """The defaults, and every option by itself that the mixer has."""
    fields = {field.name: field.default for field in dataclasses.fields(MIXERS[name].Config)}
    found: list[dict] = [{}]
    for option, values in OPTIONS.items():
        for value in values:
            if option in fields and fields[option] != value:
                found.append({option: value} | NEEDS.get(option, {}))
                if option in ("beta_form", "decay_form") and "eigenvalues" in fields:
                    found.append({option: value, "eigenvalues": (-1, 1)})
    return found


CASES = {
    " ".join([name, *(f"{key}={value}" for key, value in options.items())]): (name, options)
    for name in MIXERS
    for options in options_of(name)
}
NAMES = list(MIXERS)
LINEAR = [name for name, kind in MIXERS.items() if issubclass(kind, LinearMixer)]


def make(name: str, options: dict | None = None, seed: int = 0, shake: float = 0.3) -> Mixer:
    """A small mixer in float64, moved away from its start, where many published weights are zero."""
    kind = MIXERS[name]
    mixer = kind(kind.Config(**{"dim": D, **SMALL[name], **(options or {})}), seed=seed).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in mixer.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(shake * noise)
    return mixer


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
