"""What a person sees while a run is going: a bar in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows step, loss, accuracy and time left of one run.

    Args:
        total: steps of the whole run.
        done: steps made before (a resumed run).
        title: what to call the run.
        show: False shows nothing at all.
        stream: where to write; None for standard error.
    """

    def __init__(
        self, total: int, done: int = 0, title: str = "training", show: bool = True, stream: TextIO | None = None
    ) -> None:
        self._total, self._title = total, title
        self._stream = sys.stderr if stream is None else stream
        self._begun, self._first = time.monotonic(), done
        self._next_line = self._begun + _SECONDS_BETWEEN_LINES
        self._bar = None
        self._show = show
        if show and self._stream.isatty():
            # rich takes a twentieth of a second to import, and only a terminal needs it
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("loss {task.fields[loss]}  accuracy {task.fields[accuracy]}"),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
                transient=True,
            )
            self._task = self._bar.add_task(title, total=total, completed=done, loss="-", accuracy="-")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, step: int, loss: float, accuracy: float) -> None:
        """`step` updates are made; `loss` and `accuracy` are those of the last few."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, loss=f"{loss:.4f}", accuracy=f"{accuracy:.3f}")
        elif self._show and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            left = (time.monotonic() - self._begun) / max(1, step - self._first) * (self._total - step)
            line = f"step {step}/{self._total}  loss {loss:.4f}  accuracy {accuracy:.3f}  {left:.0f} s left"
            print(f"{self._title}: {line}", file=self._stream, flush=True)
