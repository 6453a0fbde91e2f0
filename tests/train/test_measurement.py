"""What is measured is what is said: on a model whose answers are known."""

import math

import pytest
import torch
from torch import nn

from lrnn.tasks import Parity
from lrnn.train import evaluate, measure, train
from lrnn.train.measurement import only_last, validate
from lrnn.train.words import measured_words, training_words, validation_words
from tests.train.runs import tiny_run


class Counting(nn.Module):
    """Knows the parity of the first `reach` letters, and says even from there on."""

    def __init__(self, reach):
        super().__init__()
        self.reach = reach
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, words):
        assert not self.training
        parity = words.cumsum(1) % 2
        parity[:, self.reach :] = 0
        return nn.functional.one_hot(parity, 2).float() * 5, None


def test_scores_of_a_model_that_knows_a_part():
    run = tiny_run(eval_batch=400)
    model = Counting(reach=6)
    (inside, beyond) = measure(model, run, (6, 8))
    assert (inside.length, inside.last, inside.mean, inside.last_quarter, inside.whole) == (6, 1.0, 1.0, 1.0, 1.0)
    assert inside.words == 400
    assert beyond.by_position[:6] == (1.0,) * 6
    assert all(abs(value) < 0.2 for value in beyond.by_position[6:])
    assert beyond.last == beyond.by_position[7]
    assert beyond.mean == pytest.approx(sum(beyond.by_position) / 8)
    assert beyond.last_quarter == pytest.approx(sum(beyond.by_position[6:]) / 2)
    words = measured_words(run, 8)
    right = (words.labels[:, 6:] == 0).all(1).double().mean()
    assert beyond.whole == pytest.approx(float(right))
    assert model.training  # put back


def test_one_label_per_word_leaves_the_other_positions_open():
    score = measure(Counting(reach=99), tiny_run(ask="end"), (6,))[0]
    assert all(math.isnan(value) for value in score.by_position[:5])
    assert score.by_position[5] == score.last == score.mean == score.last_quarter == 1.0


def test_validation_is_the_mean_over_labels():
    batch = Parity(ask="every").sample(50, (2, 9), seed=0)
    loss, accuracy = validate(Counting(reach=99), batch)
    assert accuracy == 1.0
    assert loss == pytest.approx(math.log(1 + math.exp(-5)), rel=1e-5)


def test_pieces_do_not_change_a_measurement(monkeypatch):
    run = tiny_run(eval_batch=30)
    whole = measure(Counting(reach=3), run)
    monkeypatch.setattr("lrnn.train.measurement._LETTERS", 20)
    assert measure(Counting(reach=3), run) == whole


def test_only_the_last_label_is_kept():
    labels = torch.tensor([[1, -100, 2, -100], [-100, -100, -100, -100], [0, 0, 0, 0]])
    assert only_last(labels).tolist() == [[-100, -100, 2, -100], [-100] * 4, [-100, -100, -100, 0]]


def test_a_saved_run_is_measured_again_on_the_same_words(tmp_path):
    result = train(tiny_run(), tmp_path / "run", show=False, report=False)
    assert evaluate(tmp_path / "run") == result.scores
    assert [score.length for score in evaluate(tmp_path / "run", (3, 20), words=5)] == [3, 20]
    with pytest.raises(ValueError, match=r"lengths: the task parity has no test words of length \[0\]"):
        evaluate(tmp_path / "run", (0,))


def test_training_validation_and_test_words_are_different_words_and_reproducible():
    run = tiny_run(batch=50, eval_batch=50, length_draw="max", max_length=30)
    batches = [training_words(run, 0), training_words(run, 1), validation_words(run, 0), measured_words(run, 30)]
    words = [{tuple(word[:20]) for word in batch.words.tolist()} for batch in batches]
    assert all(not a & b for i, a in enumerate(words) for b in words[:i])
    each = tiny_run(batch=50, eval_batch=50, length_draw="word")  # validation draws in the same way
    assert not torch.equal(training_words(each, 0).words, validation_words(each, 0).words)
    assert torch.equal(training_words(run, 1).words, batches[1].words)
    assert not torch.equal(training_words(run.with_seed(1), 0).words, batches[0].words)


@pytest.mark.parametrize("draw", ["word", "step", "max"])
def test_lengths_are_drawn_as_the_config_says(draw):
    run = tiny_run(batch=30, length_draw=draw, min_length=2, max_length=6)
    batches = [training_words(run, step) for step in range(40)]
    lengths = [set(batch.lengths.tolist()) for batch in batches]
    assert set().union(*lengths) == ({6} if draw == "max" else {2, 3, 4, 5, 6})
    assert all(len(each) == 1 for each in lengths) == (draw != "word")
