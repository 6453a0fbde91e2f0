"""Parity, even pairs, cycle navigation, flip-flop: how words are drawn, and what chance is."""

import pytest
import torch

from lrnn.tasks import NOT_ASKED, CycleNavigation, EvenPairs, FlipFlop, Parity

FOUR_SIGMA = 4 * (0.25 / 20_000) ** 0.5


@pytest.mark.parametrize("task", [Parity(ask="every"), EvenPairs(ask="every")], ids=str)
def test_both_answers_are_equally_likely_everywhere(task):
    labels = task.sample(20_000, 9, seed=0).labels[:, task.shortest - 1 :]
    assert (labels.float().mean(0) - 0.5).abs().max() < FOUR_SIGMA
    assert task.chance == 0.5


def test_steps_are_uniform_and_places_nearly():
    task = CycleNavigation(ask="every")
    batch = task.sample(20_000, 30, seed=0)
    share = torch.bincount(batch.words.flatten(), minlength=3) / batch.words.numel()
    assert (share - 1 / 3).abs().max() < 4 * (2 / 9 / 600_000) ** 0.5
    last = torch.bincount(batch.labels[:, -1], minlength=5) / 20_000
    assert (last - 0.2).abs().max() < 4 * (0.16 / 20_000) ** 0.5
    assert task.chance == 0.2


def test_flip_flop_words():
    task = FlipFlop(ignore=0.8)
    batch = task.sample(20_000, 40, seed=0)
    instructions = batch.words[:, 2:38:2]
    share = torch.bincount(instructions.flatten(), minlength=3) / instructions.numel()
    assert (share - torch.tensor([0.1, 0.1, 0.8])).abs().max() < 0.003
    assert (batch.words[:, 0] == 0).all()
    assert (batch.words[:, 38] == 1).all()
    bits = batch.words[:, 1::2] - 3
    assert (bits.float().mean(0) - 0.5).abs().max() < FOUR_SIGMA
    asked = batch.labels != NOT_ASKED
    assert torch.equal(asked[:, ::2], batch.words[:, ::2] == 1)
    assert not asked[:, 1::2].any()


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Parity, {"ask": "all"}, "ask must be one of 'end', 'every', got 'all'"),
        (EvenPairs, {"ask": ""}, "ask must be one of 'end', 'every', got ''"),
        (CycleNavigation, {"places": 1, "ask": "x"}, "places must be at least 2, got 1; ask must be one of"),
        (FlipFlop, {"ignore": 1.5}, r"ignore must be in \[0, 1\], got 1.5"),
        (FlipFlop, {"ignore": float("nan")}, r"ignore must be in \[0, 1\], got nan"),
    ],
)
def test_wrong_options_are_told(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
