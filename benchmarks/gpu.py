"""Everything that is measured on a GPU, part by part; ``lrnn bench gpu`` and :mod:`benchmarks.gpu_results` keep it."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_ceilings import ceilings
from benchmarks.gpu_clock import Clock
from benchmarks.gpu_contests import CONTESTS, Size, sizes_of
from benchmarks.gpu_decoding import decoding, speed_of_copy
from benchmarks.gpu_errors import dtype_errors, state_errors
from benchmarks.gpu_measuring import error_cells, measure, ratios
from benchmarks.gpu_training import training
from benchmarks.outcome import Outcome, environment
from lrnn.train.files import write_json

Leaf = dict[str, Any]
GIB = 2**30


@dataclass(frozen=True)
class Setting:
    """What is measured, and how small where a test asks for less."""

    clock: Clock
    ops: tuple[str, ...]
    with_peers: bool = True
    sizes: tuple[Size, ...] | None = None
    """In place of the sizes of every contest."""
    lengths: tuple[int, ...] | None = None
    """In place of those over which the state drifts."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Part to further arguments of what measures it."""


def _contests(setting: Setting, lengths: bool = False) -> Iterator[tuple[str, Leaf]]:
    chosen: Iterable[tuple[str, Size]] = sizes_of(setting.ops, lengths)
    if setting.sizes is not None:
        chosen = itertools.product(setting.ops, setting.sizes)
    for op, size in chosen:
        yield f"{op} {size}", measure(CONTESTS[op], size, setting.clock, with_peers=setting.with_peers)


def _state(setting: Setting) -> Iterator[tuple[str, Leaf]]:
    options = {} if setting.lengths is None else {"lengths": setting.lengths}
    return state_errors(setting.clock, with_peers=setting.with_peers, **options, **setting.options.get("state", {}))


def _decode(setting: Setting) -> Iterator[tuple[str, Leaf]]:
    options = setting.options.get("decode", {}).copy()
    copied = {"copied_bytes": options.pop("copied_bytes")} if "copied_bytes" in options else {}
    yield from decoding(setting.clock, speed_of_copy(setting.clock, **copied), **options)


PARTS: dict[str, Callable[[Setting], Iterator[tuple[str, Leaf]]]] = {
    "ceilings": lambda setting: ceilings(setting.clock, **setting.options.get("ceilings", {})),
    "contests": _contests,
    "lengths": lambda setting: _contests(setting, lengths=True),
    "state": _state,
    "dtypes": lambda setting: dtype_errors(setting.clock, setting.ops, **setting.options.get("dtypes", {})),
    "decode": _decode,
    "training": lambda setting: training(
        setting.clock, with_peers=setting.with_peers, **setting.options.get("training", {})
    ),
}
"""What ``--parts`` chooses from: a part yields a name and what was measured, one thing at a time."""


def gpu(
    threads: int = 2,
    parts: Sequence[str] = (),
    ops: Sequence[str] = (),
    seconds: float = 1e9,
    journal: Path | None = None,
    setting: Setting | None = None,
) -> Outcome:
    """Our recurrences beside their peers on a GPU: times, memory, errors, drift of the state, training.

    A line for each thing measured goes to standard error when it is done, for all together take most of an hour.

    Arguments:
        threads: of torch on the CPU.
        parts: of :data:`PARTS`; none is all.
        ops: contests, of :data:`benchmarks.gpu_contests.CONTESTS`; none is all.
        seconds: nothing new is begun after so many; ``data["left_out"]`` has the names of the parts not finished.
        journal: this file has what was measured so far, should the run be stopped from outside.
        setting: for tests; decides the device and the sizes.

    Raises:
        ValueError: a part or op of another name.
        RuntimeError: torch sees no GPU.
    """
    wanted, chosen = _named("parts", parts, PARTS), _named("ops", ops, CONTESTS)
    if setting is None:
        if not torch.cuda.is_available():
            raise RuntimeError("the benchmark gpu needs a CUDA device, and torch sees none")
        setting = Setting(Clock(), chosen)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        run = _about(setting.clock)
        start, found, left_out, rows = time.perf_counter(), {}, [], []
        data = {"benchmark": "gpu", "runs": [run], "parts": found, "left_out": left_out}
        for part in wanted:
            for name, leaf in _in_time(PARTS[part](setting), start + seconds, lambda: left_out.append(part)):  # noqa: B023
                found.setdefault(part, {})[name] = leaf | {"run": 0}
                rows += (lines := table(part, name, leaf))
                for line in lines:
                    print(f"{time.perf_counter() - start:5.0f} s  " + "  ".join(line), file=sys.stderr, flush=True)
                run["seconds"] = time.perf_counter() - start
                if journal is not None:
                    write_json(journal, data)
    finally:
        torch.set_num_threads(before)
    title = f"{run['device']}; median ms, GiB beyond the inputs, relative errors against float64"
    return Outcome(title, COLUMNS, rows, data)


