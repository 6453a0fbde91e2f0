"""An automaton in the text format of AT&T's FSM library, which OpenFst, foma and HFST read and write.

A line is an arc, ``source destination letter``, or a final state, ``state``; the first line begins with the start
state. Fields are separated by blanks or tabs. A file of symbols has the lines ``letter number``; number 0 is ε.

Shapes: Q states · A letters of the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from lrnn.automata.json_file import Spec
from lrnn.automata.text_file import read_text

EPSILON = ("<eps>", "<epsilon>", "@0@", "@_EPSILON_SYMBOL_@")
NEVER = ("inf", "infinity", "+inf")
"""Weights of arcs and of final states that are not there."""


def read_att(path: Path, alphabet: Sequence[str] | None, complete: bool) -> Spec:
    """What :meth:`lrnn.automata.DFA.from_att` says; states are numbered as they appear, letters too if no alphabet is
    given.

    Raises OSError if the file cannot be read, and ValueError with the file and the number of every faulty line.
    """
    reader = Reader(alphabet)
    for number, line in _lines(path):
        reader.read(number, line.split())
    delta = np.array(
        [[reader.arcs.get((q, letter), (-1, 0))[0] for letter in reader.letters] for q in reader.states.values()],
        dtype=np.int64,
    ).reshape(len(reader.states), len(reader.letters))
    names = tuple(reader.states)
    if not names:
        reader.faults.append("no line has a state")
    if not reader.letters:
        reader.faults.append("the alphabet is empty; no line has a letter, so pass alphabet=")
    missing = np.argwhere(delta < 0)
    if len(missing) and complete:
        names += ("(sink)",)
        delta = np.vstack([np.where(delta < 0, len(delta), delta), np.full(len(reader.letters), len(delta))])
    elif len(missing):
        entries = ", ".join(f"{names[q]} on {reader.letters[a]!r}" for q, a in missing[:10])
        more = f", and {len(missing) - 10} more" if len(missing) > 10 else ""
        reader.faults.append(
            f"the table is incomplete: no arc from state {entries}{more}; complete=True lets them lead to a state from "
            "which no word is accepted"
        )
    if reader.faults:
        more = [f"… {len(reader.faults) - 20} more"] if len(reader.faults) > 20 else []
        raise ValueError(f"{path}: " + "; ".join(reader.faults[:20] + more))
    return Spec(tuple(reader.letters), delta, 0, tuple(sorted(reader.final)), names)


def read_symbols(path: Path) -> tuple[str, ...]:
    """The letters of a file of symbols, by their numbers, without ε.

    Raises OSError if the file cannot be read, and ValueError with the number of the faulty line.
    """
    letters: dict[int, str] = {}
    for number, line in _lines(path):
        fields = line.split()
        if len(fields) != 2 or not fields[1].isdecimal():
            raise ValueError(f"{path}, line {number}: must be 'letter number', got {line.strip()!r}")
        if (place := int(fields[1])) in letters:
            raise ValueError(f"{path}, line {number}: {letters[place]!r} has number {place} already")
        letters[place] = fields[0]
    return tuple(letters[place] for place in sorted(letters) if place)


def write_att(
    path: Path, alphabet: Sequence[str], delta: Int64[np.ndarray, "Q A"], start: int, accepting: Iterable[int]
) -> None:
    """The arcs of the start state first, so that it is the first state of the file.

    Raises ValueError if a letter has a blank in it or is a sign for ε: the format cannot write that.
    """
    _check_letters(alphabet)
    order = [start, *(q for q in range(len(delta)) if q != start)]
    lines = [f"{q}\t{after}\t{letter}" for q in order for letter, after in zip(alphabet, delta[q].tolist())]
    path.write_text("\n".join([*lines, *map(str, sorted(accepting))]) + "\n", encoding="utf-8")


def write_symbols(path: Path, alphabet: Sequence[str]) -> None:
    """``<eps> 0``, and the letters from 1 on. Raises ValueError as :func:`write_att` does."""
    _check_letters(alphabet)
    path.write_text("".join(f"{letter}\t{n}\n" for n, letter in enumerate(("<eps>", *alphabet))), encoding="utf-8")


def _check_letters(alphabet: Sequence[str]) -> None:
    if wrong := [letter for letter in alphabet if letter.split() != [letter] or letter in EPSILON]:
        raise ValueError(f"letters {wrong} have a blank or mean ε, which the AT&T format cannot write; use to_json")


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, numbered from 1."""
    return [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]


class Reader:
    """The states, letters and arcs of the lines so far, and what is wrong with them."""

    def __init__(self, alphabet: Sequence[str] | None) -> None:
        self.free = alphabet is None
        self.letters = list(alphabet or ())
        self.states: dict[str, int] = {}
        self.arcs: dict[tuple[int, str], tuple[int, int]] = {}
        """Source and letter: destination and line."""
        self.final: set[int] = set()
        self.faults: list[str] = []

    def read(self, number: int, fields: list[str]) -> None:
        """Line ``number``: a final state and perhaps its weight, or source, destination, letter, and perhaps the letter
        again (the output of a transducer that copies) and a weight."""
        weight = fields[-1] if len(fields) in (2, 5) or (len(fields) == 4 and fields[3] != fields[2]) else "0"
        if len(fields) > 5 or (len(fields) == 5 and fields[3] != fields[2]) or not _is_number(weight):
            self.faults.append(
                f"line {number}: must be 'source destination letter [weight]' or 'state [weight]', "
                f"got {' '.join(fields)!r}; an output that is not the letter again makes no automaton"
            )
            return
        state = self.state(fields[0])
        if len(fields) <= 2:
            self.final |= {state} if weight.lower() not in NEVER else set()
            return
        after, letter = self.state(fields[1]), fields[2]
        if letter in EPSILON:
            self.faults.append(f"line {number}: an arc without a letter ({letter}) makes it nondeterministic")
        elif letter not in self.letters and not self.free:
            self.faults.append(f"line {number}: letter {letter!r} is not in the alphabet {tuple(self.letters)}")
        elif weight.lower() not in NEVER:
            self.letters += [letter] if letter not in self.letters else []
            before = self.arcs.setdefault((state, letter), (after, number))[1]
            if before != number:
                self.faults.append(
                    f"line {number}: nondeterministic: state {fields[0]} has an arc for {letter!r} already, "
                    f"in line {before}"
                )

    def state(self, name: str) -> int:
        return self.states.setdefault(name, len(self.states))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
