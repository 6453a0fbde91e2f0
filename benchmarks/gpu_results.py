"""Several runs on one device in one file of ``benchmarks/results``: ``python -m benchmarks.gpu_results FILE ...``."""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lrnn.train.files import read_json, write_json

RESULTS = Path(__file__).parent / "results"

OTHERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "gpu_decode": lambda data: {"decode": data["found"]},
    "fuzz": lambda data: {"fuzz": {"fuzz": data}},
}
"""Measurements with a file of their own: name to what they add to the parts."""


def merge(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One set of results of several, the later ones in place of earlier ones of the same name.

    What ``benchmarks.gpu`` returns, what this returns, and the measurements in :data:`OTHERS` go in. Everything
    measured keeps the number of its run: versions, commit and time are those of ``runs[number]``.

    Raises:
        ValueError: another measurement, or runs on different devices.
    """
    runs: list[dict[str, Any]] = []
    parts: dict[str, dict[str, Any]] = {}
    for data in copy.deepcopy(list(found)):
        kind = data.get("benchmark")
        if kind in OTHERS:
            data = {
                "runs": [{**data.get("environment", {}), "benchmark": kind}],
                "parts": OTHERS[kind]({key: x for key, x in data.items() if key != "environment"}),
            }
        elif kind != "gpu":
            raise ValueError(f"benchmark is {kind!r}, wanted gpu, {', '.join(OTHERS)}")
        for part, leaves in data["parts"].items():
            for name, leaf in leaves.items():
                parts.setdefault(part, {})[name] = {**leaf, "run": leaf.get("run", 0) + len(runs)}
        runs += data["runs"]
    devices = sorted({run["device"] for run in runs if "device" in run and "benchmark" not in run})
    if len(devices) > 1:
        raise ValueError(f"runs are on {' and '.join(devices)}, wanted one device")
    used = sorted({leaf["run"] for leaves in parts.values() for leaf in leaves.values()})
    for leaves in parts.values():
        for leaf in leaves.values():
            leaf["run"] = used.index(leaf["run"])
    return {"benchmark": "gpu", "runs": [runs[number] for number in used], "parts": parts}


def path_of(data: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """``<device>-<date>.json``, of the latest run with a date."""
    dated = [run for run in data["runs"] if "started" in run]
    if not dated:
        raise ValueError("no run says device and date; hand in a result of the benchmark gpu too")
    slug = re.sub(r"[^a-z0-9]+", "-", dated[-1]["device"].lower()).strip("-")
    return folder / f"{slug}-{max(run['started'] for run in dated)[:10]}.json"


def main(argv: Sequence[str] | None = None) -> None:
    """Merge files into the one of their device and date, made if it is not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_results", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what lrnn bench gpu wrote")
    parser.add_argument("--commit", help="the commit that ran, where the runs do not know theirs")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are kept")
    wanted = parser.parse_args(argv)
    found = [read_json(path, "results of a benchmark") for path in wanted.files]
    path = path_of(merge(found), wanted.folder)
    if path.exists() and path not in wanted.files:
        found.insert(0, read_json(path, "results of a benchmark"))
    data = merge(found)
    for run in data["runs"]:
        if run.get("commit") is None and wanted.commit:
            run["commit"] = wanted.commit
    write_json(path, data)
    print(path)


if __name__ == "__main__":
    main()
