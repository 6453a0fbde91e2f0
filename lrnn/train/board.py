"""What a person sees while several runs go on in other processes: one bar each, or a line for each that ends."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, TextIO

from lrnn.train.result import Result


class Board:
    """Reads how far the runs are from the ends of their metrics.jsonl; the workers know nothing of it.

    Args:
        runs: (arm, seed) to the run's folder and number of steps.
        show: False shows nothing.
        stream: where to write; bars if it is a terminal, else plain lines.
    """

    def __init__(self, runs: Mapping[tuple[str, int], tuple[Path, int]], show: bool, stream: TextIO) -> None:
        self._runs, self._show, self._stream = runs, show, stream
        self._ended = 0
        self._bars = None
        self._tasks: dict[tuple[str, int], Any] = {}
        if show and stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=Console(file=stream),
            )

    def __enter__(self) -> Board:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def look(self, ended: Container[tuple[str, int]]) -> None:
        """Move the bars of the runs that are going."""
        if self._bars is None:
            return
        for key, (folder, steps) in self._runs.items():
            row = {} if key in ended else last_row(folder / "metrics.jsonl")
            if row:
                state = f"loss {row['loss']:.4f}  accuracy {row['accuracy']:.3f}" if row.get("loss") is not None else ""
                self._bars.update(self._bar(key, steps), completed=row["step"], state=state)

    def finish(self, key: tuple[str, int], result: Result) -> None:
        """A run has ended."""
        self._ended += 1
        accuracy = f"  accuracy {result.accuracy:.3f}" if result.accuracy == result.accuracy else ""
        state = f"{result.status} after {result.steps} steps, {result.seconds:.1f} s{accuracy}"
        if self._bars is not None:
            bar = self._bar(key, self._runs[key][1])
            self._bars.update(bar, completed=result.steps, total=result.steps, state=state)
        elif self._show:
            line = f"{_title(key)}: {state}  ({self._ended}/{len(self._runs)} runs)"
            print(line, file=self._stream, flush=True)

    def _bar(self, key: tuple[str, int], steps: int) -> Any:
        assert self._bars is not None
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(_title(key), total=steps, state="")
        return self._tasks[key]


def last_row(path: Path) -> dict[str, Any]:
    """The last whole line of a metrics.jsonl, or {} if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().split(b"\n")[:-1]
        return json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError):
        return {}


def _title(key: tuple[str, int]) -> str:
    return f"{key[0]} seed {key[1]}".strip()
