"""A study is the whole setting of a comparison: its arms, their seeds, and what is asked of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from lrnn.train.config import RunConfig
from lrnn.train.result import Result, Spread

Label = Literal["last", "mean", "last_quarter"]


@dataclass(frozen=True, kw_only=True)
class Study:
    """Several runs that differ in one thing, trained from the same seeds and judged by one number.

    Raises ValueError if there is no arm, no seed, or an arm is not measured at a length in `judged`.
    """

    name: str
    """One word, the name on the command line."""
    question: str
    """What the study asks, in one sentence."""
    arms: Mapping[str, RunConfig]
    """Name to run; the run's own seed is not read."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each arm is trained from each."""
    judged: tuple[int, int]
    """Shortest and longest word of those that count; the accuracy is the mean over the lengths measured in there."""
    label: Label = "last"
    """Which labels count: the last one of each word, all (mean), or those in the last quarter."""
    same: str = ""
    """What all arms have in common, for the report."""

    def __post_init__(self) -> None:
        faults = []
        if not self.arms:
            faults.append("arms: at least one is needed")
        if not self.seeds:
            faults.append("seeds: at least one is needed")
        if self.label not in get_args(Label):
            faults.append(f"label = {self.label!r}: must be one of {', '.join(get_args(Label))}")
        low, high = self.judged
        for name, run in self.arms.items():
            if not any(low <= length <= high for length in run.eval_lengths):
                faults.append(f"judged = {self.judged}: the arm {name} is measured at {run.eval_lengths}")
        if faults:
            raise ValueError("Study: " + "; ".join(faults))

    def score(self, result: Result) -> float:
        """The number by which a run is judged; a diverged run counts as guessing, 0."""
        if result.status == "diverged":
            return 0.0
        low, high = self.judged
        return statistics.fmean(getattr(s, self.label) for s in result.scores if low <= s.length <= high)

    def spread(self, results: list[Result]) -> Spread:
        """Of `score` over the seeds of one arm."""
        return Spread(values=tuple(self.score(result) for result in results))
