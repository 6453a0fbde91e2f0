"""Every mixer with every option against its published equations, written again in numpy."""

import dataclasses

import pytest
import torch

from lrnn.layers import LinearMixer
from tests.layers.cases import CASES, D, draw, make
from tests.layers.oracles import run

T = 7


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_matrices_are_the_published_ones(case):
    name, options = CASES[case]
    mixer = make(name, options)
    x = draw(2, T, D)
    weights = {key: value.numpy().copy() for key, value in mixer.state_dict().items()}
    config = dataclasses.asdict(mixer.config)
    shape = mixer.config.state_shape if isinstance(mixer, LinearMixer) else None
    with torch.no_grad():
        y, _ = mixer(x)
        A = mixer.drive(x).A.dense() if isinstance(mixer, LinearMixer) else None
    for row in range(2):
        wanted, matrices = run(name, weights, config, x[row].numpy(), shape)
        torch.testing.assert_close(y[row], torch.from_numpy(wanted), rtol=1e-9, atol=1e-9)
        if (
            A is not None and matrices is not None and name != "mlstm"
        ):  # mLSTM's matrix is that of the stabilized state: tested in test_mlstm.py
            torch.testing.assert_close(A[row], torch.from_numpy(matrices.copy()), rtol=1e-9, atol=1e-9)


def test_the_comparison_can_fail():
    """A wrong sign of one weight is seen."""
    mixer = make("deltanet")
    x = draw(1, T, D)
    weights = {key: value.numpy().copy() for key, value in mixer.state_dict().items()}
    weights["beta.proj.weight"] *= -1
    wanted, _ = run("deltanet", weights, dataclasses.asdict(mixer.config), x[0].numpy(), mixer.config.state_shape)
    with torch.no_grad():
        assert (mixer(x)[0][0] - torch.from_numpy(wanted)).abs().max() > 1e-2
