"""How right a model is: scaled accuracy, by length, by position, and of whole words.

Shapes: B words in a batch · T letters of the widest word · C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lrnn.tasks.task import NOT_ASKED, Batch


def scaled_accuracy(accuracy: float, chance: float) -> float:
    """(accuracy − chance) / (1 − chance): 1 is perfect, 0 is what guessing gives, below 0 is worse than guessing.

    Raises ValueError if ``chance`` is not in [0, 1).

    Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
    appendix E.1.

    >>> scaled_accuracy(0.75, chance=0.5)
    0.5
    """
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be in [0, 1), got {chance}")
    return (accuracy - chance) / (1 - chance)


@dataclass(frozen=True)
class Score:
    """How often a question was answered rightly."""

    right: int
    """Questions answered rightly."""
    count: int
    """Questions asked."""
    chance: float
    """Accuracy that counts as knowing nothing."""

    @property
    def accuracy(self) -> float:
        """right / count."""
        return self.right / self.count

    @property
    def scaled(self) -> float:
        """(accuracy − chance) / (1 − chance)."""
        return scaled_accuracy(self.accuracy, self.chance)


class _Tally(NamedTuple):
    """Counts by some key (a length, a position, a class)."""

    right: Counter[int]
    count: Counter[int]

    def add(self, keys: Tensor, right: Tensor) -> None:
        found, counts = keys.unique(return_counts=True)
        self.count.update(dict(zip(found.tolist(), counts.tolist())))
        found, counts = keys[right].unique(return_counts=True)
        self.right.update(dict(zip(found.tolist(), counts.tolist())))

    def score(self, chance: float, keys: Iterable[int] | None = None) -> Score:
        keys = list(self.count) if keys is None else [key for key in keys if self.count[key]]
        if not keys:
            raise ValueError("nothing has been asked yet: call update with a batch that has labels")
        return Score(sum(self.right[key] for key in keys), sum(self.count[key] for key in keys), chance)

    def table(self, chance: float) -> dict[int, Score]:
        return {key: Score(self.right[key], self.count[key], chance) for key in sorted(self.count)}


class Metric:
    """Accuracy over all batches shown to :meth:`update`; positions where nothing is asked do not count.

    A position is counted from 1: position t is that of x_t. A word is right if every asked position of it is; words
    of which nothing is asked do not count. Predictions from logits that hold NaN count as wrong.

    Arguments:
        chance: accuracy that counts as knowing nothing, in [0, 1); ``task.chance``.

    Raises ValueError if ``chance`` is out of range.

    >>> metric = Metric(chance=0.5)
    >>> batch = Batch(torch.zeros(1, 4, dtype=int), torch.tensor([[0, 1, -100, 1]]), torch.tensor([4]))
    >>> metric.update(batch, predictions=torch.tensor([[0, 1, 1, 0]]))
    >>> metric.score.right, metric.score.count, metric.words.accuracy
    (2, 3, 0.0)
    """

    def __init__(self, chance: float) -> None:
        scaled_accuracy(1.0, chance)
        self.chance = chance
        self._length = _Tally(Counter(), Counter())
        self._position = _Tally(Counter(), Counter())
        self._word = _Tally(Counter(), Counter())
        self._answers: Counter[int] = Counter()

    def update(
        self,
        batch: Batch,
        *,
        logits: Float[Tensor, "B T C"] | None = None,
        predictions: Int[Tensor, "B T"] | None = None,
    ) -> None:
        """Count one batch of answers, given as logits (the largest wins) or as classes: exactly one of the two.

        Raises ValueError if both or neither are given, or if their words and positions are not those of the batch.
        """
        if (logits is None) == (predictions is None):
            raise ValueError("give exactly one of logits and predictions")
        if predictions is None:
            assert logits is not None
            predictions = logits.argmax(-1).masked_fill(logits.isnan().any(-1), NOT_ASKED - 1)
        if predictions.shape != batch.labels.shape:
            got, wanted = tuple(predictions.shape), tuple(batch.labels.shape)
            raise ValueError(f"answers must be for [B, T] = {wanted}, the shape of the labels, got {got}")
        labels = batch.labels.cpu()
        right, asked = predictions.cpu() == labels, labels != NOT_ASKED
        lengths = batch.lengths.cpu()
        positions = torch.arange(1, labels.shape[1] + 1)
        self._length.add(lengths[:, None].expand_as(labels)[asked], right[asked])
        self._position.add(positions.expand_as(labels)[asked], right[asked])
        counts = asked.any(1)
        self._word.add(lengths[counts], (right | ~asked).all(1)[counts])
        self._answers.update(dict(zip(*(x.tolist() for x in labels[asked].unique(return_counts=True)))))

    @property
    def score(self) -> Score:
        """Over all asked positions. Raises ValueError if there were none, as do the other totals."""
        return self._length.score(self.chance)

    @property
    def accuracy(self) -> float:
        """Share of asked positions answered rightly."""
        return self.score.accuracy

    @property
    def scaled(self) -> float:
        """Scaled accuracy over all asked positions."""
        return self.score.scaled

    @property
    def words(self) -> Score:
        """Whole words. Their chance is that of one position, which is exact only where a word is asked once."""
        return self._word.score(self.chance)

    @property
    def majority(self) -> float:
        """Share of the commonest answer among those asked for: what a model that always says it would get."""
        if not self._answers:
            raise ValueError("nothing has been asked yet: call update with a batch that has labels")
        return max(self._answers.values()) / sum(self._answers.values())

    def by_length(self) -> dict[int, Score]:
        """Over the asked positions of the words of each length, shortest first."""
        return self._length.table(self.chance)

    def by_position(self) -> dict[int, Score]:
        """At each asked position, counted from 1, first to last."""
        return self._position.table(self.chance)

    def words_by_length(self) -> dict[int, Score]:
        """Whole words of each length, shortest first."""
        return self._word.table(self.chance)

    def between(self, first: int, last: int) -> Score:
        """Over the asked positions first … last, both included and counted from 1.

        Raises ValueError if none of them was asked.
        """
        return self._position.score(self.chance, range(first, last + 1))
