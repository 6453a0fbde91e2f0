"""What a person sees while a model is verified: a bar in a terminal, nothing elsewhere."""

from __future__ import annotations

import sys


class Progress:
    """Letters read, of so many."""

    def __init__(self, total: int, title: str, show: bool) -> None:
        self._bar = None
        if show and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
            self._bar = Bar(*columns, console=Console(file=sys.stderr), transient=True)
            self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, letters: int) -> None:
        """So many more were read."""
        if self._bar is not None:
            self._bar.advance(self._task, letters)
