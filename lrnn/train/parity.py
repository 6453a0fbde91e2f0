"""The field's central result in two minutes on a laptop: with eigenvalues in [0, 1] a linear RNN cannot do parity."""

from __future__ import annotations

from typing import Any, Literal

from lrnn.models import LanguageModelConfig
from lrnn.tasks import Parity
from lrnn.train.config import RunConfig, TrainConfig
from lrnn.train.study import Study
from lrnn.types import Eigenvalues

Mixer = Literal["deltanet", "mamba"]


def parity_run(mixer: Mixer, eigenvalues: Eigenvalues, seed: int = 0) -> RunConfig:
    """One arm: one layer of width 32, 200 steps of 32 words up to 40 letters, asked after every letter.

    Equal in every arm: β and the decay in their `sharp` form, which reaches the ends of the range (2σ(10x) and
    2e^{10g} - 1 in place of the published 2σ(x) and 2e^g - 1); the state starts learned and is not written to, because
    the additive write is an attractor that spoils long words; no short convolution. The arms differ in `eigenvalues`
    alone, which is the factor 2 in those formulas.

    Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
    section 5.1 and table 3 (lengths, metric); the parameterization and the size are ours.
    """
    shared = {"eigenvalues": eigenvalues, "conv_size": 0, "write": False, "initial_state": "learned"}
    own: dict[str, dict[str, Any]] = {
        "deltanet": {"beta_form": "sharp", "num_heads": 4},
        "mamba": {"decay_form": "sharp", "key_dim": 4},
    }
    task = Parity(ask="every")
    return RunConfig(
        task=task,
        model=LanguageModelConfig(
            vocab_size=len(task.alphabet),
            num_classes=task.num_classes,
            dim=32,
            num_layers=1,
            mixer=mixer,
            mixer_config=shared | own[mixer],
        ),
        train=TrainConfig(
            steps=200,
            batch=32,
            lr=1e-2,
            min_length=3,
            max_length=40,
            length_draw="max",
            validate_every=100,
            eval_lengths=(5, 10, 20, 30, *range(40, 257, 24)),
            eval_batch=200,
        ),
        seed=seed,
    )


def parity() -> Study:
    """DeltaNet and Mamba with eigenvalues in [0, 1] and [-1, 1], trained on lengths 3-40, tested on 40-256."""
    ranges: tuple[Eigenvalues, ...] = ((0, 1), (-1, 1))
    mixers: tuple[tuple[Mixer, str], ...] = (("mamba", "Mamba"), ("deltanet", "DeltaNet"))
    return Study(
        name="parity",
        question="Can the same network compute parity with eigenvalues in [0, 1], and with eigenvalues in [-1, 1]?",
        arms={
            f"{label} [{low}, {high}]": parity_run(mixer, (low, high))
            for low, high in ranges
            for mixer, label in mixers
        },
        judged=(40, 256),
        same=(
            "One layer of width 32, 200 steps of 32 words, AdamW at 0.01 with cosine, asked after every letter in "
            "training and at the end of the word in the test. β = c·σ(10x) and decay 1 - c(1 - e^(10g)) with c = 1 for "
            "[0, 1] and 2 for [-1, 1] (the form `sharp`); learned initial state, no additive write, no convolution."
        ),
    )
