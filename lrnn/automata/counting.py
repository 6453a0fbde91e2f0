"""Exact numbers of words, and the word with a given number.

Shapes: T letters.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from jaxtyping import Int64

from lrnn.automata.dfa import DFA


def count_words(dfa: DFA, length: int, accepted: bool = True) -> int:
    """Exact number of words of that length that are accepted, or rejected.

    Raises ValueError if the length is negative.

    >>> [count_words(DFA.from_regex("(ab|ba)*"), length) for length in range(5)]
    [1, 0, 2, 0, 4]
    """
    _check(length)
    ways, delta = _verdicts(dfa, accepted), dfa.delta.tolist()
    for _ in range(length):
        ways = _one_more(delta, ways)
    return ways[dfa.start]


def word_at(dfa: DFA, length: int, index: int, accepted: bool = True) -> Int64[np.ndarray, "T"]:
    """The accepted (or rejected) word of that length with number ``index``, from 0 on, in the order of a dictionary
    with letters in the order of the alphabet; as letter numbers.

    Exact, with Python's integers: they have up to T · log2 A bits, so the time grows with T² where words are plenty,
    and with T where they are few. The counts of only 2 √T lengths are held at a time.

    Raises ValueError if the length is negative or there is no such word.

    >>> dfa = DFA.from_regex("a*b*")
    >>> ["".join(dfa.alphabet[letter] for letter in word_at(dfa, 2, index)) for index in range(3)]
    ['aa', 'ab', 'bb']
    """
    _check(length)
    block = isqrt(length) + 1
    checkpoints = [_verdicts(dfa, accepted)]
    while len(checkpoints) * block <= length:
        checkpoints.append(_ways(dfa, checkpoints[-1], block)[-1])
    last = checkpoints[-1] if length % block == 0 else _ways(dfa, checkpoints[-1], length % block)[-1]
    count = last[dfa.start]
    kind = f"{'accepted' if accepted else 'rejected'} word of length {length:,}"
    if not count:
        raise ValueError(f"there is no {kind}")
    if not 0 <= index < count:
        # Python refuses to write out numbers of thousands of digits.
        shown = [f"{n:,}" if abs(n) < 10**30 else f"about 2^{n.bit_length()}" for n in (count - 1, index)]
        raise ValueError(f"index must be 0 … {shown[0]}, got {shown[1]}, for the {kind}")
    word, state, delta = np.empty(length, dtype=np.int64), dfa.start, dfa.delta.tolist()
    ways: list[list[int]] = []
    for to_go in reversed(range(length)):
        if to_go % block == block - 1 or not ways:
            ways = _ways(dfa, checkpoints[to_go // block], to_go % block)
        behind = ways[to_go % block]
        for letter, after in enumerate(delta[state]):
            if index < behind[after]:
                word[length - 1 - to_go], state = letter, after
                break
            index -= behind[after]
    return word


def _check(length: int) -> None:
    if length < 0:
        raise ValueError(f"length must be at least 0, got {length}")


def _verdicts(dfa: DFA, accepted: bool) -> list[int]:
    return (dfa.accepts_in == accepted).astype(int).tolist()


def _ways(dfa: DFA, first: list[int], steps: int) -> list[list[int]]:
    """From the numbers of words of r letters that lead from each state to the verdict: those of r … r + steps."""
    rows, delta = [first], dfa.delta.tolist()
    for _ in range(steps):
        rows.append(_one_more(delta, rows[-1]))
    return rows


def _one_more(delta: list[list[int]], ways: list[int]) -> list[int]:
    return [sum([ways[after] for after in row]) for row in delta]
