"""Train one run in its folder, resume it, and measure it again."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from lrnn.models import LanguageModel, load, save
from lrnn.train.checkpoint import Checkpoints
from lrnn.train.config import RunConfig
from lrnn.train.folder import RunFolder
from lrnn.train.interrupt import Interrupted
from lrnn.train.loop import Diverged, Loop, device_of, initial_model
from lrnn.train.measurement import measure
from lrnn.train.report import write_report
from lrnn.train.result import LengthScore, Result, Status


def train(
    config: RunConfig, folder: str | Path, *, resume: bool = False, show: bool = True, report: bool = True
) -> Result:
    """Train `config` in `folder`, measure it at every length, and leave a report there.

    The folder afterwards holds config.json, metrics.jsonl, checkpoints/, result.json, plots/ and report.html. One
    machine, one version of torch and one number of threads give bit-equal weights and metrics for equal configs,
    also when the run was interrupted and resumed in between.

    Args:
        config: the whole setting.
        folder: where the run lives; must not exist yet (or be empty) unless `resume`.
        resume: continue the run in `folder`, which must be of an equal config; a finished one is returned as it is.
        show: progress on standard error.
        report: draw the pictures and write report.html.

    Raises FileExistsError if there is something in `folder`, FileNotFoundError if `config.init_from` holds no model,
    ValueError for a config or checkpoint that does not fit or cannot be read, OSError for a full disk, Diverged if the
    loss stops being finite, Interrupted at Ctrl-C. The last good checkpoint stays in every case.
    """
    device_of(config.train.device)  # before anything is written
    if resume:
        place = RunFolder.open(folder, config)
        if (done := place.result) is not None and done.status in ("finished", "stopped early"):
            return done
        loop = Loop(config, place)
        loop.resume()
    else:
        start = initial_model(config)  # before anything is written
        place = RunFolder.create(folder, config)
        loop = Loop(config, place, start)
    try:
        status = loop.train(show)
    except Diverged as error:
        place.write_result(_result(loop, "diverged", message=str(error)))
        raise
    except Interrupted as error:
        place.write_result(_result(loop, "interrupted", message=str(error)))
        raise
    save(loop.model, place.model)
    result = _result(loop, status, measure(loop.model, config))
    place.write_result(result)
    if report:
        write_report(place.path)
    return result


def evaluate(
    folder: str | Path, lengths: Sequence[int] | None = None, words: int | None = None
) -> tuple[LengthScore, ...]:
    """Measure the saved model of a run again, on the run's own test words.

    Args:
        folder: of the run.
        lengths: letters in each word; None for those of the config.
        words: how many per length; None for the config's `eval_batch`.

    Raises FileNotFoundError if `folder` is no run, ValueError if its model cannot be read or the task has no such
    length.
    """
    place = RunFolder.open(folder)
    config = place.config
    absent = [n for n in lengths or () if not config.task.lengths_between(n, n, "test")]
    if absent:
        raise ValueError(f"lengths: the task {config.task.name} has no test words of length {absent}")
    return measure(load_model(folder), config, lengths, words)


def load_model(folder: str | Path) -> LanguageModel:
    """The trained model of a run, or for a run that is not over that of its newest checkpoint.

    Raises FileNotFoundError if `folder` is no run, ValueError if there is no checkpoint or it cannot be read.
    """
    place = RunFolder.open(folder)
    if place.model.is_dir():
        return load(place.model)
    config = place.config
    checkpoints = Checkpoints(place.checkpoints, config.train.keep_checkpoints)
    if not checkpoints.steps():
        raise ValueError(f"{place.path} has no checkpoint yet")
    model = LanguageModel(config.model, seed=config.seed)
    checkpoints.read_model(checkpoints.steps()[-1], model)
    return model


def _result(loop: Loop, status: Status, scores: tuple[LengthScore, ...] = (), message: str = "") -> Result:
    config = loop.config
    try:
        own = version("lrnn")
    except PackageNotFoundError:
        own = "not installed"
    return Result(
        status=status,
        steps=loop.step,
        seed=loop.run.seed,
        train_lengths=(config.min_length, config.max_length),
        parameters=sum(p.numel() for p in loop.model.parameters()),
        loss=loop.loss,
        accuracy=loop.accuracy,
        seconds=loop.seconds,
        cpu_seconds=loop.cpu_seconds,
        scores=scores,
        message=message,
        versions={"lrnn": own, "torch": torch.__version__, "python": platform.python_version()},
    )
