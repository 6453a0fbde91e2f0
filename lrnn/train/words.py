"""Which words a run sees: every batch is a function of the run's seed, the purpose and the step.

A counter in place of the state of a generator, so that a resumed run needs to remember only its step.
"""

from __future__ import annotations

import numpy as np

from lrnn.tasks import Batch
from lrnn.train.config import RunConfig
from lrnn.train.schedule import longest_word

_TRAIN, _LENGTH, _VALIDATE, _MEASURE = range(4)


def training_words(run: RunConfig, step: int) -> Batch:
    """The words of update `step`."""
    lengths = run.task.lengths_between(run.train.min_length, longest_word(run.train, step))
    seed = (run.seed, _TRAIN, step)
    if run.train.length_draw == "max":
        return run.task.sample(run.train.batch, lengths[-1], seed)
    if run.train.length_draw == "word":
        return run.task.sample(run.train.batch, (lengths[0], lengths[-1]), seed)
    one = np.random.Generator(np.random.Philox([run.seed, _LENGTH, step])).integers(len(lengths))
    return run.task.sample(run.train.batch, lengths[int(one)], seed)


def validation_words(run: RunConfig, step: int) -> Batch:
    """Fresh words of the lengths that update `step` draws from, each word with a length of its own.

    They are of the task's training split: what decides when to stop must not look at the test words.
    """
    lengths = run.task.lengths_between(run.train.min_length, longest_word(run.train, step))
    return run.task.sample(run.train.eval_batch, (lengths[0], lengths[-1]), (run.seed, _VALIDATE, step))


def measured_words(run: RunConfig, length: int, words: int | None = None) -> Batch:
    """The test words on which the trained model is measured at one length."""
    count = run.train.eval_batch if words is None else words
    return run.task.sample(count, length, (run.seed, _MEASURE, length), split="test")
