"""A certificate says what was checked of a compiled model, and how far that carries."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from lrnn.compiler.draft import Exactness


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Some words of one kind, read to the end, each prefix asked for its label."""

    kind: str
    """``all``, ``uniform`` letters, ``lingering`` (letters that keep most states within reach), ``constant``."""
    length: int
    """Letters in each word."""
    words: int
    errors: int
    """Wrong labels, of words · length."""
    margin: float
    """The least difference between the logit of the right label and the best other one."""
    first_error: int | None = None
    """Letters before the first wrong label; None if there is none."""
    drift: float | None = None
    """Margin mode: the largest relative change of SᵀS in any layer and head; None in integer mode."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What was checked, with what, and what follows.

    In integer mode the states of all layers are 0 and ±1 in every entry, and all numbers on the way are small integers
    and their halves, so nothing is rounded and the model is the machine, at every length: ``covers`` is None. That
    every state seen was an integer is ``integer``.

    In margin mode states drift, and ``covers`` is the length up to which nothing read was wrong, of each kind of word.
    The worst are a·a·a…, where the same roundings repeat and add up; elsewhere they mostly cancel. So those alone are
    no errors of the certificate, but end what it covers.
    """

    language: str
    structure: str
    """The structure asked for."""
    method: str
    """How the model works, in a sentence."""
    exactness: Exactness
    mixer: str
    layers: int
    parameters: int
    longest: int
    """All words up to this length were read."""
    num_words: int
    """So many words are that."""
    readings: tuple[Reading, ...]
    integer: bool
    """Was every state seen exactly an integer?"""
    covers: int | None
    """Letters for which the answers are right; None is any number of them."""
    drift_per_letter: float | None
    """The largest drift read divided by its word's length; None in integer mode."""
    bfloat16: int | None
    """Letters that the same weights in bfloat16 read without error; None is not tried."""
    bfloat16_tried: int
    """Letters of the word tried in bfloat16."""
    dtype: str
    device: str
    backend: str
    algorithm: str
    """Of the recurrences, where the words are long."""
    torch: str
    """Version."""

    @property
    def errors(self) -> int:
        """Wrong labels in all that was read, constant words apart."""
        return sum(reading.errors for reading in self.readings if reading.kind != "constant")

    @property
    def margin(self) -> float:
        """The least decision margin seen, constant words apart; infinite where there is one label only."""
        return min((reading.margin for reading in self.readings if reading.kind != "constant"), default=math.inf)

    @property
    def holds(self) -> bool:
        """Were all answers right, and in integer mode all states integers?"""
        return not self.errors and (self.integer or self.exactness == "margin")

    def to_json(self) -> str:
        """As JSON; an infinite margin is written as null."""
        data = asdict(self)
        for reading in data["readings"]:
            reading["margin"] = reading["margin"] if math.isfinite(reading["margin"]) else None
        return json.dumps({**data, "errors": self.errors, "holds": self.holds}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """What :meth:`to_json` wrote. Raises ValueError if it is something else."""
        try:
            data: dict[str, Any] = json.loads(text)
            readings = tuple(
                Reading(**{**reading, "margin": math.inf if reading["margin"] is None else reading["margin"]})
                for reading in data.pop("readings")
            )
            known = {field.name for field in fields(cls)}
            return cls(readings=readings, **{name: value for name, value in data.items() if name in known})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a certificate of a compiled model: {error}") from None

    def __str__(self) -> str:
        length = "every length" if self.covers is None else f"{self.covers:,} letters"
        lines = [
            f"{self.language}: {self.method}",
            f"{self.exactness} mode, {self.mixer}, {self.layers} layers, {self.parameters:,} weights in {self.dtype} "
            f"on {self.device}, {self.algorithm}, backend {self.backend}",
            f"all {self.num_words:,} words up to length {self.longest}",
            *(
                f"{reading.words} {reading.kind} word{'s' * (reading.words > 1)} of length {reading.length:,}: "
                f"{reading.errors} errors, "
                f"margin {reading.margin:.3g}"
                + ("" if reading.first_error is None else f", first error after {reading.first_error:,} letters")
                for reading in self.readings[1:]
            ),
            f"{'holds' if self.holds else 'FAILS'}: {self.errors} errors, least margin {self.margin:.3g}, "
            f"covers {length}",
        ]
        if self.bfloat16 is not None:
            more = " (all that was tried)" if self.bfloat16 == self.bfloat16_tried else ""
            lines.append(f"bfloat16: {self.bfloat16:,} letters without error{more}")
        return "\n".join(lines)
