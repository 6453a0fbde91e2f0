"""Which transition structures recognize a language, and why: the answer to one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lrnn.explain.diagonal import diagonal_rows
from lrnn.explain.facts import Facts, facts_of
from lrnn.explain.groups import groups_of
from lrnn.explain.householder_bounds import householder_bounds
from lrnn.explain.householder_rows import householder_rows
from lrnn.explain.mixed_rows import mixed_rows
from lrnn.explain.report import markdown, print_report
from lrnn.explain.subject import Language, Subject
from lrnn.explain.verdict import Verdict

MAX_ELEMENTS = 200_000
MAX_SECONDS = 10.0


@dataclass(frozen=True)
class Explanation:
    """What a language is made of, and one verdict for each structure of A(x); made by :func:`explain`.

    Arguments:
        name: of the language, for people.
        facts: its machine, monoid and groups.
        verdicts: one for each structure, weaker ones first.
        least: the Householder factors per letter with eigenvalues in [-1, 1] that one layer needs at least.
        enough: a number of them that suffices; None if no number is known to, or none does.
    """

    name: str
    facts: Facts
    verdicts: tuple[Verdict, ...]
    least: int
    enough: int | None

    def verdict(self, structure: str) -> Verdict:
        """The verdict on a structure. Raises ValueError listing the structures if there is none."""
        for verdict in self.verdicts:
            if verdict.structure == structure:
                return verdict
        legal = "; ".join(verdict.structure for verdict in self.verdicts)
        raise ValueError(f"structure {structure!r} has no verdict; legal are {legal}")

    def print(self, full: bool = False) -> None:
        """Print facts, verdicts, reasons and sources as a report; ``full`` says also what each theorem states."""
        print_report(self.name, self.facts, self.verdicts, full)

    def to_json(self) -> dict[str, Any]:
        """Everything, in values that JSON has."""
        return {
            "language": self.name,
            "facts": self.facts.to_json(),
            "num_householders": {"least": self.least, "enough": self.enough},
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
        }

    def to_markdown(self) -> str:
        """Facts and verdicts as tables of Markdown."""
        return markdown(self.name, self.facts, self.verdicts)


def explain(
    language: Language,
    generators: str | Sequence[int] = "all",
    *,
    max_elements: int = MAX_ELEMENTS,
    max_seconds: float = MAX_SECONDS,
) -> Explanation:
    """Say which transition structures recognize a language, in how many layers, and by which theorem.

    A layer recognizes a language if there are A(x), W(x) and S_0, in exact arithmetic, with which finitely many states
    are reached, and the label is a function of the state S_t and the letter x_t. The label is asked after every letter,
    not before the first. A layer may have any number of heads.

    Arguments:
        language: a regular expression, a DFA, a Machine (one label per state), or a Group, which stands for its word
            problem.
        generators: of a group, the elements that serve as letters, as in :func:`lrnn.automata.generators`, or their
            numbers.
        max_elements: cap on the syntactic monoid; above it what depends on it is open.
        max_seconds: cap on the search for it.

    Raises ValueError for a regular expression that is none, for generators that do not generate the group, and for
    generators of what is no group.

    >>> from lrnn.automata import Group
    >>> swaps = explain(Group("S5"), "swaps")
    >>> swaps.least, swaps.enough
    (1, 1)
    >>> explain("(aa)*b").verdict("diagonal, [0, 1]").several_layers.detail
    'the language contains Z2: it is not star-free'
    """
    subject = Subject.of(language, generators, max_elements, max_seconds)
    groups = groups_of(subject)
    bounds = householder_bounds(subject)
    verdicts = (
        *diagonal_rows(subject, groups),
        *householder_rows(subject, groups, bounds),
        *mixed_rows(subject, bounds),
    )
    if not subject.is_exact:  # the compiler starts from a machine that can be asked before the first letter
        verdicts = tuple(verdict.as_theorem() for verdict in verdicts)
    name = _name(language, generators)
    return Explanation(name, facts_of(subject, groups), verdicts, bounds.lower, bounds.upper)


def _name(language: Language, generators: str | Sequence[int]) -> str:
    match language:
        case str():
            return language
        case _ if hasattr(language, "order"):
            chosen = generators if isinstance(generators, str) else f"{len(generators)} elements"
            return f"word problem of {language.name}, letters: {chosen}"  # type: ignore[union-attr]
    return f"{type(language).__name__} with {language.minimal.num_states} states"  # type: ignore[union-attr]
