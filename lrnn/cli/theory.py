"""The verbs of the theory: what a language needs, and a model that is right by construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from lrnn.cli.flags import POSITIONAL, Usage, typed
from lrnn.cli.language import LanguageFlags, language_of


@dataclass(frozen=True, kw_only=True)
class Question(LanguageFlags):
    """Which language is explained, and how far its monoid is searched."""

    full: bool = False
    """Say also what each theorem states."""
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
    explanation.print(wanted.full)
    if wanted.json is not None:
        wanted.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(wanted.json, explanation.to_json())
        print(f"Answers: {wanted.json}")


@dataclass(frozen=True, kw_only=True)
class Order(LanguageFlags):
    """Which language is compiled, into what, and where the model goes."""

    output: Path | None = None
    """A new folder for the model, its vocabulary, its machine and its certificate. Nothing is overwritten."""
    structure: Literal["householder", "complex_diagonal", "diagonal", "permutation_diagonal", "dense"] | None = None
    """The transition structure; none is the first that can do it."""
    eigenvalues: tuple[int, int] = (-1, 1)
    """Range of the real eigenvalues of householder and diagonal: 0,1 or -1,1."""
    num_householders: int | None = None
    """At most so many reflections per letter; none is as many as it takes."""
    exactness: Literal["integer", "margin"] | None = None
    """integer: nothing is rounded at any length; margin: orthogonal matrices, fewer reflections; none is integer where
    that can be had."""
    quick: bool = False
    """Check words up to 10,000 letters only, instead of up to a million."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is checked again."""

    folder: Annotated[Path, POSITIONAL]
    """What `lrnn compile` left."""
    quick: bool = False
    """Check words up to 10,000 letters only, instead of up to a million."""
    seed: int = 0
    """Decides the random words."""


def compile(argv: Sequence[str]) -> None:
    """Make a model that recognizes a language exactly, and a certificate that says how that was checked."""
    from lrnn.compiler import QUICK, Checks
    from lrnn.compiler import compile as compiled

    wanted = typed(Order, argv, compile)
    if wanted.output is None:
        raise Usage("name a new folder for the model with -o DIR")
    if wanted.output.exists() and (not wanted.output.is_dir() or any(wanted.output.iterdir())):
        raise FileExistsError(f"{wanted.output} already exists and is never overwritten: choose another folder")
    language, generators = language_of(wanted)
    pattern = wanted.pattern if wanted.regex is None else wanted.regex
    made = compiled(
        pattern if pattern is not None and wanted.letters is None else language,  # the expression is a better name
        wanted.structure,
        generators=generators,
        eigenvalues=wanted.eigenvalues,
        num_householders=wanted.num_householders,
        exactness=wanted.exactness,
        verify=QUICK if wanted.quick else Checks(),
        show=True,
    )
    made.save(wanted.output)
    print(made.certificate)
    print(f"Model: {wanted.output}")


def verify(argv: Sequence[str]) -> None:
    """Check a compiled model against its machine again, and write the new certificate."""
    from lrnn.compiler import QUICK, Checks, load_compiled
    from lrnn.compiler import verify as checked

    wanted = typed(Check, argv, verify)
    made = load_compiled(wanted.folder)
    certificate = checked(made, replace(QUICK if wanted.quick else Checks(), seed=wanted.seed), show=True)
    replace(made, certificate=certificate).save(wanted.folder)
    print(certificate)
    if not certificate.holds:
        raise RuntimeError(f"{wanted.folder}: the model errs; its certificate says where")
