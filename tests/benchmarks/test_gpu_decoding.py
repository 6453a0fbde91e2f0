"""The measurements of decoding run on a CPU with tiny sizes; no time is asserted."""

import json

import pytest

from benchmarks.gpu_clock import Clock
from benchmarks.gpu_decoding import COLUMNS, gpu_decode

pytestmark = pytest.mark.no_shape_checks


def test_decoding_runs_small():
    outcome = gpu_decode(
        Clock("cpu", 1.0), 1024, batches=(1, 3), model_batches=(2,), modes=(False,), layers=2, heads=2, width=8
    )
    assert all(len(row) == len(COLUMNS) for row in outcome.rows)
    found = json.loads(json.dumps(outcome.data))["found"]
    assert list(found) == ["step B1", "step B3", "2 layers n_h=1 B2", "2 layers n_h=2 B2"]
    step, model = found["step B3"], found["2 layers n_h=2 B2"]
    assert step["bytes"] == 2 * 3 * 2 * 8 * 8 * 4
    assert step["error"] < 1e-6
    assert model["error"] == 0
    weights = 2 * (16 * (16 + 32 + 32 + 16 + 16) + 16 * (4 + 2) + 3 * 16 * 44) + 16 * 256  # matrices, both layers; head
    states = 2 * 2 * (2 * 2 * 8 * 8 * 4 + 2 * 3 * 80 * 2)
    assert model["bytes of states"] == states
    assert 2 * weights < model["bytes"] - states < 2 * weights * 1.1  # in two bytes each; norms and convolutions beside
