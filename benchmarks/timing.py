"""Times of several functions, taken in turns so that a noisy moment hits everyone alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Times(NamedTuple):
    """Milliseconds of one function."""

    median: float
    fastest: float
    rounds: int


def take_turns(functions: Mapping[str, Callable[[], Any]], seconds: float = 2.0, rounds: int = 50) -> dict[str, Times]:
    """Every function once a round, after one call to warm up.

    Arguments:
        seconds: about how long each function may take in all; slow ones get fewer rounds, at least 3.
        rounds: at most so many.
    """
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for name, function in functions.items():
        _milliseconds(function)
        taken[name].append(_milliseconds(function))
    wanted = {name: min(rounds, max(3, int(1000 * seconds / times[0]))) for name, times in taken.items()}
    for turn in range(1, max(wanted.values())):
        for name, function in functions.items():
            if turn < wanted[name]:
                taken[name].append(_milliseconds(function))
    return {name: Times(statistics.median(times), min(times), len(times)) for name, times in taken.items()}


def _milliseconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)
