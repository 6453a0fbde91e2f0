"""The learning rate and the longest word at every step."""

import math

import pytest

from lrnn.train import TrainConfig, longest_word, lr_scale


def rates(**fields):
    config = TrainConfig(steps=200, warmup=0.25, **fields)
    return [lr_scale(config, step) for step in range(200)]


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
def test_every_schedule_warms_up_to_the_peak_and_never_exceeds_it(schedule):
    found = rates(schedule=schedule)
    assert all(a < b for a, b in zip(found[:49], found[1:50]))
    assert max(found) == 1.0
    assert found[50] == 1.0
    assert min(found) > 0


def test_values_between():
    cosine = rates(schedule="cosine", final_lr=0.1)
    assert cosine[0] == pytest.approx(1 / 50)
    assert cosine[125] == pytest.approx(0.55)  # half way down
    assert cosine[-1] == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi * 149 / 150)))
    assert rates(schedule="one-cycle")[0] == pytest.approx(1 / 25)
    assert rates(schedule="one-cycle")[25] == pytest.approx((1 + 1 / 25) / 2)
    assert set(rates(schedule="constant")[49:]) == {1.0}


def test_no_warm_up_starts_at_the_peak():
    assert lr_scale(TrainConfig(steps=10, warmup=0.0), 0) == 1.0


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_the_run_is_refused(step):
    with pytest.raises(ValueError, match=rf"step = {step}: must be in 0..9"):
        lr_scale(TrainConfig(steps=10), step)


def test_the_curriculum_moves_at_its_shares():
    config = TrainConfig(steps=10, curriculum=(5, 10, 40), curriculum_shares=(0.2, 0.3, 0.5))
    assert [longest_word(config, step) for step in range(10)] == [5] * 2 + [10] * 3 + [40] * 5
    equal = TrainConfig(steps=4, curriculum=(5, 40))
    assert [longest_word(equal, step) for step in range(4)] == [5, 5, 40, 40]
    assert longest_word(TrainConfig(steps=4), 0) == 40
