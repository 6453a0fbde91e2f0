"""The training loop: the same for every task, network and length."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from lrnn.models import LanguageModel, load
from lrnn.tasks import NOT_ASKED
from lrnn.train.checkpoint import Checkpoints, all_finite
from lrnn.train.config import RunConfig, TrainConfig
from lrnn.train.folder import RunFolder
from lrnn.train.interrupt import Interrupt, Interrupted
from lrnn.train.measurement import pieces, validate
from lrnn.train.optimizer import build_optimizers, set_lr
from lrnn.train.progress import Progress
from lrnn.train.result import Status
from lrnn.train.schedule import longest_word, lr_scale
from lrnn.train.words import training_words, validation_words


class Diverged(RuntimeError):
    """Loss or gradient became infinite or NaN. The weights of the last checkpoint are finite."""

    def __init__(self, step: int, what: str, checkpoint: Path | str) -> None:
        super().__init__(step, what, checkpoint)  # all of them, so that the error survives a trip between processes
        self.step, self.what, self.checkpoint = step, what, Path(checkpoint)

    def __str__(self) -> str:
        return (
            f"training diverged at step {self.step}: {self.what}. The last good checkpoint is {self.checkpoint}; "
            "try a smaller lr, a longer warmup or a smaller grad_clip"
        )


def initial_model(run: RunConfig) -> LanguageModel:
    """The network before the first step: weights drawn from the seed, or those of ``run.init_from``.

    Raises FileNotFoundError or ValueError if there is no model of this network in that folder.
    """
    if run.init_from is None:
        return LanguageModel(run.model, seed=run.seed)
    return load(run.init_from, run.model)


class Loop:
    """One run in memory: model, optimizers and the counters that a checkpoint remembers.

    Arguments:
        run: the whole setting.
        folder: where it lives.
        model: the network before the first step; None draws one from the seed.
    """

    def __init__(self, run: RunConfig, folder: RunFolder, model: LanguageModel | None = None) -> None:
        self.run, self.folder = run, folder
        self.config: TrainConfig = run.train
        self.device = device_of(run.train.device)
        self.model = (model or LanguageModel(run.model, seed=run.seed)).to(self.device)
        self.optimizers = build_optimizers(self.model, self.config)
        self.checkpoints = Checkpoints(folder.checkpoints, self.config.keep_checkpoints)
        self.step = 0
        self.patience = 0
        self.seconds = self.cpu_seconds = 0.0
        self.accuracy = self.loss = math.nan
        self.meter = {"loss": 0.0, "right": 0, "count": 0, "steps": 0}

    def resume(self) -> None:
        """Continue from the newest checkpoint, or begin again if there is none.

        Raises ValueError if it cannot be read.
        """
        steps = self.checkpoints.steps()
        if not steps:
            self.model.load_state_dict(initial_model(self.run).state_dict())
            self.folder.forget_metrics_after(0)
            return
        state = self.checkpoints.read(steps[-1], self.model, self.optimizers)
        self.step, self.patience, self.meter = state["step"], state["patience"], state["meter"]
        self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]
        self.accuracy = math.nan if state["accuracy"] is None else state["accuracy"]
        self.loss = math.nan if state["loss"] is None else state["loss"]
        self.folder.forget_metrics_after(self.step)

    def save(self) -> Path:
        """Write a checkpoint of this moment."""
        state = {
            "step": self.step,
            "patience": self.patience,
            "meter": self.meter,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "accuracy": None if math.isnan(self.accuracy) else self.accuracy,
            "loss": None if math.isnan(self.loss) else self.loss,
        }
        return self.checkpoints.write(self.step, self.model, self.optimizers, state)

    def train(self, show: bool = True) -> Status:
        """Make the steps that are left; what happened is the answer.

        Raises Diverged, and Interrupted at Ctrl-C, with a checkpoint on the disk in both cases.
        """
        if not self.checkpoints.steps():
            self.save()  # so that even a run that diverges at once leaves something good
        if self._has_stopped():
            return "stopped early"  # resumed after the last update, before it was measured
        title = f"{self.run.task.name} seed {self.run.seed}"
        with (
            _threads(self.config.threads),
            Interrupt() as interrupt,
            Progress(self.config.steps, self.step, title, show) as progress,
        ):
            self.model.train()
            while self.step < self.config.steps:
                with self._clock():
                    self._update()
                    stop = self._after_update(progress)
                if stop:
                    self.save()
                    return "stopped early"
                if interrupt.asked:
                    self.save()
                    raise Interrupted(
                        f"stopped at step {self.step} of {self.config.steps}; resume the run in {self.folder.path} "
                        "(resume=True, --resume)"
                    )
                if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
                    self._save_if_good()
        return "finished"

    def _update(self) -> None:
        """One step of the optimizers."""
        config = self.config
        batch = training_words(self.run, self.step)
        asked = int((batch.labels != NOT_ASKED).sum())
        if asked == 0:
            raise ValueError(f"task {self.run.task.name}: no label is asked in the words of step {self.step}")
        loss = 0.0
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        for piece in pieces(batch, config.batch // config.accumulate):
            words, labels = piece.words.to(self.device), piece.labels.to(self.device)
            with _autocast(config, self.device):
                logits = self.model(words)[0]
            logits = logits.float()
            # sum / all asked labels of the batch: cutting the batch in parts does not change the gradient
            part = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=NOT_ASKED, reduction="sum")
            (part / asked).backward()
            loss += part.item() / asked
            self.meter["right"] += int((logits.argmax(-1) == labels).sum())
        norm = clip_gradient(self.model, config.grad_clip)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = f"the loss is {loss}" if not math.isfinite(loss) else f"the norm of the gradient is {norm}"
            raise Diverged(self.step + 1, what, self.checkpoints.path(self.checkpoints.steps()[-1]))
        set_lr(self.optimizers, lr_scale(config, self.step))
        for optimizer in self.optimizers:
            optimizer.step()
        self.norm = norm
        self.meter["loss"] += loss
        self.meter["count"] += asked
        self.meter["steps"] += 1
        self.step += 1

    def _after_update(self, progress: Progress) -> bool:
        """Log and validate when it is time; is it time to stop?"""
        config, last = self.config, self.step == self.config.steps
        row: dict[str, Any] = {}
        if self.step % config.log_every == 0 or last:
            loss, accuracy = self.meter["loss"] / self.meter["steps"], self.meter["right"] / self.meter["count"]
            self.meter = {"loss": 0.0, "right": 0, "count": 0, "steps": 0}
            self.loss = loss
            row |= {"loss": loss, "accuracy": accuracy, "grad_norm": self.norm}
            progress.show(self.step, loss, accuracy)
        stop = False
        if config.validate_every and (self.step % config.validate_every == 0 or last):
            validation_loss, self.accuracy = validate(self.model, validation_words(self.run, self.step - 1))
            row |= {"validation_loss": validation_loss, "validation_accuracy": self.accuracy}
            stop = self._is_good_enough(validation_loss)
        if row:
            scale, longest = lr_scale(config, self.step - 1), longest_word(config, self.step - 1)
            self.folder.append_metrics({"step": self.step, **row, "lr": scale * config.lr, "longest": longest})
        return stop

    def _is_good_enough(self, validation_loss: float) -> bool:
        config = self.config
        if config.stop_accuracy is None or longest_word(config, self.step - 1) < config.max_length:
            return False  # an early stage of the curriculum is no reason to stop
        good = self.accuracy >= config.stop_accuracy
        good = good and (config.stop_loss is None or validation_loss <= config.stop_loss)
        self.patience = self.patience + 1 if good else 0
        return self._has_stopped()

    def _has_stopped(self) -> bool:
        return self.config.stop_accuracy is not None and self.patience >= self.config.stop_patience

    def _save_if_good(self) -> None:
        """A checkpoint, unless the last update broke the weights: then the run ends here and the older one stays."""
        if not all_finite(self.model):
            kept = self.checkpoints.path(self.checkpoints.steps()[-1])
            raise Diverged(self.step, "a weight is not finite after the update", kept)
        self.save()

    @contextmanager
    def _clock(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - wall
            self.cpu_seconds += time.process_time() - cpu


def clip_gradient(model: nn.Module, largest: float) -> float:
    """Scale the gradient down to global 2-norm `largest` if it is longer (0: leave it); its norm before is returned."""
    limit = largest if largest > 0 else math.inf
    return float(nn.utils.clip_grad_norm_(model.parameters(), limit))


def _autocast(config: TrainConfig, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16")


def device_of(name: str) -> torch.device:
    """The device that torch calls so. Raises ValueError if there is none."""
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device = {name!r}: torch knows no such device; legal are cpu, cuda, cuda:0, ...") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device = {name!r}: this machine has no GPU that torch can use; legal is cpu")
    return device


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if number:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
