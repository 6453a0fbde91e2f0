"""The whole setting of a run, as frozen dataclasses that check themselves and become JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from lrnn.models import LanguageModelConfig
from lrnn.tasks import TASKS, Task

Optimizer = Literal["adamw", "muon"]
Schedule = Literal["cosine", "one-cycle", "constant"]
Precision = Literal["float32", "bfloat16"]
LengthDraw = Literal["word", "step", "max"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained: everything that is neither the task, nor the network, nor the seed.

    A step draws `batch` words, cuts them into `accumulate` equal parts, adds up the gradients of the mean cross
    entropy over all labels asked in the whole batch, clips the global norm, and moves the weights once.

    Raises ValueError with one line for every field that is out of range.
    """

    steps: int = 1000
    """Number of weight updates."""
    batch: int = 64
    """Words per update (all parts of an accumulated update together)."""
    accumulate: int = 1
    """Equal parts in which a batch is computed; divides `batch`. Saves memory, does not change the gradient."""

    optimizer: Optimizer = "adamw"
    """adamw, or muon for the hidden matrices and adamw for everything else."""
    lr: float = 1e-3
    """Peak learning rate of AdamW."""
    muon_lr: float = 0.02
    """Peak learning rate of Muon; read only if `optimizer` is muon."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay rates of AdamW's two moment estimates, each in [0, 1)."""
    weight_decay: float = 0.01
    """Decoupled weight decay; never applied to biases, norms and parameters of the transition."""
    grad_clip: float = 1.0
    """Largest global 2-norm of the gradient; a longer one is scaled down to it. 0 turns clipping off."""

    schedule: Schedule = "cosine"
    """cosine, one-cycle or constant; all of them begin with the warm-up."""
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises, in [0, 1)."""
    final_lr: float = 0.0
    """Learning rate after the last step, as a share of the peak, in [0, 1]; not read by `constant`."""

    min_length: int = 3
    """Shortest training word."""
    max_length: int = 40
    """Longest training word."""
    length_draw: LengthDraw = "step"
    """word: every word its own length (padded); step: one length for the whole batch; max: always the longest."""
    curriculum: tuple[int, ...] = ()
    """Longest training word of each stage, ending with `max_length`; empty for a single stage."""
    curriculum_shares: tuple[float, ...] = ()
    """Share of the steps of each stage, adding up to 1; empty for equal shares."""

    precision: Precision = "float32"
    """float32, or bfloat16: float32 weights and optimizer state, forward and backward under torch.autocast."""
    threads: int = 1
    """Threads of torch while training; 0 leaves the setting of the process alone."""
    device: str = "cpu"
    """Where to train, as torch writes it: cpu, cuda, cuda:1."""

    validate_every: int = 100
    """Steps between two validations (fresh words of training lengths, never trained on); 0 for none."""
    stop_accuracy: float | None = None
    """Stop early once the share of labels right in validation reaches this; None never stops early."""
    stop_loss: float | None = None
    """And only if the validation loss is at most this; None asks for the accuracy alone."""
    stop_patience: int = 1
    """Validations in a row that must meet the criterion."""
    eval_lengths: tuple[int, ...] = ()
    """Lengths at which the trained model is measured; empty for 1, 1.5, 2, 3, 4 and 6 times `max_length`, or the
    nearest shorter ones that the task has."""
    eval_batch: int = 256
    """Words per validation and per length measured."""

    log_every: int = 10
    """Steps between two lines of metrics.jsonl."""
    checkpoint_every: int = 500
    """Steps between two checkpoints; one is also written at the start, at the end and at an interrupt."""
    keep_checkpoints: int = 2
    """How many of the newest checkpoints stay on disk."""

    def __post_init__(self) -> None:
        faults: list[str] = []

        def need(name: str, legal: bool, wanted: str) -> None:
            if not legal:
                faults.append(f"{name} = {getattr(self, name)!r}: must be {wanted}")

        for name in ("steps", "batch", "accumulate", "min_length", "max_length", "stop_patience", "eval_batch"):
            need(name, _is_int(getattr(self, name)) and getattr(self, name) >= 1, "an integer >= 1")
        for name in ("log_every", "checkpoint_every", "keep_checkpoints"):
            need(name, _is_int(getattr(self, name)) and getattr(self, name) >= 1, "an integer >= 1")
        for name in ("validate_every", "threads"):
            need(name, _is_int(getattr(self, name)) and getattr(self, name) >= 0, "an integer >= 0")
        for name, choices in (
            ("optimizer", Optimizer),
            ("schedule", Schedule),
            ("precision", Precision),
            ("length_draw", LengthDraw),
        ):
            need(name, getattr(self, name) in get_args(choices), "one of " + ", ".join(get_args(choices)))
        for name in ("lr", "muon_lr"):
            need(name, _is_real(getattr(self, name)) and getattr(self, name) > 0, "a finite number > 0")
        for name in ("weight_decay", "grad_clip"):
            need(name, _is_real(getattr(self, name)) and getattr(self, name) >= 0, "a finite number >= 0")
        need("betas", len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "two numbers in [0, 1)")
        need("warmup", _is_real(self.warmup) and 0 <= self.warmup < 1, "a share in [0, 1)")
        need("final_lr", _is_real(self.final_lr) and 0 <= self.final_lr <= 1, "a share in [0, 1]")
        stop = self.stop_accuracy
        need("stop_accuracy", stop is None or 0 < stop <= 1, "None or a share in (0, 1]")
        need("stop_loss", self.stop_loss is None or self.stop_loss > 0, "None or a number > 0")
        if not faults:  # the rules between fields only make sense once each field is legal by itself
            need("accumulate", self.batch % self.accumulate == 0, f"a divisor of batch = {self.batch}")
            need("min_length", self.min_length <= self.max_length, f"<= max_length = {self.max_length}")
            need("eval_lengths", all(_is_int(n) and n >= 1 for n in self.eval_lengths), "integers >= 1")
            needs_validation = stop is None or self.validate_every > 0
            need("stop_accuracy", needs_validation, "None where validate_every = 0, for it reads the validation")
            need("stop_loss", self.stop_loss is None or stop is not None, "None where stop_accuracy is None")
            self._check_curriculum(need)
        if faults:
            raise ValueError("TrainConfig:\n  " + "\n  ".join(faults))

    def _check_curriculum(self, need: Any) -> None:
        stages, shares = self.curriculum, self.curriculum_shares
        if stages:
            need("curriculum", all(_is_int(n) and n >= self.min_length for n in stages), "lengths >= min_length")
            need("curriculum", stages[-1] == self.max_length, f"a list that ends with max_length = {self.max_length}")
        need("curriculum_shares", len(shares) in (0, len(stages)), f"empty or one share for each of {stages}")
        if shares:
            need("curriculum_shares", all(s > 0 for s in shares), "shares > 0")
            need("curriculum_shares", math.isclose(sum(shares), 1.0, abs_tol=1e-6), "shares adding up to 1")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run: a task, a network, a training, a seed. Equal configs give bit-equal runs on one machine.

    The seed decides the initial weights and every word of training, validation and measurement.

    Raises ValueError if the network's alphabet or number of classes is not the task's.
    """

    task: Task
    """What is to be computed."""
    model: LanguageModelConfig
    """The network."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How it is trained."""
    seed: int = 0
    """Decides the initial weights and all words."""
    init_from: str | None = None
    """The folder of a saved model, of this very network, whose weights are the initial ones; None draws them."""

    def __post_init__(self) -> None:
        faults = self._length_faults()
        if not (_is_int(self.seed) and self.seed >= 0):
            faults.append(f"seed = {self.seed!r}: must be an integer >= 0")
        size, classes = len(self.task.alphabet), self.task.num_classes
        if self.model.vocab_size != size:
            faults.append(f"model.vocab_size = {self.model.vocab_size}: the task has {size} letters")
        given = self.model.vocab_size if self.model.num_classes is None else self.model.num_classes
        if given != classes:
            faults.append(f"model.num_classes = {given}: the task has {classes} classes")
        if faults:
            raise ValueError("RunConfig:\n  " + "\n  ".join(faults))

    def _length_faults(self) -> list[str]:
        train, task = self.train, self.task
        faults = [
            f"train.min_length..{name} = {train.min_length}..{longest}: the task {task.name} has no word so long"
            for name, longests in (("max_length", (train.max_length,)), ("curriculum", train.curriculum))
            for longest in longests
            if not task.lengths_between(train.min_length, longest)
        ]
        absent = [length for length in train.eval_lengths if not task.lengths_between(length, length, "test")]
        if absent:
            faults.append(f"train.eval_lengths: the task {task.name} has no test words of length {absent}")
        return faults

    @property
    def eval_lengths(self) -> tuple[int, ...]:
        """The lengths to be measured: those asked for, or the multiples of the longest training word."""
        if self.train.eval_lengths:
            return self.train.eval_lengths
        wanted = [int(self.train.max_length * times) for times in (1, 1.5, 2, 3, 4, 6)]
        legal = self.task.lengths_between(1, wanted[-1], "test")
        nearest = [max((n for n in legal if n <= length), default=None) for length in wanted]
        return tuple(dict.fromkeys(n for n in nearest if n is not None))

    def to_json(self) -> dict[str, Any]:
        """The whole config as plain JSON values; `from_json` gives back an equal one."""
        names = [name for name, kind in TASKS.items() if kind is type(self.task)]
        if not names:
            raise TypeError(f"task: {type(self.task).__name__} is not in lrnn.tasks.TASKS, so a run cannot be reloaded")
        return {
            "task": {"name": names[0], **_plain(self.task)},
            "model": _plain(self.model),
            "train": _plain(self.train),
            "seed": self.seed,
            "init_from": self.init_from,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunConfig:
        """Inverse of `to_json`. Raises ValueError naming every unknown or missing part."""
        parts = {"task", "model", "train", "seed", "init_from"}
        if not isinstance(data, dict) or set(data) != parts:
            got = ", ".join(data) if isinstance(data, dict) else type(data).__name__
            raise ValueError(f"a run's config has the parts task, model, train, seed, init_from; got {got}")
        task = dict(data["task"])
        name = task.pop("name", None)
        if name not in TASKS:
            raise ValueError(f"task.name = {name!r}: must be one of {', '.join(TASKS)}")
        return cls(
            task=_build(TASKS[name], task, "task"),
            model=_build(LanguageModelConfig, data["model"], "model"),
            train=_build(TrainConfig, data["train"], "train"),
            seed=data["seed"],
            init_from=data["init_from"],
        )

    def with_seed(self, seed: int) -> RunConfig:
        """The same run from another seed."""
        return replace(self, seed=seed)


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """One line `part.field: old -> new` for every field in which two runs differ."""
    lines: list[str] = []

    def walk(name: str, a: Any, b: Any) -> None:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in dict.fromkeys([*a, *b]):
                walk(f"{name}.{key}" if name else key, a.get(key), b.get(key))
        elif a != b:
            lines.append(f"{name}: {a!r} -> {b!r}")

    walk("", old.to_json(), new.to_json())
    return lines


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"cannot write a {type(value).__name__} to config.json")


def _build(kind: Any, data: dict[str, Any], part: str) -> Any:
    legal = [f.name for f in fields(kind) if f.init]
    unknown = [name for name in data if name not in legal]
    if unknown:
        raise ValueError(f"{part}: unknown {', '.join(unknown)}; legal are {', '.join(legal)}")
    return kind(**{name: _tuples(item) for name, item in data.items()})


def _tuples(value: Any) -> Any:
    # JSON has no tuples, and every sequence in a frozen config is one.
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
