"""The exponential input gate of mLSTM neither overflows nor changes an output by being tamed."""

import dataclasses

import pytest
import torch

from lrnn import Packing, checked
from lrnn.layers import MLSTM
from tests.layers.cases import D, draw, make
from tests.layers.oracles import run


def gates(mixer, forget, write):
    with torch.no_grad():
        mixer.forget_proj.bias.fill_(forget)
        mixer.input_proj.bias.fill_(write)


@pytest.mark.parametrize("write", [-3.0, 0.0, 20.0])
@pytest.mark.parametrize("forget", [-4.0, 0.0, 4.0])
def test_equal_to_the_plain_equations(forget, write):
    mixer, x = make("mlstm"), draw(1, 9, D)
    gates(mixer, forget, write)
    weights = {name: value.numpy().copy() for name, value in mixer.state_dict().items()}
    wanted, _ = run("mlstm", weights, dataclasses.asdict(mixer.config), x[0].numpy(), mixer.config.state_shape)
    with checked():
        y, _ = mixer(x)
    torch.testing.assert_close(y[0].detach(), torch.from_numpy(wanted), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("write", [-1000.0, 1000.0])
@pytest.mark.parametrize("forget", [-1000.0, 0.0, 1000.0])
def test_nothing_overflows_in_float32(forget, write):
    """e^1000 is far outside float64, too."""
    mixer, x = make("mlstm").float(), draw(2, 40, D).float().requires_grad_()
    gates(mixer, forget, write)
    with checked():
        y, state = mixer(x)
        y_more, _ = mixer(x, state)
    (y + y_more).sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in mixer.parameters())


def test_decay_and_write_of_the_kept_state_are_at_most_one():
    mixer, x = make("mlstm", shake=2.0), draw(1, 200, D)
    assert isinstance(mixer, MLSTM)
    drive = mixer.drive(x, None, Packing((120, 80)))
    assert drive.A.tensors()["log_decay"].max() <= 0
    assert drive.v[..., -1].eq(1).all()
    assert drive.strength is not None
    assert drive.strength.max() <= 1 + 1e-9  # rounding of m
    assert drive.skip[0].max() <= 1
    assert drive.skip[0].min() > 0


def test_the_matrix_is_the_forget_gate_where_input_gates_are_small():
    """m stays 0 then, and the kept state is the state."""
    mixer, x = make("mlstm", {"eigenvalues": (-1, 1)}), draw(1, 9, D)
    gates(mixer, 0.0, -50.0)
    assert isinstance(mixer, MLSTM)
    wanted = 2 * mixer.forget_proj(x).sigmoid() - 1
    torch.testing.assert_close(mixer.drive(x).A.dense()[..., 0, 0], wanted, rtol=1e-9, atol=1e-9)
