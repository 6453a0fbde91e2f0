"""A file of labelled words, checked line by line.

Two formats, told apart by the ending of the name:

``.tsv``, ``.txt``
    A word, a tab, its label. With the first line ``word<TAB>labels`` the second column holds one label for each letter,
    separated by blanks, ``?`` where nothing is asked. The first line may also be ``word<TAB>label``.
``.jsonl``
    An object on each line: ``{"word": "abba", "label": "yes"}`` or ``{"word": ["a", "b"], "labels": [0, null]}``; a
    label is a string, an integer, true or false, and null where nothing is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_SHOWN = 20
"""Bad lines that an error shows; it says how many more there are."""

ENDINGS = (".tsv", ".txt", ".jsonl")


@dataclass(frozen=True)
class Entry:
    """One word with its answers."""

    word: tuple[str, ...]
    labels: tuple[str | None, ...]
    """One for each letter; None where nothing is asked."""
    line: int


class _Bad(Exception):
    """The reason why a line is bad."""


def read_words(path: Path, separator: str) -> tuple[list[Entry], int]:
    """The different words of a file in order, and how many lines repeat one of them with the same labels.

    Arguments:
        path: the file.
        separator: what stands between two letters of a word; ``""`` if every character is a letter, ``" "`` for any
            run of blanks.

    Raises OSError if the file cannot be read, and ValueError if its ending is unknown, if it holds no word, or if any
    line is bad, listing file, line and reason of the first 20: then nothing is read.
    """
    if path.suffix not in ENDINGS:
        raise ValueError(f"words = {path}: must be a file whose name ends in one of {', '.join(ENDINGS)}")
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise type(error)(f"words = {path}: cannot be read: {error.strerror or error}") from error
    if not lines[-1]:
        lines.pop()
    parse, first = _from_json, 0
    if path.suffix != ".jsonl":
        header = lines[0].rstrip(b"\r") if lines else b""
        first = int(header in (b"word\tlabel", b"word\tlabels"))
        parse = _from_row_of_labels if header == b"word\tlabels" else _from_row
    entries: dict[tuple[str, ...], Entry] = {}
    repeats, bad = 0, []
    for number, line in enumerate(lines[first:], first + 1):
        try:
            entry = _entry(line, number, separator, parse)
            known = entries.setdefault(entry.word, entry)
            if known.labels != entry.labels:
                raise _Bad(f"the word of line {known.line} again, with another label")
            repeats += known is not entry
        except _Bad as reason:
            bad.append(f"{path}, line {number}: {reason}")
    if bad:
        more = [f"… and {len(bad) - MOST_SHOWN} more"] if len(bad) > MOST_SHOWN else []
        raise ValueError(
            "\n  ".join([f"words = {path}: {len(bad)} bad line{'s' if len(bad) > 1 else ''}", *bad[:MOST_SHOWN], *more])
        )
    if not entries:
        raise ValueError(f"words = {path}: the file holds no word")
    return list(entries.values()), repeats


def _entry(line: bytes, number: int, separator: str, parse: Callable[[str], tuple[Any, Any, bool]]) -> Entry:
    try:
        text = line.decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise _Bad(f"not UTF-8 text (byte {error.start + 1})") from None
    if not text.strip():
        raise _Bad("the line is blank")
    word, answer, each = parse(text)
    letters = _letters(word, separator)
    if not each:
        return Entry(letters, (None,) * (len(letters) - 1) + (_label(answer),), number)
    if len(answer) != len(letters):
        raise _Bad(f"{len(letters)} letters but {len(answer)} labels")
    labels = tuple(None if label is None else _label(label) for label in answer)
    if not any(labels):
        raise _Bad("no letter has a label")
    return Entry(letters, labels, number)


def _from_row(text: str) -> tuple[str, str, bool]:
    cells = text.split("\t")
    if len(cells) != 2:
        raise _Bad(f"must be a word, a tab, a label; got {len(cells)} column{'s' if len(cells) > 1 else ''}")
    return cells[0], cells[1].strip(), False


def _from_row_of_labels(text: str) -> tuple[str, list[str | None], bool]:
    word, labels, _ = _from_row(text)
    return word, [None if label == "?" else label for label in labels.split()], True


def _from_json(text: str) -> tuple[Any, Any, bool]:
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _Bad(f"no JSON: {error}") from None
    fields = set(data) if isinstance(data, dict) else set()
    if fields not in ({"word", "label"}, {"word", "labels"}):
        got = f"the fields {', '.join(map(repr, data))}" if fields else text[:40]
        raise _Bad(f"must be an object with 'word' and either 'label' or 'labels'; got {got}")
    if "label" in data:
        return data["word"], data["label"], False
    if not isinstance(data["labels"], list):
        raise _Bad(f"'labels' must be a list, one for each letter; got {data['labels']!r}")
    return data["word"], data["labels"], True


def _letters(word: Any, separator: str) -> tuple[str, ...]:
    if isinstance(word, str):
        word = list(word) if not separator else word.split() if separator == " " else word.split(separator)
        if word == [""]:
            word = []
    if not isinstance(word, list) or not all(isinstance(letter, str) for letter in word):
        raise _Bad(f"a word must be a string or a list of letters; got {word!r}")
    if not word:
        raise _Bad("the word is empty: a label needs a letter that it stands at")
    if not all(word):
        raise _Bad(f"a letter is empty: separator {separator!r} at an end or twice in a row")
    return tuple(word)


def _label(value: Any) -> str:
    if isinstance(value, bool | int):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise _Bad(f"a label must be a string, an integer, true or false; got {value!r}")
    if not value:
        raise _Bad("the label is empty")
    return value
