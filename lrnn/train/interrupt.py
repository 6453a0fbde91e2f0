"""Ctrl-C ends a run between two updates, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """The run was stopped by the user; everything up to the last update is in its folder."""


_outside: Callable[[], bool] | None = None


def listen(outside: Callable[[], bool]) -> None:
    """From now on every `Interrupt` of this process also counts as asked when `outside()` is true.

    That is how a parent process stops its workers.
    """
    global _outside
    _outside = outside


class Interrupt:
    """While open, the first SIGINT or SIGTERM only sets `asked`; a second SIGINT raises KeyboardInterrupt at once.

    Python hands signals to the main thread alone; elsewhere only `listen` is heard.
    """

    def __init__(self) -> None:
        self._noted = 0
        self._old: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        """Has someone asked to stop?"""
        return self._noted > 0 or (_outside is not None and _outside())

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._noted:
            raise KeyboardInterrupt
        self._noted += 1
