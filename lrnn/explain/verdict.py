"""What is answered, for one transition structure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from lrnn.explain.theorems import Theorem

Word = Literal["yes (construction shipped)", "yes (theorem)", "no (theorem)", "open"]


@dataclass(frozen=True)
class Answer:
    """One of four verdicts, and why.

    Arguments:
        verdict: ``yes (construction shipped)``, ``yes (theorem)``, ``no (theorem)`` or ``open``.
        detail: the reason in terms of the language, or for ``open`` what is not known.
        theorem: what decides it; None if and only if the verdict is open.
        layers: a number of layers that suffices, where the theorem gives one.

    Raises ValueError for a decided verdict without a theorem, and for an open one with a theorem.
    """

    verdict: Word
    detail: str
    theorem: Theorem | None = None
    layers: int | None = None

    def __post_init__(self) -> None:
        if (self.theorem is None) != (self.verdict == "open"):
            raise ValueError(f"theorem must be given unless the verdict is open, got {self.verdict!r}, {self.theorem}")

    @property
    def is_yes(self) -> bool:
        """Is it recognized?"""
        return self.verdict.startswith("yes")

    @property
    def is_no(self) -> bool:
        """Is it proved not to be recognized?"""
        return self.verdict.startswith("no")

    def to_json(self) -> dict[str, Any]:
        """Everything, in values that JSON has."""
        theorem = None
        if self.theorem is not None:
            theorem = {
                "name": self.theorem.name,
                "statement": self.theorem.statement,
                "source": self.theorem.source,
            }
        return {"verdict": self.verdict, "detail": self.detail, "layers": self.layers, "theorem": theorem}


@dataclass(frozen=True)
class Verdict:
    """The answers for one structure of A(x).

    Arguments:
        structure: its name, as in ``Householder n_h = 2, [-1, 1]``.
        one_layer: does one layer recognize the language?
        several_layers: do several?
        num_householders: the Householder factors of each letter that one layer needs, if it does it.
        width: rows of the state that suffice, all heads together, where one layer does it and the number is known.
    """

    structure: str
    one_layer: Answer
    several_layers: Answer
    num_householders: int | None = None
    width: int | None = None

    def as_theorem(self) -> Verdict:
        """The same, but that constructions are not shipped for this very language."""
        one = _as_theorem(self.one_layer)
        several = one if self.several_layers is self.one_layer else _as_theorem(self.several_layers)
        return replace(self, one_layer=one, several_layers=several)

    def to_json(self) -> dict[str, Any]:
        """Everything, in values that JSON has."""
        return {
            "structure": self.structure,
            "one_layer": self.one_layer.to_json(),
            "num_householders": self.num_householders,
            "width": self.width,
            "several_layers": self.several_layers.to_json(),
        }


def _as_theorem(answer: Answer) -> Answer:
    return replace(answer, verdict="yes (theorem)") if answer.is_yes else answer


def shipped(theorem: Theorem, detail: str, layers: int | None = 1) -> Answer:
    """Yes, and :mod:`lrnn.compiler` makes the weights."""
    return Answer("yes (construction shipped)", detail, theorem, layers)


def proved(theorem: Theorem, detail: str, layers: int | None = 1) -> Answer:
    """Yes, by a theorem."""
    return Answer("yes (theorem)", detail, theorem, layers)


def refuted(theorem: Theorem, detail: str) -> Answer:
    """No, by a theorem."""
    return Answer("no (theorem)", detail, theorem)


def unknown(detail: str) -> Answer:
    """Not known; the detail says what is missing."""
    return Answer("open", detail)
