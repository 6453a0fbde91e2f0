"""Training shows a model short words and asks about long ones."""

from lrnn.train.arms import summary, train_arms, train_seeds
from lrnn.train.checkpoint import Checkpoints
from lrnn.train.config import RunConfig, TrainConfig
from lrnn.train.folder import RunFolder
from lrnn.train.interrupt import Interrupted
from lrnn.train.loop import Diverged
from lrnn.train.measurement import measure
from lrnn.train.muon import Muon, orthogonalize
from lrnn.train.optimizer import build_optimizers
from lrnn.train.parity import parity_run
from lrnn.train.report import write_report
from lrnn.train.result import LengthScore, Result, Spread
from lrnn.train.run import evaluate, load_model, train
from lrnn.train.schedule import longest_word, lr_scale
from lrnn.train.study import Study

__all__ = [
    "Checkpoints",
    "Diverged",
    "Interrupted",
    "LengthScore",
    "Muon",
    "Result",
    "RunConfig",
    "RunFolder",
    "Spread",
    "Study",
    "TrainConfig",
    "build_optimizers",
    "evaluate",
    "load_model",
    "longest_word",
    "lr_scale",
    "measure",
    "orthogonalize",
    "parity_run",
    "summary",
    "train",
    "train_arms",
    "train_seeds",
    "write_report",
]
