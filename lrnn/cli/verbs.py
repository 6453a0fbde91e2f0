"""The verbs: each reads its flags, calls one function and prints what came out."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lrnn.cli.flags import POSITIONAL, Part, Usage, given, plain, require_choice, typed, value_of
from lrnn.cli.printing import print_flags, print_scores, print_seeds, print_table
from lrnn.cli.setting import free_path, setting
from lrnn.cli.theory import compile, explain, verify

if TYPE_CHECKING:
    from lrnn.train import Result, RunConfig


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which comparison is made, and where."""

    name: Annotated[str | None, POSITIONAL] = None
    """A recipe: parity, s3 or s4."""
    folder: Path | None = None
    """A new folder; none is runs/NAME, with a number behind it if that is taken. Nothing is overwritten."""
    seeds: tuple[int, ...] = ()
    """Each arm is trained from each; none is the recipe's own."""
    steps: int | None = None
    """Updates of every run; none is the recipe's own."""
    processes: int | None = None
    """Runs at a time; none is one per processor."""
    resume: bool = False
    """Go on with what is in --folder; finished runs are not repeated."""


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
class Look:
    """What is looked at."""

    run: Annotated[Path, POSITIONAL]
    """The folder of a run."""
    length: int | None = None
    """Letters in the words that are read; none is the longest training length."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is timed, and where the numbers go."""

    name: Annotated[str, POSITIONAL]
    """A benchmark: cpu, gpu, decode, import or compiler."""
    threads: int = 2
    """Threads of torch; the same for everyone compared."""
    parts: tuple[str, ...] = ()
    """Of gpu: ceilings, contests, lengths, state, dtypes, decode, training; none is all."""
    ops: tuple[str, ...] = ()
    """Of gpu: the contests, such as householder-2; none is all."""
    output: Path | None = None
    """A new JSON file for the numbers; none is runs/bench-NAME.json, with a number behind it if that is taken."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """Which one."""

    name: Annotated[str | None, POSITIONAL] = None
    """Show this one with all its flags; none lists all."""


def run(argv: Sequence[str]) -> None:
    """Make a comparison that a recipe describes, print its table and write its report."""
    from lrnn.analysis import run_study
    from recipes import RECIPES

    wanted = typed(Comparison, argv, run)
    if wanted.name is None:
        raise Usage(f"name a recipe; legal are {', '.join(RECIPES)}")
    study = RECIPES[require_choice("recipe", wanted.name, RECIPES)]()
    if wanted.seeds:
        study = replace(study, seeds=wanted.seeds)
    if wanted.steps is not None:
        arms = {arm: replace(run, train=replace(run.train, steps=wanted.steps)) for arm, run in study.arms.items()}
        study = replace(study, arms=arms)
    if wanted.resume and wanted.folder is None:
        raise Usage("--resume needs --folder, which run to go on with")
    folder = wanted.folder or free_path(study.name)
    outcome = run_study(study, folder, processes=wanted.processes, resume=wanted.resume)
    print_table(study.question, outcome.columns, outcome.rows)
    print(textwrap.fill("Scaled accuracy: 0 is guessing, 1 is perfect. " + study.same, 100))
    print(f"Run folder: {folder}; report: {outcome.report}")


def train(argv: Sequence[str]) -> None:
    """Train a model on a task, measure it at every length, and leave a run folder with a report."""
    from lrnn import train as room
    from lrnn.tasks import Words

    if (folder := value_of(argv, "--resume")) is not None:
        return _resume(Path(folder), argv)
    config, seeds, folder = setting(argv, train.__doc__ or "")
    if isinstance(config.task, Words):
        print(config.task.summary)  # what was read, for nothing of it is left out silently
    if len(seeds) == 1:
        results = [room.train(config.with_seed(seeds[0]), folder)]
    else:
        results = room.train_seeds(config, seeds, folder)
    _print_results(config, results, folder)


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

    wanted = typed(Measurement, argv, evaluate)
    _require_one_run(wanted.run)
    longest = room.RunFolder.open(wanted.run).config.train.max_length
    print_scores(str(wanted.run), room.evaluate(wanted.run, wanted.lengths or None, wanted.words), longest)


def spectrum(argv: Sequence[str]) -> None:
    """Draw the eigenvalues of A_t, β and the state of a trained run, and say in a table what they became."""
    from lrnn.analysis import eigenvalues_by_token, portrait
    from lrnn.train import RunFolder, load_model

    wanted = typed(Look, argv, spectrum)
    _require_one_run(wanted.run)
    pictures = portrait(wanted.run, wanted.length)
    config = RunFolder.open(wanted.run).config
    task = config.task
    length = task.lengths_between(1, wanted.length or config.train.max_length, "test")[-1]
    words = task.sample(16, length, seed=config.seed, split="test").words
    rows = []
    for layer, tokens in eigenvalues_by_token(load_model(wanted.run), words).items():
        for token, values in tokens.items():
            parts = (values.real.min(), values.real.max(), values.imag.abs().max(), values.abs().min())
            rows.append((f"{layer + 1}", task.alphabet[token], *(f"{float(part):.4f}" for part in parts)))
    columns = ("layer", "letter", "smallest real part", "largest", "largest imaginary part", "smallest modulus")
    print_table(f"{wanted.run}: eigenvalues of A_t over words of length {length}", columns, rows)
    print("Pictures: " + ", ".join(map(str, pictures)))


def bench(argv: Sequence[str]) -> None:
    """Time the recurrence beside its peers in one run, with the error of each against float64."""
    from lrnn.train.files import write_json

    wanted = typed(Benchmark, argv, bench)
    try:
        from benchmarks import BENCHMARKS
    except ModuleNotFoundError as error:
        raise Usage(
            f"{error.name} is not installed here; benchmarks run from a clone, with pip install -e '.[bench]'"
        ) from error
    measure = BENCHMARKS[require_choice("benchmark", wanted.name, BENCHMARKS)]
    if wanted.threads < 1:
        raise Usage(f"--threads {wanted.threads}: must be at least 1")
    output = wanted.output or free_path(f"bench-{wanted.name}.json")
    if output.exists():
        raise FileExistsError(f"{output} already exists and is never overwritten: choose another file")
    chosen = {"parts": wanted.parts, "ops": wanted.ops}
    for name, values in chosen.items():
        if values and name not in inspect.signature(measure).parameters:
            raise Usage(f"--{name} {' '.join(values)}: the benchmark {wanted.name} has no {name} to choose from")
    outcome = measure(threads=wanted.threads, **{name: values for name, values in chosen.items() if values})
    print_table(outcome.title, outcome.columns, outcome.rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, outcome.data)
    print(f"Numbers: {output}")


def tasks(argv: Sequence[str]) -> None:
    """List what can be computed; with a name, the task in words and its flags."""
    from lrnn.tasks import TASKS

    entries = {name: (task, task, inspect.getdoc(task)) for name, task in TASKS.items()}
    _list(typed(Name, argv, tasks).name, entries)


def mixers(argv: Sequence[str]) -> None:
    """List the mixers; with a name, its equation and its flags."""
    from lrnn.layers import MIXERS

    entries = {name: (mixer, mixer.Config, inspect.getmodule(mixer).__doc__) for name, mixer in MIXERS.items()}
    _list(typed(Name, argv, mixers).name, entries)


def _require_one_run(folder: Path) -> None:
    """A folder of several runs is answered with their names."""
    inside = sorted(path.parent for path in folder.rglob("config.json") if path.parent.name != "model")
    if inside and folder not in inside:
        raise Usage(f"{folder} holds several runs; name one of {', '.join(map(str, inside))}")


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


VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    "run": run,
    "train": train,
    "evaluate": evaluate,
    "spectrum": spectrum,
    "explain": explain,
    "compile": compile,
    "verify": verify,
    "tasks": tasks,
    "mixers": mixers,
    "bench": bench,
}
