"""The verbs of the theory: what a language needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lrnn.cli.flags import Usage, typed
from lrnn.cli.language import LanguageFlags, language_of


@dataclass(frozen=True, kw_only=True)
class Question(LanguageFlags):
    """Which language is explained, and how far its monoid is searched."""

    json: Path | None = None
    """A new JSON file for the answers; none is no file. Nothing is overwritten."""
    max_elements: int = 200_000
    """Elements of the syntactic monoid above which it counts as unknown."""
    max_seconds: float = 10.0
    """Seconds of search after which it counts as unknown."""


def explain(argv: Sequence[str]) -> None:
    """Say which transition structures recognize a language, in how many layers, and by which theorem."""
    from lrnn.explain import explain as answer
    from lrnn.train.files import write_json

    wanted = typed(Question, argv, explain)
    if wanted.json is not None and wanted.json.exists():
        raise FileExistsError(f"{wanted.json} already exists and is never overwritten: choose another file")
    for flag, value in (("--max-elements", wanted.max_elements), ("--max-seconds", wanted.max_seconds)):
        if value <= 0:
            raise Usage(f"{flag} {value}: must be positive")
    language, generators = language_of(wanted)
    explanation = answer(language, generators, max_elements=wanted.max_elements, max_seconds=wanted.max_seconds)
    if (name := wanted.pattern or wanted.regex or wanted.dfa) is not None:
        explanation = replace(explanation, name=str(name))
    explanation.print()
    if wanted.json is not None:
        wanted.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(wanted.json, explanation.to_json())
        print(f"Answers: {wanted.json}")
