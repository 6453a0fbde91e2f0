"""A state that is given away holds S_T afterwards, and is what comes back."""

from dataclasses import replace

import pytest
import torch

from lrnn import Packing
from tests.calls import ALGORITHMS, call
from tests.cases import STRUCTURES

LENGTHS = [0, 1, 12]


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_state_is_overwritten(name):
    for T in LENGTHS:
        of = call(name, (2, T, 1, 6, 3))
        of = replace(of, state=of.state.to(torch.complex128 if of.A.complex else torch.float64))  # type: ignore[union-attr]
        assert of.state is not None
        y, last = of.run()
        given = of.state.clone()
        again, state = replace(of, state=given).run(overwrite_state=True)
        assert state is given
        assert torch.equal(state, last)
        assert torch.equal(again, y)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_whatever_the_algorithm_and_the_memory(algorithm):
    packing = Packing((3, 9))
    of = call("householder scalar", (1, 12, 2, 6, 3), rows=2)
    assert of.state is not None
    _, last = of.run(packing=packing, algorithm=ALGORITHMS[algorithm])
    strided = of.state.mT.contiguous().mT
    _, state = replace(of, state=strided).run(packing=packing, algorithm=ALGORITHMS[algorithm], overwrite_state=True)
    assert state is strided
    assert torch.equal(state, last)


def test_what_cannot_be_overwritten():
    of = call("diagonal", (1, 12, 2, 6, 3))
    assert of.state is not None
    for state, message in (
        (None, "overwrite_state needs a state to write into, got state = None"),
        (of.state.float(), r"state has dtype torch.float32, wanted torch.float64 of S_T to overwrite it"),
        (of.state[:, :1].expand(-1, 2, -1, -1), "state is expanded"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(of, state=state).run(overwrite_state=True)
    leaves = of.leaves()
    with pytest.raises(ValueError, match="overwrite_state is for calls without gradients, but an input requires one"):
        leaves.run(overwrite_state=True)
    with torch.no_grad():
        leaves.run(overwrite_state=True)
