"""How right a model is at a length, inside and beyond what training showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lrnn.tasks import NOT_ASKED, Batch, Metric
from lrnn.train.config import RunConfig
from lrnn.train.result import LengthScore
from lrnn.train.words import measured_words

# Letters in one forward pass of a measurement: bounds the memory at long lengths.
_LETTERS = 2**13


def measure(
    model: nn.Module, run: RunConfig, lengths: Sequence[int] | None = None, words: int | None = None
) -> tuple[LengthScore, ...]:
    """Scaled accuracy of `model` on the run's test words, one score per length.

    Args:
        lengths: letters in each word; None for those of the config.
        words: how many per length; None for the config's `eval_batch`.

    Raises ValueError if the task has no word of such a length.
    """
    lengths = run.eval_lengths if lengths is None else lengths
    return tuple(_at_length(model, run, length, measured_words(run, length, words)) for length in lengths)


def _at_length(model: nn.Module, run: RunConfig, length: int, batch: Batch) -> LengthScore:
    every, last = Metric(run.task.chance), Metric(run.task.chance)
    for piece in pieces(batch, max(1, _LETTERS // length)):
        guesses = answers(model, piece.words).argmax(-1)
        every.update(piece, predictions=guesses)
        last.update(piece._replace(labels=only_last(piece.labels)), predictions=guesses)
    positions = every.by_position()
    quarter = range(length - max(1, length // 4) + 1, length + 1)
    nan = float("nan")
    return LengthScore(
        length=length,
        words=len(batch.words),
        last=last.scaled,
        mean=every.scaled,
        last_quarter=every.between(quarter[0], length).scaled if any(p in positions for p in quarter) else nan,
        whole=every.words.accuracy,
        by_position=tuple(positions[p].scaled if p in positions else nan for p in range(1, length + 1)),
    )


@torch.no_grad()
def answers(model: nn.Module, words: Tensor) -> Tensor:
    """Logits [B, T, C] of a model in evaluation mode, on the CPU; its mode is put back."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    try:
        return model(words.to(device))[0].float().cpu()
    finally:
        model.train(training)


def validate(model: nn.Module, batch: Batch) -> tuple[float, float]:
    """Mean cross entropy and share of labels right over a batch."""
    total, right, count = 0.0, 0, 0
    for piece in pieces(batch, max(1, _LETTERS // batch.words.shape[1])):
        logits, labels = answers(model, piece.words), piece.labels
        asked = labels != NOT_ASKED
        total += float(F.cross_entropy(logits[asked], labels[asked], reduction="sum")) if bool(asked.any()) else 0.0
        right += int((logits.argmax(-1)[asked] == labels[asked]).sum())
        count += int(asked.sum())
    return (total / count, right / count) if count else (float("nan"), float("nan"))


def pieces(batch: Batch, size: int) -> Iterator[Batch]:
    """The batch in pieces of at most `size` words."""
    for start in range(0, len(batch.words), size):
        yield Batch(*(tensor[start : start + size] for tensor in batch))


def only_last(labels: Tensor) -> Tensor:
    """The same labels [B, T] with everything but the last one asked in each word blanked out.

    >>> only_last(torch.tensor([[3, 4, -100], [-100, -100, 5]])).tolist()
    [[-100, 4, -100], [-100, -100, 5]]
    """
    asked = labels != NOT_ASKED
    later = asked.flip(1).cumsum(1).flip(1) > 1
    return labels.masked_fill(later, NOT_ASKED)
