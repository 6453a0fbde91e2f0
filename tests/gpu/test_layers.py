"""Layers at real sizes, with what has kernels beside the recurrence, against the same layers in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from lrnn.layers import MIXERS, Mixer
from tests.calls import error

DEVICE = "cuda"
D = 256
LAYERS = {
    "deltanet": {"num_heads": 4},
    "gated_deltanet": {"num_heads": 2, "eigenvalues": (-1, 1)},
    "gated_deltaproduct": {"num_heads": 2, "value_dim": 128, "eigenvalues": (-1, 1)},
    "mamba2": {"num_heads": 4},
}
LIMITS = {torch.float32: 1e-4, torch.bfloat16: 3e-2}
"""Of 16 bits, three roundings of everything on the way."""


def layer(name: str) -> Mixer:
    kind: Any = MIXERS[name]
    return kind(kind.Config(dim=D, **LAYERS[name])).to(DEVICE)


def words(T: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(2, T, D, generator=torch.Generator().manual_seed(0)).to(DEVICE, dtype)


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_and_its_gradients(name, dtype):
    found, leaves = [], []
    for exact in (False, True):
        mixer, x = layer(name).to(dtype), words(300, dtype)
        if exact:
            mixer, x = mixer.double(), x.double()
        x.requires_grad_()
        y, _ = mixer(x)
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
        leaves = [x, *mixer.parameters()]
        found.append([y, *torch.autograd.grad((y * weights).sum(), leaves)])
    limits = [LIMITS[dtype], *[4 * LIMITS[dtype]] * len(leaves)]
    for got, want, limit in zip(*found, limits, strict=True):
        assert error(got, want) < limit


@pytest.mark.parametrize("dtype", LIMITS, ids=str)
@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_token_by_token_is_whole(name, dtype):
    mixer, x = layer(name).to(dtype), words(40, dtype)
    _, state = mixer(x[:, :30])
    state, given = copy.deepcopy(state), state
    ys = []
    for token in x[:, 30:].split(1, dim=1):
        y, state = mixer(token, state, overwrite_state=True)
        ys.append(y)
    want, after = mixer.double()(x.double())
    assert error(torch.cat(ys, dim=1), want[:, 30:]) < LIMITS[dtype]
    assert error(state.state, after.state) < LIMITS[dtype]
    assert given.state.data_ptr() != state.state.data_ptr()
