"""What came out of one run, and of the same run from several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Status = Literal["finished", "stopped early", "diverged", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class LengthScore:
    """Accuracy at one length. Scaled means (accuracy - chance)/(1 - chance): 0 is guessing, 1 is perfect."""

    length: int
    """Letters in each word."""
    words: int
    """How many words were read."""
    last: float
    """Scaled accuracy of the last label asked in each word."""
    mean: float
    """Scaled accuracy of all labels asked."""
    last_quarter: float
    """Scaled accuracy of the labels asked in the last quarter of the word; NaN where none is."""
    whole: float
    """Share of words with every label right (not scaled)."""
    by_position: tuple[float, ...] = ()
    """Scaled accuracy at each position; NaN where no label is asked."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run came to."""

    status: Status
    """finished (all steps), stopped early (criterion met), diverged (loss not finite), interrupted (by the user)."""
    steps: int
    """Updates made."""
    seed: int
    train_lengths: tuple[int, int]
    """Shortest and longest training word."""
    parameters: int
    """Number of weights."""
    loss: float
    """Mean training loss of the last steps logged."""
    accuracy: float
    """Share of labels right in the last validation (NaN without one)."""
    seconds: float
    """Wall-clock time of training, without the measurement."""
    cpu_seconds: float
    """Processor time of the same."""
    scores: tuple[LengthScore, ...] = ()
    """One per length measured; none for a run that is not over."""
    message: str = ""
    """Why it ended, for a run that diverged or was interrupted."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of lrnn, torch and Python."""

    def over(self, low: int, high: int) -> float:
        """Mean over the lengths measured in low..high of the scaled accuracy of the last label.

        A diverged run counts as guessing, 0. Raises ValueError if no length in that range was measured.
        """
        if self.status == "diverged":
            return 0.0
        inside = [score.last for score in self.scores if low <= score.length <= high]
        if not inside:
            measured = ", ".join(str(score.length) for score in self.scores) or "none"
            raise ValueError(f"no length in {low}..{high} was measured; measured were {measured}")
        return statistics.fmean(inside)

    @property
    def inside(self) -> float | None:
        """`over` the measured lengths that training also showed; None if there are none."""
        low, high = self.train_lengths
        return self.over(low, high) if any(low <= s.length <= high for s in self.scores) else None

    @property
    def beyond(self) -> float | None:
        """`over` the measured lengths longer than any training word; None if there are none."""
        longer = [s.length for s in self.scores if s.length > self.train_lengths[1]]
        return self.over(min(longer), max(longer)) if longer else None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives back an equal result."""
        return {**asdict(self), "inside": self.inside, "beyond": self.beyond}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        """Inverse of `to_json`. Raises ValueError for data that is no result."""
        known = {f.name for f in fields(cls)}
        try:
            values = {key: value for key, value in data.items() if key in known}
            values["scores"] = tuple(_score(score) for score in data["scores"])
            values["train_lengths"] = tuple(data["train_lengths"])
            for name in ("loss", "accuracy"):
                values[name] = _number(values[name])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is not the result of a run: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median, best and spread of one number over several seeds."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values: a spread needs at least one value")

    @property
    def best(self) -> float:
        return max(self.values)

    @property
    def worst(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def deviation(self) -> float:
        """Median absolute deviation from the median."""
        return statistics.median(abs(value - self.median) for value in self.values)

    @classmethod
    def of(cls, results: Sequence[Result], low: int, high: int) -> Spread:
        """Of `Result.over(low, high)`."""
        return cls(values=tuple(result.over(low, high) for result in results))


def _score(data: dict[str, Any]) -> LengthScore:
    values = {key: _number(value) if value is None else value for key, value in data.items()}
    return LengthScore(**{**values, "by_position": tuple(_number(value) for value in data["by_position"])})


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
