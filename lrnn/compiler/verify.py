"""The last pass: the model reads words beside the machine, and a certificate says how that went."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lrnn.automata import Machine
from lrnn.compiler.certificate import Certificate, Reading
from lrnn.compiler.compiled import Compiled, load_compiled
from lrnn.compiler.progress import Progress
from lrnn.compiler.reading import Tally, read_all, read_words
from lrnn.compiler.words import can_stray, lingering, longest_exhaustive, uniform
from lrnn.layers import MixerState
from lrnn.models import LanguageModel
from lrnn.recurrence import plan
from lrnn.transition import Transition

CONSTANT_LETTERS = 1_000_000
"""Margin mode reads a·a·a… of each letter, in all about so many letters, and of the two worst as many as of the longest
random word."""


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How much is checked."""

    max_words: int = 1_000_000
    """All words are read up to the length at which there would be more."""
    lengths: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    """At each length one word of uniform letters and, where these soon say nothing, one of lingering ones
    (:mod:`lrnn.compiler.words`)."""
    bfloat16_length: int = 10_000
    """Letters of the word that is tried in bfloat16; 0 is none."""
    seed: int = 0
    """Decides the random words."""

    def __post_init__(self) -> None:
        faults = []
        if self.max_words < 0:
            faults.append(f"max_words = {self.max_words}: must be >= 0")
        if any(length < 1 for length in self.lengths):
            faults.append(f"lengths = {self.lengths}: must be >= 1")
        if self.bfloat16_length < 0:
            faults.append(f"bfloat16_length = {self.bfloat16_length}: must be >= 0")
        if faults:
            raise ValueError("Checks: " + "; ".join(faults))


QUICK = Checks(max_words=2_000, lengths=(1_000, 10_000), bfloat16_length=1_000)
"""A second or less."""


def check(compiled: Compiled, checks: Checks, show: bool = False) -> Certificate:
    """Read all that ``checks`` ask for. Nothing is raised where the model errs: the certificate says so."""
    model, machine = compiled.model, compiled.machine
    rng = np.random.default_rng(checks.seed)
    longest, num_words = longest_exhaustive(len(machine.alphabet), checks.max_words)
    draws = {"uniform": uniform, "lingering": lingering} if can_stray(machine) else {"uniform": uniform}
    total = num_words + len(draws) * sum(checks.lengths)
    drift = Drift(model) if compiled.exactness == "margin" else None
    tallies: list[tuple[Reading, Tally]] = []

    def note(kind: str, length: int, words: int, tally: Tally) -> None:
        seen = None if drift is None else drift.taken()
        reading = Reading(
            kind=kind,
            length=length,
            words=words,
            errors=tally.errors,
            margin=tally.margin,
            first_error=tally.first_error,
            drift=seen,
        )
        tallies.append((reading, tally))

    with Progress(total, f"verifying {compiled.language}", show) as progress:
        note("all", longest, num_words, read_all(model, machine, longest, progress.advance))
        for length in checks.lengths:
            for kind, draw in draws.items():
                words = draw(machine, length, rng)[None]
                note(kind, length, 1, read_words(model, machine, words, drift, progress.advance))
        if drift is not None and checks.lengths:
            letters, longest_word = np.arange(len(machine.alphabet)), max(checks.lengths)
            if len(letters) > 2:
                short = max(1, min(longest_word, CONSTANT_LETTERS // len(letters)))
                tally = Tally(least=np.zeros(0))
                for some in np.array_split(letters, -(-len(letters) // 8)):  # many at once are read in short pieces
                    tally = tally.beside(read_words(model, machine, np.repeat(some[:, None], short, axis=1), drift))
                note("constant", short, len(letters), tally)
                assert tally.least is not None
                letters = np.argsort(tally.least)[:2]
            words = np.repeat(letters[:, None], longest_word, axis=1)
            note("constant", longest_word, len(letters), read_words(model, machine, words, drift))
    readings = tuple(reading for reading, _ in tallies)
    bfloat16 = _in_bfloat16(model, machine, checks.bfloat16_length, rng) if checks.bfloat16_length else None
    ran = plan(*_drive(model))
    return Certificate(
        language=compiled.language,
        structure=compiled.structure,
        method=compiled.method,
        exactness=compiled.exactness,
        mixer=model.config.mixer,
        layers=model.config.num_layers,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        longest=longest,
        num_words=num_words,
        readings=readings,
        integer=drift is None and all(tally.integer for _, tally in tallies),
        covers=None if drift is None else _covered(readings),
        drift_per_letter=None if drift is None else max((r.drift or 0) / r.length for r in readings if r.length),
        bfloat16=bfloat16,
        bfloat16_tried=checks.bfloat16_length,
        dtype=str(model.embedding.weight.dtype).removeprefix("torch."),
        device=model.embedding.weight.device.type,
        backend=ran.backend,
        algorithm=f"{ran.algorithm!r} on {ran.structure}",
        torch=torch.__version__,
    )


class Drift:
    """How far SᵀS has moved from that of the start, relative to its size; the matrices of margin mode would keep it."""

    def __init__(self, model: LanguageModel) -> None:
        self.starts = [_gram(block.mixer.initial(1)) for block in model.blocks]  # type: ignore[union-attr, operator]
        self.worst = 0.0

    def __call__(self, state: tuple[MixerState, ...]) -> None:
        for start, after in zip(self.starts, state):
            size = start.abs().amax(dim=(-2, -1), keepdim=True).clamp(min=1e-30)
            self.worst = max(self.worst, float(((_gram(after.state) - start).abs() / size).max()))

    def taken(self) -> float:
        """The worst since the last call."""
        worst, self.worst = self.worst, 0.0
        return worst


def _gram(state: Tensor) -> Tensor:
    return state.mH.double() @ state.double() if not state.is_complex() else (state.mH @ state).abs().double()


def _covered(readings: tuple[Reading, ...]) -> int:
    """Up to where every kind of long word was read without error."""
    longest: dict[str, int] = {}
    for reading in readings:
        if reading.kind != "all":
            longest[reading.kind] = max(longest.get(reading.kind, 0), reading.length)
    ends = [reading.first_error for reading in readings if reading.first_error is not None]
    return min([*longest.values(), *ends], default=0)


def _in_bfloat16(model: LanguageModel, machine: Machine, length: int, rng: np.random.Generator) -> int:
    low = copy.deepcopy(model).to(torch.bfloat16)
    tally = read_words(low, machine, lingering(machine, length, rng)[None])
    return length if tally.first_error is None else tally.first_error


def _drive(model: LanguageModel) -> tuple[Transition, Tensor, Tensor, Tensor | None]:
    """What the first layer hands to the recurrence for a word of some length."""
    device = model.embedding.weight.device
    with torch.no_grad():
        drive = model.drives(torch.zeros(1, 64, dtype=torch.int64, device=device))[0]
    assert drive is not None
    return drive.A, drive.k, drive.v, drive.q


def verify(
    compiled: Compiled | str | os.PathLike[str], checks: Checks | None = None, *, show: bool = False
) -> Certificate:
    """Check a compiled model, or the one in a folder, against its machine; None of ``checks`` is all of them.

    Raises FileNotFoundError or ValueError if the folder holds no compiled model. A model that errs raises nothing:
    ``certificate.holds`` is False.
    """
    if not isinstance(compiled, Compiled):
        compiled = load_compiled(compiled)
    return check(compiled, Checks() if checks is None else checks, show)
