"""Any regular language, given as a regular expression or as a file with its automaton."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lrnn.automata import DFA
from lrnn.tasks.membership import Membership


@dataclass(frozen=True, kw_only=True)
class Regular(Membership):
    """Is the word in the language of a regular expression, or of an automaton in a JSON file?

    Raises ValueError unless exactly one of ``regex`` and ``dfa`` is given; for an expression or a file with a fault,
    saying where (see :meth:`lrnn.automata.DFA.from_regex` and ``from_json``); and for a language that accepts, or
    rejects, every word of one or more letters. Raises OSError if the file cannot be read.

    >>> batch = Regular(regex="(ab|ba)*").sample(4, 6, seed=0)
    >>> batch.words.shape, batch.labels[:, -1].unique()
    (torch.Size([4, 6]), tensor([0, 1]))
    """

    regex: str | None = None
    """A regular expression: letters, | * + ? {m,n} ( ) . [abc] [^ab], ε the empty word; blanks are letters."""
    dfa: str | None = None
    """A JSON file with the fields alphabet, start, accepting, delta: {state: {letter: next state}}."""
    letters: str | None = None
    """The alphabet of `regex`, one character each; by default the letters written in it."""

    name: ClassVar[str] = "regular"

    def __post_init__(self) -> None:
        if (self.regex is None) == (self.dfa is None):
            raise ValueError(f"give exactly one of regex and dfa, got regex = {self.regex!r}, dfa = {self.dfa!r}")
        if self.dfa is not None and self.letters is not None:
            raise ValueError("letters is the alphabet of regex; an automaton in a file has its own")
        super().__post_init__()

    @cached_property
    def language(self) -> DFA:
        if self.dfa is not None:
            return DFA.from_json(self.dfa).minimal
        assert self.regex is not None
        return DFA.from_regex(self.regex, self.letters)
