"""What changes with the step: the learning rate and the longest training word."""

from __future__ import annotations

import math

from lrnn.train.config import TrainConfig

# One-cycle starts at this share of its peak (Smith and Topin use 1/10 to 1/25).
_ONE_CYCLE_START = 1 / 25


def lr_scale(config: TrainConfig, step: int) -> float:
    """The learning rate of update `step` (0, 1, ...) as a share of its peak, in [0, 1].

    With w = warmup·steps updates of warm-up and p = (step - w) / (steps - w) the share of the rest gone by:

        cosine      (step + 1)/w, then f + (1 - f)(1 + cos πp)/2      f = final_lr
        one-cycle   half a cosine from 1/25 up to 1, then the same descent
        constant    (step + 1)/w, then 1

    Source: I. Loshchilov, F. Hutter, SGDR, arXiv 1608.03983; L. Smith, N. Topin, Super-Convergence, arXiv 1708.07120.

    >>> short = TrainConfig(steps=100, warmup=0.1)
    >>> [round(lr_scale(short, step), 3) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if not 0 <= step < config.steps:
        raise ValueError(f"step = {step}: must be in 0..{config.steps - 1}")
    warm = round(config.warmup * config.steps)
    if step < warm:
        if config.schedule == "one-cycle":
            return 1 - (1 - _ONE_CYCLE_START) * (1 + math.cos(math.pi * step / warm)) / 2
        return (step + 1) / warm
    if config.schedule == "constant":
        return 1.0
    gone = (step - warm) / (config.steps - warm)
    return config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * gone)) / 2


def longest_word(config: TrainConfig, step: int) -> int:
    """The longest training word at update `step`: the curriculum's stage, or `max_length` without one.

    >>> longest_word(TrainConfig(steps=100, curriculum=(5, 40), curriculum_shares=(0.2, 0.8)), 19)
    5
    >>> longest_word(TrainConfig(steps=100, curriculum=(5, 40), curriculum_shares=(0.2, 0.8)), 20)
    40
    """
    stages = config.curriculum
    if not stages:
        return config.max_length
    shares = config.curriculum_shares or (1 / len(stages),) * len(stages)
    end = 0.0
    for stage, share in zip(stages, shares, strict=True):
        end += share
        if step < round(end * config.steps):
            return stage
    return stages[-1]
