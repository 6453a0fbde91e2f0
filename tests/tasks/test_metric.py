"""The metric against sums done by hand, and over batches in any order."""

import pytest
import torch

from lrnn.tasks import NOT_ASKED, Batch, Metric, scaled_accuracy

LABELS = torch.tensor([[0, 1, 2, 1], [1, NOT_ASKED, NOT_ASKED, NOT_ASKED], [NOT_ASKED, 2, 2, NOT_ASKED]])
GUESSES = torch.tensor([[0, 1, 2, 0], [1, 0, 0, 0], [0, 2, 2, 1]])
BATCH = Batch(torch.zeros_like(LABELS), LABELS, torch.tensor([4, 1, 3]))


def shown(*batches: tuple[Batch, torch.Tensor], chance: float = 0.25) -> Metric:
    metric = Metric(chance)
    for batch, guesses in batches:
        metric.update(batch, predictions=guesses)
    return metric


def test_counts_by_hand():
    metric = shown((BATCH, GUESSES))
    assert (metric.score.right, metric.score.count) == (6, 7)
    assert metric.accuracy == 6 / 7
    assert metric.scaled == pytest.approx((6 / 7 - 0.25) / 0.75)
    assert (metric.words.right, metric.words.count) == (2, 3)
    assert {n: (s.right, s.count) for n, s in metric.by_length().items()} == {1: (1, 1), 3: (2, 2), 4: (3, 4)}
    assert {t: (s.right, s.count) for t, s in metric.by_position().items()} == {
        1: (2, 2),
        2: (2, 2),
        3: (2, 2),
        4: (0, 1),
    }
    assert {n: s.accuracy for n, s in metric.words_by_length().items()} == {1: 1.0, 3: 1.0, 4: 0.0}
    assert metric.majority == 3 / 7
    assert metric.between(3, 4).accuracy == 2 / 3
    assert metric.between(4, 99).scaled == pytest.approx(-1 / 3)


def test_batches_add_up():
    """Row by row, in any order and of different widths, is the same as all at once."""
    rows = [(Batch(*(tensor[i : i + 1] for tensor in BATCH)), GUESSES[i : i + 1]) for i in (2, 0)]
    narrow = (Batch(BATCH.words[1:2, :1], LABELS[1:2, :1], BATCH.lengths[1:2]), GUESSES[1:2, :1])
    apart, whole = shown(*rows, narrow), shown((BATCH, GUESSES))
    assert apart.score == whole.score
    assert apart.words == whole.words
    assert apart.by_length() == whole.by_length()
    assert apart.by_position() == whole.by_position()
    assert apart.majority == whole.majority


def test_logits_count_as_their_largest():
    metric = Metric(0.25)
    logits = torch.nn.functional.one_hot(GUESSES, 3).float() * 2 - 9
    metric.update(BATCH, logits=logits)
    assert metric.score == shown((BATCH, GUESSES)).score


def test_nan_is_wrong():
    """argmax would point at the NaN, and so be right for that class."""
    metric = Metric(0.25)
    logits = torch.nn.functional.one_hot(GUESSES, 3).float()
    logits[0, 0, 0] = float("nan")
    logits[0, 1] = float("nan")
    metric.update(BATCH, logits=logits)
    assert metric.score.right == 4


def test_words_without_a_question_do_not_count():
    batch = Batch(BATCH.words, torch.full_like(LABELS, NOT_ASKED), BATCH.lengths)
    metric = shown((batch, GUESSES))
    for total in ("score", "words", "majority", "accuracy", "scaled"):
        with pytest.raises(ValueError, match="nothing has been asked yet"):
            getattr(metric, total)
    assert metric.by_length() == metric.by_position() == metric.words_by_length() == {}
    with pytest.raises(ValueError, match="nothing has been asked"):
        shown((BATCH, GUESSES)).between(5, 9)


@pytest.mark.parametrize(("accuracy", "chance", "scaled"), [(1, 0.2, 1), (0.2, 0.2, 0), (0.6, 0.2, 0.5), (0, 0.5, -1)])
def test_scaled_accuracy(accuracy, chance, scaled):
    assert scaled_accuracy(accuracy, chance) == pytest.approx(scaled)


@pytest.mark.parametrize("chance", [1.0, -0.1, float("nan")])
def test_chance_out_of_range(chance):
    with pytest.raises(ValueError, match=r"chance must be in \[0, 1\), got"):
        Metric(chance)


def test_wrong_answers_are_told():
    metric = Metric(0.5)
    with pytest.raises(ValueError, match="exactly one of logits and predictions"):
        metric.update(BATCH)
    with pytest.raises(ValueError, match="exactly one of logits and predictions"):
        metric.update(BATCH, logits=torch.zeros(3, 4, 3), predictions=GUESSES)
    with pytest.raises(ValueError, match=r"\[B, T\] = \(3, 4\), the shape of the labels, got \(3, 3\)"):
        metric.update(BATCH, predictions=GUESSES[:, :3])
