"""Each verb of the command line calls one function.

What is typed is checked before anything is computed: a mistake is answered by one message that names the flag and the
legal values, with exit code 2 and nothing on the disk changed.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from lrnn.flags import POSITIONAL, Part, Usage, given, parse, require_choice, spelled, suggestion, value_of
from lrnn.printing import plain, print_flags, print_scores, print_seeds, print_table

if TYPE_CHECKING:
    from lrnn.train import Result, RunConfig

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; what comes back is the exit code: 0 done, 1 failed while working, 2 not understood, 130 Ctrl-C."""
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except BrokenPipeError:  # `lrnn tasks | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        _print_verbs()
        return 0 if argv else 2
    if argv[0] == "--version":
        from lrnn import __version__

        print(f"lrnn {__version__}")
        return 0
    verb, rest = argv[0], argv[1:]
    try:
        if verb not in VERBS:
            raise Usage(f"{verb} is no verb{suggestion(verb, VERBS)}; legal are {', '.join(VERBS)}")
        VERBS[verb](rest)
    except SystemExit as stop:  # tyro has said why
        return int(stop.code or 0)
    except KeyboardInterrupt as stop:
        return _say(verb, stop, 130)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _say(verb, error, 2 if isinstance(error, FileExistsError | FileNotFoundError) else 1)
    except (ValueError, RuntimeError) as error:
        if not _is_ours(error):
            raise
        return _say(verb, _with_flags(str(error)), 2 if isinstance(error, ValueError) else 1)
    return 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is computed, and by what."""

    task: str | None = None
    """A name that `lrnn tasks` lists. A flag that only one task has chooses it too: --regex, --group, --words."""
    mixer: str = "deltanet"
    """A name that `lrnn mixers` lists."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the run is kept, and how often it is done."""

    folder: Path | None = None
    """A new folder; none is runs/TASK-MIXER, with a number behind it if that is taken. Nothing is overwritten."""
    seeds: tuple[int, ...] = (0,)
    """One run for each; several get a folder each, and median, best and spread are shown."""
    resume: Path | None = None
    """Continue the run in this folder; its config decides everything else."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What is measured again."""

    run: Annotated[Path, POSITIONAL]
    """The folder of a run."""
    lengths: tuple[int, ...] = ()
    """Letters in each word; none is the lengths of the run's config."""
    words: int | None = None
    """Words per length; none is the eval_batch of the run's config."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """Which one."""

    name: Annotated[str | None, POSITIONAL] = None
    """Show this one with all its flags; none lists all."""


def train(argv: Sequence[str]) -> None:
    """Train a model on a task, measure it at every length, and leave a run folder with a report."""
    from lrnn import train as room
    from lrnn.tasks import Words

    if (folder := value_of(argv, "--resume")) is not None:
        return _resume(Path(folder), argv)
    config, seeds, folder = planned(argv)
    if isinstance(config.task, Words):
        print(config.task.summary)  # what was read, for nothing of it is left out silently
    if len(seeds) == 1:
        results = [room.train(config.with_seed(seeds[0]), folder)]
    else:
        results = room.train_seeds(config, seeds, folder)
    _print_results(config, results, folder)


def planned(argv: Sequence[str]) -> tuple[RunConfig, tuple[int, ...], Path]:
    """What `lrnn train` would do: the config, the seeds and the folder. Nothing is computed or written."""
    from lrnn.layers import MIXERS
    from lrnn.models import LanguageModelConfig
    from lrnn.tasks import TASKS
    from lrnn.train import RunConfig, TrainConfig

    mixer = require_choice("--mixer", value_of(argv, "--mixer") or Choice.mixer, MIXERS)
    task = _chosen_task(argv)
    parts = [
        Part(title="choice", kind=Choice),
        Part(title="model", kind=LanguageModelConfig, without=("vocab_size", "num_classes", "mixer", "mixer_config")),
        Part(title="mixer", kind=MIXERS[mixer].Config, without=("dim",)),
        Part(title="train", kind=TrainConfig),
        Part(title="place", kind=Place),
    ]
    if task is not None:
        parts.insert(1, Part(title="task", kind=TASKS[task]))
    _refuse_flags_of_others(argv, parts)
    values = parse(parts, argv, "lrnn train", train.__doc__ or "")
    assert task is not None  # without a task only --help comes this far, and parse ends there
    problem = TASKS[task](**values["task"])
    network = LanguageModelConfig(
        vocab_size=len(problem.alphabet),
        num_classes=problem.num_classes,
        mixer=mixer,
        mixer_config=values["mixer"],
        **values["model"],
    )
    config = RunConfig(task=problem, model=network, train=TrainConfig(**values["train"]))
    place = Place(**values["place"])
    return config, place.seeds, place.folder or _free_folder(f"{task}-{mixer}")


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


def _free_folder(name: str) -> Path:
    """runs/NAME, or the first of runs/NAME-2, runs/NAME-3, … that does not exist."""
    folder, number = Path("runs") / name, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{name}-{number}"
    return folder


def _resume(folder: Path, argv: Sequence[str]) -> None:
    from lrnn import train as room

    if extra := [flag for flag in given(argv) if flag != "--resume"]:
        raise Usage(f"--resume takes everything else from {folder}; leave out {', '.join(extra)}")
    seeds = sorted(int(path.name.removeprefix("seed-")) for path in folder.glob("seed-*"))
    config = room.RunFolder.open(folder / f"seed-{seeds[0]}" if seeds else folder).config
    if seeds:
        results = room.train_seeds(config, seeds, folder, resume=True)
    else:
        results = [room.train(config, folder, resume=True)]
    _print_results(config, results, folder)


def evaluate(argv: Sequence[str]) -> None:
    """Measure the trained model of a run again, at any length."""
    from lrnn import train as room

    wanted: Measurement = _typed(Measurement, argv, evaluate)
    longest = room.RunFolder.open(wanted.run).config.train.max_length
    print_scores(str(wanted.run), room.evaluate(wanted.run, wanted.lengths or None, wanted.words), longest)


def tasks(argv: Sequence[str]) -> None:
    """List what can be computed; with a name, the task in words and its flags."""
    from lrnn.tasks import TASKS

    entries = {name: (task, task, inspect.getdoc(task)) for name, task in TASKS.items()}
    _list(_typed(Name, argv, tasks).name, entries)


def mixers(argv: Sequence[str]) -> None:
    """List the mixers; with a name, its equation and its flags."""
    from lrnn.layers import MIXERS

    entries = {name: (mixer, mixer.Config, inspect.getmodule(mixer).__doc__) for name, mixer in MIXERS.items()}
    _list(_typed(Name, argv, mixers).name, entries)


VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    "train": train,
    "evaluate": evaluate,
    "tasks": tasks,
    "mixers": mixers,
}


def _print_verbs() -> None:
    print("usage: lrnn VERB ...\n\nLinear recurrent networks from the command line.\n")
    for verb, function in VERBS.items():
        print(f"  {verb:<10}{(function.__doc__ or '').strip()}")
    print("\n`lrnn VERB --help` shows the flags of a verb.")


def _typed(kind: type[T], argv: Sequence[str], verb: Callable[..., None]) -> T:
    """The flags of a small verb."""
    values = parse([Part(title=verb.__name__, kind=kind)], argv, f"lrnn {verb.__name__}", verb.__doc__ or "")
    return kind(**values[verb.__name__])


def _list(name: str | None, table: Mapping[str, tuple[type, type, str | None]]) -> None:
    """All names with the first paragraph of a text, or one of them whole; each is (class, class of its flags, text)."""
    if name is None:
        rows = [(name, plain((text or "").partition("\n\n")[0])) for name, (_, _, text) in table.items()]
        return print_table("", ("name", ""), rows)
    kind, options, _ = table[require_choice("name", name, table)]
    print(plain((inspect.getdoc(kind) or "").partition("\n>>>")[0], lines=True) + "\n")
    print_flags(f"flags of {name}", Part(title=name, kind=options, without=("dim",)))


def _print_results(config: RunConfig, results: Sequence[Result], folder: Path) -> None:
    shortest, longest = config.train.min_length, config.train.max_length
    title = f"{config.task.name}, {config.model.mixer}, trained on lengths {shortest} to {longest}"
    if len(results) == 1:
        print_scores(title, results[0].scores, longest)
    else:
        print_seeds(title, results)
    reports = sorted(folder.rglob("report.html"))
    print(f"Run folder: {folder}" + (f"; report: {reports[0]}" if len(reports) == 1 else ""))


def _say(verb: str, error: BaseException | str, code: int) -> int:
    lines = [str(error) or "interrupted", *getattr(error, "__notes__", ())]
    print(f"lrnn {verb}: " + "\n".join(lines), file=sys.stderr)
    return code


def _is_ours(error: BaseException) -> bool:
    """Was it raised by lrnn, which means it is about what the user gave? Else it is a fault and shows its trace."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return module.split(".")[0] in ("lrnn", "recipes", "benchmarks")


def _with_flags(message: str) -> str:
    """`batch = 0: must be …` as `--batch 0: must be …`: the names as they are typed."""
    from lrnn.layers import MIXERS
    from lrnn.models import LanguageModelConfig
    from lrnn.tasks import TASKS
    from lrnn.train import TrainConfig

    kinds = [LanguageModelConfig, TrainConfig, Place, *(mixer.Config for mixer in MIXERS.values()), *TASKS.values()]
    names = "|".join({name for kind in kinds for name in Part(title="", kind=kind).fields()})
    message = re.sub(r"\b\w+Config:\s+", "", message)
    message = re.sub(rf"\b(?:task|model|train|mixer_config)\.(?=(?:{names})\b)", "", message)
    message = re.sub(rf"(?<![\w.-])({names}) = ", lambda found: spelled(found[1]) + " ", message)
    return re.sub(rf"(?<![\w.-])({names})(?=: | must be| is the| ')", lambda found: spelled(found[1]), message)
