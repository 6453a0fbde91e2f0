"""Associative recall, selective copying, induction heads: where things stand, and how often."""

import numpy as np
import pytest
import torch

from lrnn.tasks import NOT_ASKED, AssociativeRecall, InductionHeads, SelectiveCopying
from lrnn.tasks.associative_recall import distinct


@pytest.mark.parametrize("filler", ["random", "blank"])
@pytest.mark.parametrize("length", [(11, 30), 12, 40], ids=str)
def test_every_key_is_asked_once(filler, length):
    task = AssociativeRecall(pairs=3, keys=6, values=7, filler=filler)
    batch = task.sample(400, length, seed=0)
    for word, labels in zip(batch.words, batch.labels):
        places = (labels != NOT_ASKED).nonzero().flatten()
        assert sorted(word[places].tolist()) == sorted(word[:6:2].tolist())
        assert (places >= 6).all()
        assert (places % 2 == 0).all()
    assert task.chance == 1 / 7


def test_questions_stand_near_unless_told_otherwise():
    """The first key is asked at place s with probability s^(power − 1) over their sum."""
    for power in (0.01, 1.0, 2.0):
        task = AssociativeRecall(pairs=2, keys=4, values=4, filler="blank", power=power)
        batch = task.sample(20_000, 14, seed=0)
        first = batch.words[:, :1]
        place = ((batch.words == first) & (batch.labels != NOT_ASKED)).int().argmax(1) // 2 - 2
        weights = np.arange(1, 6) ** (power - 1)
        share = torch.bincount(place, minlength=5) / 20_000
        assert (share - torch.tensor(weights / weights.sum())).abs().max() < 0.015


@pytest.mark.parametrize(("population", "count"), [(4, 2), (3, 3), (5, 1)])
def test_distinct_choices_are_uniform(population, count):
    chosen = distinct(np.random.default_rng(0), 24_000, population, count)
    codes, seen = np.unique(chosen @ population ** np.arange(count), return_counts=True)
    ways = np.prod(np.arange(population - count + 1, population + 1))
    assert len(codes) == ways
    assert np.abs(seen - 24_000 / ways).max() < 5 * (24_000 / ways) ** 0.5
    assert all(len(set(row)) == count for row in chosen[:100].tolist())


def test_symbols_stand_anywhere_before_the_questions():
    task = SelectiveCopying(items=2, symbols=3)
    batch = task.sample(20_000, 8, seed=0)
    is_symbol = batch.words < 3
    assert (is_symbol.sum(1) == 2).all()
    assert (is_symbol[:, :6].float().mean(0) - 1 / 3).abs().max() < 0.015
    assert (batch.words[:, 6:] == 4).all()
    assert (batch.labels[:, :6] == NOT_ASKED).all()
    assert task.chance == 1 / 3


def test_the_first_sign_stands_anywhere():
    task = InductionHeads(symbols=4)
    batch = task.sample(20_000, 7, seed=0)
    first = (batch.words == 4).int().argmax(1)
    share = torch.bincount(first, minlength=5) / 20_000
    assert (share - 0.2).abs().max() < 4.5 * (0.16 / 20_000) ** 0.5
    answers = torch.bincount(batch.labels[:, -1]) / 20_000
    assert (answers - 0.25).abs().max() < 4.5 * (0.1875 / 20_000) ** 0.5


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            AssociativeRecall,
            {"pairs": 5, "keys": 4, "values": 3},
            "keys must be at least pairs = 5, got 4; values must be at least pairs = 5, got 3",
        ),
        (AssociativeRecall, {"power": 0.0, "filler": "x"}, "power must be greater than 0, got 0.0; filler must be one"),
        (AssociativeRecall, {"pairs": 1, "values": 1}, "values must be at least 2, got 1"),
        (AssociativeRecall, {"pairs": 0}, "pairs must be at least 1, got 0"),
        (SelectiveCopying, {"items": 0, "symbols": 1}, "items must be at least 1, got 0; symbols must be at least 2"),
        (InductionHeads, {"symbols": 1}, "symbols must be at least 2, got 1"),
    ],
)
def test_wrong_options_are_told(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)
