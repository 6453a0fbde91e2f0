"""Small runs that many tests of this room train."""

from typing import Any

from lrnn.models import LanguageModelConfig
from lrnn.tasks import Parity
from lrnn.train import RunConfig, TrainConfig


def tiny_run(seed: int = 0, mixer: str = "deltanet", ask: str = "every", **train: Any) -> RunConfig:
    """A one-layer network of width 8 on parity; a few milliseconds a step."""
    defaults: dict[str, Any] = {
        "steps": 6,
        "batch": 4,
        "lr": 1e-2,
        "min_length": 2,
        "max_length": 6,
        "eval_lengths": (6, 9),
        "eval_batch": 8,
        "validate_every": 3,
        "log_every": 1,
        "checkpoint_every": 3,
    }
    return RunConfig(
        task=Parity(ask=ask),  # type: ignore[arg-type]
        model=LanguageModelConfig(
            vocab_size=2, num_classes=2, dim=8, num_layers=1, mixer=mixer, mixer_config={"eigenvalues": (-1, 1)}
        ),
        train=TrainConfig(**(defaults | train)),
        seed=seed,
    )
