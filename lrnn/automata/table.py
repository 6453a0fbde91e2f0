"""The table of an automaton: what is checked of it and of the words that it reads.

Shapes: B words · T letters · Q states · A letters of the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata.run import reachable


def checked_table(
    alphabet: Sequence[str], delta: Int[np.ndarray, "Q A"] | Sequence[Sequence[int]], states: Iterable[int], start: int
) -> Int64[np.ndarray, "Q A"]:
    """``delta`` as a read-only array of its own.

    Arguments:
        states: those that are mentioned beside the table, as the accepting ones; they must exist.

    Raises ValueError listing every fault: an empty alphabet or one with a letter twice, a table that is not [Q, A],
    entries that are no states, mentioned states that do not exist, states that no word reaches.
    """
    table = _rectangle(alphabet, delta)
    faults = alphabet_faults(alphabet)
    faults += [
        f"delta[{q}, {alphabet[a]!r}] is {table[q, a]}, which is no state (0 … {len(table) - 1})"
        for q, a in np.argwhere((table < 0) | (table >= len(table)))[:10]
    ]
    wrong = [state for state in sorted({start, *states}) if not 0 <= state < len(table)]
    faults += [f"state {state} (start, or accepting) does not exist (0 … {len(table) - 1})" for state in wrong]
    if not faults and not (reached := reachable(table, start)).all():
        lost = np.flatnonzero(~reached).tolist()
        faults.append(f"no word reaches the states {lost[:20]}; remove them, as DFA.trimmed does")
    if faults:
        raise ValueError("; ".join(faults))
    table.flags.writeable = False
    return table


def _rectangle(alphabet: Sequence[str], delta: Int[np.ndarray, "Q A"] | Sequence[Sequence[int]]) -> np.ndarray:
    try:
        table = np.array(delta)
    except ValueError:
        table = np.zeros(0)
    if table.ndim != 2 or not table.shape[0] or table.shape[-1] != len(alphabet) or table.dtype.kind not in "iu":
        raise ValueError(
            f"delta must be a table of integers with one row for each state and {len(alphabet)} columns, one for each "
            f"letter; got shape {table.shape}, dtype {table.dtype}: an incomplete table needs a rejecting state for "
            "the missing entries"
        )
    return table.astype(np.int64)


def alphabet_faults(alphabet: Sequence[str]) -> list[str]:
    """What is wrong with the letters."""
    faults = [] if len(alphabet) else ["the alphabet is empty; it needs at least one letter"]
    if twice := sorted({letter for letter in alphabet if list(alphabet).count(letter) > 1}):
        faults.append(f"the alphabet has {twice} more than once")
    if any(not isinstance(letter, str) or not letter for letter in alphabet):
        faults.append("each letter of the alphabet must be a non-empty str")
    return faults


def letter_numbers(alphabet: Sequence[str], word: Iterable[str]) -> Int64[np.ndarray, "T"]:
    """The numbers of the letters of a word. Raises ValueError for unknown letters."""
    numbers = {letter: number for number, letter in enumerate(alphabet)}
    word = list(word)
    if unknown := sorted({letter for letter in word if letter not in numbers}):
        raise ValueError(f"word has letters outside the alphabet {tuple(alphabet)}: {unknown}")
    return np.array([numbers[letter] for letter in word], dtype=np.int64)


def check_letters(words: Int[np.ndarray, "B T"], num_letters: int) -> None:
    """Raises ValueError if a number is no letter."""
    if words.size and (words.min() < 0 or words.max() >= num_letters):
        raise ValueError(f"words must hold letter numbers 0 … {num_letters - 1}, got {words.min()} … {words.max()}")
