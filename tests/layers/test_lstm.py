"""The LSTM is PyTorch's (the equations themselves are in test_equations.py)."""

import torch
from torch import nn

from lrnn.layers import LSTM, LSTMConfig
from tests.layers.cases import draw


def test_against_torch():
    ours = LSTM(LSTMConfig(dim=6)).double()
    theirs = nn.LSTM(6, 6, batch_first=True).double()
    theirs.load_state_dict(ours.cells.state_dict())
    x = draw(3, 8, 6)
    y, state = ours(x)
    wanted, (output, cell) = theirs(x)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(state, type(state)(output[0], cell[0]))
