"""Packed words become rows and go back."""

import pytest
import torch

from lrnn import Packing
from lrnn.layers.words import last, pack, unpack
from tests.layers.cases import draw


@pytest.mark.parametrize("lengths", [(1,), (3,), (1, 1, 1), (2, 5, 1), (5, 2)])
def test_there_and_back(lengths):
    packing = Packing(lengths)
    x = draw(1, packing.total, 2, 3)
    rows = unpack(x, packing)
    assert rows.shape == (packing.num_words, max(lengths), 2, 3)
    for n, span in enumerate(packing.spans):
        assert torch.equal(rows[n, : lengths[n]], x[0, span])
        assert torch.equal(last(rows, packing)[n], x[0, span][-1])
    assert rows.isfinite().all()
    assert torch.equal(pack(rows, packing), x)


def test_without_packing_the_last_step_is_the_last():
    x = draw(3, 4, 2)
    assert torch.equal(last(x, None), x[:, -1])
