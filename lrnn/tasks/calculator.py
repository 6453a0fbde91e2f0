"""A calculator that reads expressions letter by letter.

Shapes: B words · T letters of the widest word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Int64

from lrnn.automata import DFA
from lrnn.automata.run import run_table
from lrnn.tasks.task import NOT_ASKED


class Calculator:
    """Values mod m of expressions in digits, ``- + *``, brackets and ``=``, with × binding first.

    Without brackets it is an automaton of 2 m² states. After an operand its state is (a, b): the value is a + b, and b
    is the product that a further × goes on with. After a sign it is (a, c): the operand that comes is multiplied by c,
    and joins a. So ``+`` leads from (a, b) to (a + b, 1), ``-`` to (a + b, −1), ``*`` to (a, b); a digit d leads from
    (a, c) to (a, c·d), and a minus in front from (a, c) to (a, −c). An opening bracket puts the state aside and starts
    anew; a closing one takes it up again and reads the value in the bracket as if it were a digit.

    Arguments:
        modulus: m, at least 2.
        alphabet: its letters; the first m are the digits in order.
    """

    def __init__(self, *, modulus: int, alphabet: Sequence[str]) -> None:
        self.modulus, self.alphabet = modulus, tuple(alphabet)
        self.minus, self.equals = self.alphabet.index("-"), self.alphabet.index("=")
        self.brackets = (self.alphabet.index("("), self.alphabet.index(")")) if "(" in self.alphabet else None
        m = modulus
        self._before = m * m  # states from here on are those after a sign
        self._start = self._before + 1  # (0, 1)
        a, b = np.divmod(np.arange(m * m), m)
        # What makes no sense, as a digit behind a digit, leads nowhere: the state stays.
        delta = np.repeat(np.arange(2 * m * m)[:, None], len(self.alphabet), axis=1)
        total = (a + b) % m
        delta[: m * m, self.minus] = self._before + total * m + m - 1
        delta[: m * m, self.alphabet.index("+")] = self._before + total * m + 1
        if "*" in self.alphabet:
            delta[: m * m, self.alphabet.index("*")] = self._before + a * m + b
        delta[m * m :, :m] = a[:, None] * m + b[:, None] * np.arange(m) % m
        delta[m * m :, self.minus] = self._before + a * m + -b % m
        if self.brackets:
            delta[:, self.brackets[0]] = self._start
        self._delta = delta.astype(np.int64)
        # The value after an operand; after a sign there is none.
        self._value = np.concatenate([total, np.full(m * m, NOT_ASKED)])

    def values(self, words: Int[np.ndarray, "B T"]) -> Int64[np.ndarray, "B T"]:
        """The value of every prefix that is an expression, and of the whole at ``=``; -100 elsewhere.

        A prefix is an expression if it ends in an operand and has no bracket open. The words must be expressions.
        """
        if self.brackets is None:
            return self._value[run_table(self._delta, words, self._start)]
        opening, closing = self.brackets
        letters = np.ascontiguousarray(words.T, dtype=np.int64)
        closes = letters == closing
        depth = ((letters == opening).astype(np.int64) - closes).cumsum(0)
        rows, count = np.arange(words.shape[0]), words.shape[0]
        aside = np.full((int(depth.max(initial=0)) + 2) * count, self._start)
        state = np.full(count, self._start)
        states, delta, num_letters = np.empty_like(letters), self._delta.reshape(-1), len(self.alphabet)
        place = rows  # in `aside`, for the depth before the letter
        for letter, close, deep, after in zip(letters, closes, depth, states):
            aside[place] = state
            place = deep * count + rows
            letter = np.where(close, self._value.take(state), letter)
            state = np.where(close, aside.take(place), state)
            state = delta.take(state * num_letters + letter, out=after, mode="clip")
        return np.ascontiguousarray(np.where(depth == 0, self._value.take(states), NOT_ASKED).T)

    def language(self, max_depth: int) -> DFA:
        """The words ``expression =`` with at most ``max_depth`` brackets inside each other, as an automaton over the
        alphabet, which must have brackets.

        Its states are, for each depth, (the start of an expression, before an operand, after an operand); then the
        end, and a sink.
        """
        assert self.brackets is not None
        opening, closing = self.brackets
        depth = np.arange(max_depth + 1)
        start, before, after = 3 * depth, 3 * depth + 1, 3 * depth + 2
        end, sink = 3 * (max_depth + 1), 3 * (max_depth + 1) + 1
        delta = np.full((sink + 1, len(self.alphabet)), sink)
        for operand in (start, before):
            delta[operand, : self.modulus] = after[:, None]
            delta[operand[:-1], opening] = start[1:]
        delta[start, self.minus] = before
        delta[after[:, None], [self.alphabet.index(sign) for sign in "-+*" if sign in self.alphabet]] = before[:, None]
        delta[after[1:], closing] = after[:-1]
        delta[after[0], self.equals] = end
        return DFA(alphabet=self.alphabet, delta=delta, start=0, accepting={end})