def _named(what: str, names: Sequence[str], legal: Iterable[str]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in legal]:
        raise ValueError(f"{what} = {', '.join(unknown)}: legal are {', '.join(legal)}")
    return tuple(names or legal)


def _in_time(leaves: Iterator[tuple[str, Leaf]], until: float, late: Callable[[], Any]) -> Iterator[tuple[str, Leaf]]:
    while True:
        if time.perf_counter() > until:
            late()
            return
        try:
            yield next(leaves)
        except StopIteration:
            return


def _about(clock: Clock) -> Leaf:
    """Device, versions, commit, time, and whether kernels compiled before were at hand."""
    about = environment() | {"started": datetime.now(UTC).isoformat(timespec="seconds")}
    if clock.on_gpu:
        properties = torch.cuda.get_device_properties(clock.device)
        about |= {
            "device": properties.name,
            "processor": about["device"],
            "capability": f"{properties.major}.{properties.minor}",
            "memory": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
        }
    cache = Path(os.environ.get("TRITON_CACHE_DIR", Path.home() / ".triton" / "cache"))
    return about | {"kernels compiled before": sum(1 for _ in cache.iterdir()) if cache.is_dir() else 0}


COLUMNS = ("part", "what", "who", "fwd", "÷ours", "fwd+bwd", "÷ours", "GiB", "ours÷", "y off", "grads")


def table(part: str, name: str, leaf: Leaf) -> list[tuple[str, ...]]:
    """The lines of one thing measured."""
    if part in ("contests", "lengths", "dtypes"):
        return [(part, name, *cells) for cells in _contest_cells(leaf)]
    if part == "state":
        return [
            (part, name, who, *[""] * 6, entry.get("absent") or f"{entry['error']:.1e}", "")
            for who, entry in leaf["entries"].items()
        ]
    if "absent" in leaf and part in ("decode", "training"):
        return [(part, name, leaf["absent"], *[""] * 8)]
    if part == "decode":
        times = (f"{leaf['milliseconds']['median']:.4f}", f"{leaf['share_of_copy']:.2f} of copy")
        return [(part, name, "", *times, *[""] * 4, f"{leaf['error']:.1e}", "")]
    if part == "training":
        memory = f"{leaf['bytes'] / GIB:.1f}" if leaf["bytes"] else ""
        speed = f"{leaf['tokens_per_second']:,.0f}/s"
        what = f"{leaf['parameters'] / 1e6:.0f} M, batch {leaf['batch']}"
        return [(part, name, what, "", "", f"{leaf['milliseconds']['median']:.1f}", speed, memory, "", "", "")]
    speed = next(f"{x / 1e12:.2f} T{key[0].upper()}/s" for key, x in leaf.items() if key.endswith("per_second"))
    return [(part, name, "torch", f"{leaf['milliseconds']['median']:.3f}", speed, *[""] * 6)]


def _contest_cells(leaf: Leaf) -> Iterator[tuple[str, ...]]:
    over = ratios(leaf)
    for who, entry in leaf["entries"].items():
        cells: list[str] = []
        for kind in ("forward", "forward+backward"):
            times = entry.get("milliseconds", {}).get(kind)
            ratio = over.get(who, {}).get(kind)
            cells += [f"{times['median']:.3f}" if times else "—", f"{ratio:.2f}×" if ratio else ""]
        memory = over.get(who, {}).get("memory")
        cells += [f"{entry['bytes'] / GIB:.2f}" if entry.get("bytes") else "", f"{memory:.2f}×" if memory else ""]
        cells += error_cells(entry.get("errors", {}))
        yield (who + (" WRONG" if "wrong" in entry else ""), *cells)
    for who, reason in leaf["absent"].items():
        yield who, "—", "", "—", "", "", "", reason, ""
