"""The flags that name a language, the same for every verb of the theory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lrnn.cli.flags import POSITIONAL, Usage

if TYPE_CHECKING:
    from lrnn.automata import DFA, Group


@dataclass(frozen=True, kw_only=True)
class LanguageFlags:
    """The language: a regular expression, a file with an automaton, or a group and its letters."""

    pattern: Annotated[str | None, POSITIONAL] = None
    """A regular expression, as --regex."""
    regex: str | None = None
    """A regular expression: letters, | * + ? {m,n} ( ) . [abc] [^ab], ε the empty word; blanks are letters."""
    letters: str | None = None
    """The alphabet of the regular expression, one character each; by default the letters written in it."""
    dfa: Path | None = None
    """A file with an automaton: JSON with the fields alphabet, start, accepting, delta; else the AT&T text format."""
    group: str | None = None
    """The word problem of a group: Z_m, D_m (order 2m), S_n, A_n or a product of them: Z60, D4, S5, A5, A4xZ5."""
    generators: str | None = None
    """The letters of --group: all, swaps, 3-permutations, two-random, or names of elements separated by ';'."""


def language_of(flags: LanguageFlags) -> tuple[DFA | Group, str]:
    """The language that was named, and the generators of a group (``all`` if none were named).

    Raises Usage unless exactly one language is named, and for a flag that would not be read; ValueError for an
    expression, a file or a group with a fault; OSError if the file cannot be read.
    """
    from lrnn.automata import DFA, Group

    named = {
        "a regular expression": flags.pattern,
        "--regex": flags.regex,
        "--dfa": flags.dfa,
        "--group": flags.group,
    }
    given = [flag for flag, value in named.items() if value is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise Usage(f"name one language: a regular expression, --regex, --dfa FILE or --group NAME; got {got}")
    pattern = flags.regex if flags.pattern is None else flags.pattern
    if flags.letters is not None and pattern is None:
        raise Usage(f"--letters is the alphabet of a regular expression; {given[0]} has its own")
    if flags.generators is not None and flags.group is None:
        raise Usage("--generators are the letters of --group, which was not given")
    if pattern is not None:
        return DFA.from_regex(pattern, flags.letters), "all"
    if flags.dfa is not None:
        return (DFA.from_json(flags.dfa) if flags.dfa.suffix == ".json" else DFA.from_att(flags.dfa)), "all"
    assert flags.group is not None
    return Group(flags.group), flags.generators or "all"
