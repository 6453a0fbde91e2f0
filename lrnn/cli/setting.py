"""The setting of `lrnn train`, made from what was typed; nothing is computed or written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrnn.cli.flags import Part, Usage, given, parse, require_choice, value_of

if TYPE_CHECKING:
    from lrnn.models import LanguageModelConfig
    from lrnn.tasks import Task
    from lrnn.train import RunConfig


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is computed, and by what."""

    task: str | None = None
    """A name that `lrnn tasks` lists. A flag that only one task has chooses it too: --regex, --group, --words."""
    mixer: str = "deltanet"
    """A name that `lrnn mixers` lists."""
    init_from: Path | None = None
    """Start from the model in this folder, as `lrnn compile` leaves one; it decides the network."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the run is kept, and how often it is done."""

    folder: Path | None = None
    """A new folder; none is runs/TASK-MIXER, with a number behind it if that is taken. Nothing is overwritten."""
    seeds: tuple[int, ...] = (0,)
    """One run for each; several get a folder each, and median, best and spread are shown."""
    resume: Path | None = None
    """Continue the run in this folder; its config decides everything else."""


def setting(argv: Sequence[str], description: str) -> tuple[RunConfig, tuple[int, ...], Path]:
    """What `lrnn train` would do: the config, the seeds and the folder. Nothing is computed or written."""
    from lrnn.layers import MIXERS
    from lrnn.models import LanguageModelConfig
    from lrnn.tasks import TASKS
    from lrnn.train import RunConfig, TrainConfig

    mixer = require_choice("--mixer", value_of(argv, "--mixer") or Choice.mixer, MIXERS)
    task = _chosen_task(argv)
    network = [
        Part(title="model", kind=LanguageModelConfig, without=("vocab_size", "num_classes", "mixer", "mixer_config")),
        Part(title="mixer", kind=MIXERS[mixer].Config, without=("dim",)),
    ]
    parts = [Part(title="choice", kind=Choice), *network, Part(title="train", kind=TrainConfig)]
    parts.append(Part(title="place", kind=Place))
    if task is not None:
        parts.insert(1, Part(title="task", kind=TASKS[task]))
    _refuse_flags_of_others(argv, parts)
    values = parse(parts, argv, "lrnn train", description)
    assert task is not None  # without a task only --help comes this far, and parse ends there
    problem = TASKS[task](**values["task"])
    folder = values["choice"]["init_from"]
    if folder is None:
        model = LanguageModelConfig(
            vocab_size=len(problem.alphabet),
            num_classes=problem.num_classes,
            mixer=mixer,
            mixer_config=values["mixer"],
            **values["model"],
        )
    else:
        decided = {"--mixer", *(flag for part in network for flag in part.flags())}
        if extra := [flag for flag in given(argv) if flag in decided]:
            raise Usage(f"--init-from takes the network from {folder}; leave out {', '.join(extra)}")
        model = _network_in(folder, problem)
    init_from = None if folder is None else str(folder)
    config = RunConfig(task=problem, model=model, train=TrainConfig(**values["train"]), init_from=init_from)
    place = Place(**values["place"])
    return config, place.seeds, place.folder or free_path(f"{task}-{model.mixer}")


def _network_in(folder: Path, task: Task) -> LanguageModelConfig:
    """The network in a folder, if it reads the letters of the task and answers with its labels.

    Raises FileNotFoundError if no model is there, Usage naming both alphabets, or both numbers of labels.
    """
    from lrnn.compiler.compiled import VOCABULARY, read_vocabulary
    from lrnn.models.checkpoint import read_config

    config = read_config(folder)
    if (folder / VOCABULARY).is_file():
        alphabet = read_vocabulary(folder).alphabet
        if alphabet != tuple(task.alphabet):
            raise Usage(
                f"--init-from {folder}: its letters are {' '.join(alphabet)}, those of the task {task.name} "
                f"{' '.join(task.alphabet)}; both must be the same, in the same order"
            )
    have = (config.vocab_size, config.num_classes or config.vocab_size)
    if have != (len(task.alphabet), task.num_classes):
        raise Usage(
            f"--init-from {folder}: it reads {have[0]} letters and gives {have[1]} labels, the task {task.name} has "
            f"{len(task.alphabet)} letters and {task.num_classes} labels"
        )
    return config


def _chosen_task(argv: Sequence[str]) -> str | None:
    """The task named by --task, or the only one that has a flag which was typed; None if only help is wanted."""
    from lrnn.tasks import TASKS

    if (name := value_of(argv, "--task")) is not None:
        return require_choice("--task", name, TASKS)
    chosen = {}
    for flag in given(argv):
        owners = [name for name, task in TASKS.items() if flag in Part(title="task", kind=task).flags()]
        if len(owners) == 1:
            chosen[flag] = owners[0]
    if len(set(chosen.values())) > 1:
        raise Usage("several tasks at once: " + ", ".join(f"{flag} is for {task}" for flag, task in chosen.items()))
    if not chosen and not {"--help", "-h"} & set(given(argv)):
        raise Usage(f"no task; give --regex, --group or --words, or --task with one of {', '.join(TASKS)}")
    return next(iter(chosen.values()), None)


def _refuse_flags_of_others(argv: Sequence[str], parts: Sequence[Part]) -> None:
    """A flag that another task or mixer has gets an answer that says so."""
    from lrnn.layers import MIXERS
    from lrnn.tasks import TASKS

    legal = {flag for part in parts for flag in part.flags()}
    for flag in set(given(argv)) - legal:
        for choice, kinds in (("--mixer", {n: m.Config for n, m in MIXERS.items()}), ("--task", TASKS)):
            owners = [name for name, kind in kinds.items() if flag in Part(title="", kind=kind).flags()]
            if owners:
                raise Usage(f"{flag} is a flag of {choice} {', '.join(owners)}, which was not chosen")


def free_path(name: str) -> Path:
    """runs/NAME, or the first of runs/NAME-2, runs/NAME-3, … that does not exist; an ending stays at the end."""
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path
