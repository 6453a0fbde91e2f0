"""Several runs side by side: every arm of a comparison from every seed, in parallel processes."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from lrnn.train.board import Board
from lrnn.train.config import RunConfig
from lrnn.train.files import write_json
from lrnn.train.folder import RunFolder, refuse_existing
from lrnn.train.interrupt import Interrupt, Interrupted, listen
from lrnn.train.loop import Diverged
from lrnn.train.result import Result, Spread
from lrnn.train.run import train


def train_seeds(
    config: RunConfig,
    seeds: Sequence[int],
    folder: str | Path,
    *,
    processes: int | None = None,
    resume: bool = False,
    show: bool = True,
) -> list[Result]:
    """The same run from several seeds, in `folder`/seed-<n>; results in the order of `seeds`.

    summary.json holds median, best, worst and median absolute deviation of the accuracy inside and beyond the
    training lengths. A seed that diverged counts as guessing.

    Args and errors: as `train_arms`.
    """
    return train_arms({"": config}, seeds, folder, processes=processes, resume=resume, show=show)[""]


def train_arms(
    arms: Mapping[str, RunConfig],
    seeds: Sequence[int],
    folder: str | Path,
    *,
    processes: int | None = None,
    resume: bool = False,
    show: bool = True,
    report: bool = True,
) -> dict[str, list[Result]]:
    """Train every arm from every seed, in `folder`/<arm>/seed-<n>; results per arm in the order of `seeds`.

    Each run has a process to itself, new ones by spawn, so a script must call this under `if __name__ ==
    "__main__":`. Results do not depend on the number of processes.

    Args:
        arms: name to config; the config's own seed is not read.
        seeds: at least one, all different.
        folder: must not exist yet unless `resume`.
        processes: how many runs at a time; None for one per processor, 1 for this process alone.
        resume: go on with what is in `folder`; finished runs are not repeated.
        show: progress on standard error.
        report: write a report for every run.

    Raises as `train`; but a run that diverges is a result and stops nothing. If one run fails, the others save
    a checkpoint and stop.
    """
    folder = Path(folder)
    places = _places(arms, seeds, folder)
    if processes is not None and processes < 1:
        raise ValueError(f"processes = {processes}: must be at least 1, or None for one per processor")
    if not resume:
        refuse_existing(folder)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = {
        (name, seed): (arms[name].with_seed(seed), places[name] / f"seed-{seed}", resume, report)
        for seed in seeds
        for name in arms
    }
    workers = min(len(jobs), processes or _processors())
    if workers == 1:
        done = {key: one_run(*job, show=show) for key, job in jobs.items()}
    else:
        done = _in_processes(jobs, workers, show)
    results = {name: [done[name, seed] for seed in seeds] for name in arms}
    write_json(folder / "summary.json", {name or "all": summary(each) for name, each in results.items()})
    return results


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Median, best, worst and spread over seeds, inside and beyond the training lengths, as JSON values."""
    table: dict[str, Any] = {
        "seeds": [result.seed for result in results],
        "status": [result.status for result in results],
        "seconds": [round(result.seconds, 3) for result in results],
    }
    for name in ("inside", "beyond"):
        values = [0.0 if r.status == "diverged" else getattr(r, name) for r in results]
        if all(value is not None for value in values):
            spread = Spread(values=tuple(values))
            more = {key: getattr(spread, key) for key in ("median", "best", "worst", "deviation")}
            table[name] = asdict(spread) | more
    return table


def one_run(config: RunConfig, folder: Path, resume: bool, report: bool, show: bool = False) -> Result:
    """Train, or resume what is in `folder` already. A run that diverges gives its result instead of an error."""
    begun = (folder / "config.json").is_file()
    try:
        return train(config, folder, resume=resume and begun, show=show, report=report)
    except Diverged:
        result = RunFolder.open(folder).result
        assert result is not None  # written before Diverged was raised
        return result


def _processors() -> int:
    """How many this process may use (a container may allow fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def arm_folders(arms: Iterable[str], folder: Path) -> dict[str, Path]:
    """Arm to its folder: the name in lower case, with _ in place of what a shell would trip over."""
    names = {name: re.sub(r"[^a-z0-9+-]+", "_", name.lower()).strip("_") for name in arms}
    return {name: folder / short if short else folder for name, short in names.items()}


def _places(arms: Mapping[str, RunConfig], seeds: Sequence[int], folder: Path) -> dict[str, Path]:
    faults, places = [], arm_folders(arms, folder)
    if not arms:
        faults.append("arms: at least one is needed")
    if not seeds or len(set(seeds)) < len(seeds):
        faults.append(f"seeds = {list(seeds)}: must be at least one, all different")
    if any(seed < 0 for seed in seeds):
        faults.append(f"seeds = {list(seeds)}: must be >= 0")
    if len(set(places.values())) < len(places):
        faults.append(f"arms: {', '.join(arms)} would share a folder; give them names that differ in letters or digits")
    if faults:
        raise ValueError("; ".join(faults))
    return places


_stop: Event | None = None


def _begin_worker(stop: Event) -> None:
    """Runs once in each new process."""
    global _stop
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # between two runs; inside one, Interrupt listens
    _stop = stop
    listen(stop.is_set)


def _work(config: RunConfig, folder: Path, resume: bool, report: bool) -> Result:
    if _stop is not None and _stop.is_set():
        raise Interrupted("stopped before it began")
    return one_run(config, folder, resume, report)


def _in_processes(jobs: dict[Any, tuple], workers: int, show: bool) -> dict[Any, Result]:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    results: dict[Any, Result] = {}
    failure: BaseException | None = None
    with (
        Interrupt() as interrupt,
        ProcessPoolExecutor(workers, context, _begin_worker, (stop,)) as pool,
        Board({key: (job[1], job[0].train.steps) for key, job in jobs.items()}, show, sys.stderr) as board,
    ):
        waiting: dict[Future[Result], Any] = {pool.submit(_work, *job): key for key, job in jobs.items()}
        while waiting:
            finished, _ = wait(waiting, timeout=0.3, return_when=FIRST_COMPLETED)
            board.look(results)
            for future in finished:
                key = waiting.pop(future)
                if future.cancelled():
                    continue
                error = future.exception()
                if error is None:
                    results[key] = future.result()
                    board.finish(key, results[key])
                elif failure is None or isinstance(failure, Interrupted):
                    failure = _named(error, jobs[key][1])
            if (failure is not None or interrupt.asked) and not stop.is_set():
                stop.set()
                for future in waiting:
                    future.cancel()
    if failure is not None and not isinstance(failure, Interrupted):
        raise failure
    if len(results) < len(jobs):
        raise Interrupted(f"stopped with {len(results)} of {len(jobs)} runs done; resume with resume=True, --resume")
    return results


def _named(error: BaseException, folder: Path) -> BaseException:
    if isinstance(error, BrokenProcessPool):
        return RuntimeError(
            "a worker process died. A script that trains in parallel must do so under "
            "`if __name__ == '__main__':`; a machine short of memory kills workers too: try processes=1"
        )
    error.add_note(f"in the run {folder}")
    return error
