"""An automaton in a JSON file, its states named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from lrnn.automata.text_file import read_text

FIELDS = ("alphabet", "start", "accepting", "delta")


@dataclass(frozen=True)
class Spec:
    """What the file says, with states and letters as numbers."""

    alphabet: tuple[str, ...]
    delta: Int64[np.ndarray, "Q A"]
    start: int
    accepting: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def numbering(self) -> str:
        """Which number stands for which name."""
        return ", ".join(f"{number} = {name!r}" for number, name in enumerate(self.names[:20]))


def read_json(path: Path) -> Spec:
    """Read and check the fields; :class:`lrnn.automata.DFA` checks what they mean together.

    Raises OSError if the file cannot be read, and ValueError with the file and the line or every faulty field.
    """
    data = _load(path)
    faults: list[str] = []
    alphabet = _strings(data, "alphabet", faults)
    accepting = _strings(data, "accepting", faults)
    delta = data.get("delta")
    if not isinstance(delta, dict) or not all(isinstance(row, dict) for row in delta.values()):
        faults.append('field "delta" must be an object of objects: {state: {letter: next state}}')
        delta = {}
    names = tuple(delta)
    numbers = {name: number for number, name in enumerate(names)}
    some = ", ".join(map(repr, names[:20]))

    def number(where: str, name: Any) -> int:
        if not isinstance(name, str) or name not in numbers:
            faults.append(f'{where}: {name!r} is no state of "delta"; its states are {some}')
            return 0
        return numbers[name]

    rows = []
    for name, row in delta.items():
        if missing := [letter for letter in alphabet if letter not in row]:
            faults.append(
                f'field "delta"["{name}"]: no entry for {missing}; every letter needs one, so name a sink state'
            )
        if unknown := [letter for letter in row if letter not in alphabet]:
            faults.append(f'field "delta"["{name}"]: {unknown} not in "alphabet"')
        rows.append(
            [number(f'field "delta"["{name}"]["{letter}"]', row[letter]) for letter in alphabet if letter in row]
        )
    if names:
        start = number('field "start"', data.get("start"))
        final = tuple(number('field "accepting"', name) for name in accepting)
    if faults:
        raise ValueError(f"{path}: " + "; ".join(faults[:20]) + (f"; … {len(faults) - 20} more" if faults[20:] else ""))
    if not names:
        raise ValueError(f'{path}: field "delta" has no state')
    return Spec(tuple(alphabet), np.array(rows, dtype=np.int64).reshape(len(names), -1), start, final, names)


def _load(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        data = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: must hold a JSON object with the fields {', '.join(FIELDS)}")
    faults = [f'field "{name}" is missing' for name in FIELDS if name not in data]
    faults += [f'field "{name}" is unknown' for name in data if name not in FIELDS]
    if faults:
        raise ValueError(f"{path}: {'; '.join(faults)}; the fields are {', '.join(FIELDS)}")
    return data


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON readers keep the last of two equal keys without a word; here it is an error."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{twice} given more than once in one object")
    return dict(pairs)


def _strings(data: dict[str, Any], name: str, faults: list[str]) -> list[str]:
    value = data[name]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        faults.append(f'field "{name}" must be a list of strings')
        return []
    return value


def write_json(
    path: Path, alphabet: Sequence[str], delta: Int64[np.ndarray, "Q A"], start: int, accepting: Iterable[int]
) -> None:
    """The fields that :func:`read_json` reads, with one line for each state; states are named by their numbers."""
    rows = [
        f"  {json.dumps(str(q))}: " + json.dumps(dict(zip(alphabet, map(str, row))), ensure_ascii=False)
        for q, row in enumerate(delta.tolist())
    ]
    fields = {"alphabet": list(alphabet), "start": str(start), "accepting": [str(q) for q in sorted(accepting)]}
    head = ",\n ".join(f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in fields.items())
    path.write_text("{" + head + ',\n "delta": {\n' + ",\n".join(rows) + "}}\n", encoding="utf-8")
