"""Random walks through an automaton, one letter of all of them at a time, or many stretches at once.

A walk is at a code: label · Q · A + state · A, the place of its state among the shares of a step. So the code plus the
letter drawn is the place of the next code in a table.

Shapes: n steps · B walks · Y labels · Q states · A letters of the alphabet · c stretches of m steps.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from jaxtyping import Float, Int, Int64

FEW = 512
"""Walks times states up to which stretches from every state at once are faster than step after step."""


class Walk:
    """Where a walk goes from each code with each letter."""

    def __init__(self, delta: Int64[np.ndarray, "Q A"], num_labels: int) -> None:
        self.num_states, self.num_letters = delta.shape
        codes = np.arange(num_labels)[:, None, None] * delta.size + delta * self.num_letters
        self._after = codes.reshape(-1)

    def codes(self, labels: Int64[np.ndarray, "*n"], states: int | np.ndarray) -> np.ndarray:
        return (labels * self.num_states + states) * self.num_letters

    def states(self, codes: np.ndarray) -> np.ndarray:
        return codes // self.num_letters % self.num_states

    def whole(
        self,
        shares: Float[np.ndarray, "n Y Q A"],
        chances: Float[np.ndarray, "T B"],
        code: Int64[np.ndarray, "B"],
        lengths: Int[np.ndarray, "B"],
    ) -> tuple[Int64[np.ndarray, "T B"], Int64[np.ndarray, "T B"]]:
        """Words of at most n letters from the first to the last: the letters, 0 behind the end, and the codes after
        them.

        Arguments:
            shares: row r − 1: up to which number in [0, 1) letter 0, 1, … is drawn with r letters to go.
            chances: random numbers in [0, 1).
            code: where each word begins.
        """
        letters, codes = np.empty(chances.shape, dtype=np.int64), np.empty(chances.shape, dtype=np.int64)
        flat, row = shares.reshape(-1), shares[:1].size
        to_go = (lengths - 1) * row
        for chance, drawn, after in zip(chances, letters, codes):
            self._draw(flat, to_go + code, chance, drawn)
            code = np.take(self._after, code + drawn, out=after, mode="clip")  # "clip" spares a copy
            to_go = np.maximum(to_go - row, 0)
        letters *= np.arange(len(letters))[:, None] < lengths
        return letters, codes

    def block(
        self,
        shares: Float[np.ndarray, "n Y Q A"],
        chances: Float[np.ndarray, "n B"],
        code: Int64[np.ndarray, "B"],
        begun: Int[np.ndarray, "n"],
    ) -> tuple[Int64[np.ndarray, "n B"], Int64[np.ndarray, "n B"]]:
        """A stretch of long words, all with as many letters to go: the letters and the codes after them. ``code`` is
        moved along.

        Arguments:
            shares: those of each step, from the most letters to go to the fewest.
            begun: how many words, the first ones, have begun at each step; what is returned of others means nothing.
        """
        if len(shares) >= 256 and begun[0] == len(code) and len(code) * self.num_states <= FEW:
            return self._stretches(shares, chances, code)
        letters, codes = np.empty(chances.shape, dtype=np.int64), np.empty(chances.shape, dtype=np.int64)
        flat = shares.reshape(len(shares), shares[:1].size)
        for up_to, chance, drawn, after, count in zip(flat, chances, letters, codes, begun.tolist()):
            here = code[:count]
            self._draw(up_to, here, chance[:count], drawn[:count])
            np.take(self._after, here + drawn[:count], out=here, mode="clip")
            after[:count] = here
        return letters, codes

    def _draw(self, up_to: np.ndarray, place: np.ndarray, chance: np.ndarray, letters: np.ndarray) -> None:
        """Write down the number of letters whose share ends at or below the random number."""
        letters[:] = chance >= up_to.take(place)
        for letter in range(1, self.num_letters - 1):
            letters += chance >= up_to.take(place + letter)

    def _stretches(
        self,
        shares: Float[np.ndarray, "n Y Q A"],
        chances: Float[np.ndarray, "n B"],
        code: Int64[np.ndarray, "B"],
    ) -> tuple[Int64[np.ndarray, "n B"], Int64[np.ndarray, "n B"]]:
        """The same in c stretches of m ≈ c steps: all stretches are walked from every state side by side, then it is
        seen from which state each of them had to be."""
        length = isqrt(len(shares))
        count, first = divmod(len(shares), length)
        head = self.block(shares[:first], chances[:first], code, np.full(first, len(code)))
        flat = np.ascontiguousarray(shares[first:]).reshape(-1)
        luck = chances[first:].reshape(count, length, len(code), 1)
        own = code // (self.num_states * self.num_letters)
        here = np.tile(self.codes(own[:, None], np.arange(self.num_states)), (count, 1, 1))  # [c, B, Q]
        letters = np.empty((count, length, *here.shape[1:]), dtype=np.int64)
        codes = np.empty_like(letters)
        row = shares[0].size
        stretch = (np.arange(count) * length * row)[:, None, None]
        for step in range(length):
            drawn = letters[:, step]
            self._draw(flat, here + (stretch + step * row), luck[:, step], drawn)
            codes[:, step] = here = self._after.take(here + drawn)
        every, ends = np.arange(len(code)), self.states(here)
        state, began = self.states(code), np.empty((count, 1, len(code), 1), dtype=np.int64)
        for stretch, end in enumerate(ends):
            began[stretch, 0, :, 0] = state
            state = end[every, state]
        code[:] = self.codes(own, state)
        tail = [np.take_along_axis(array, began, axis=3).reshape(-1, len(code)) for array in (letters, codes)]
        return np.concatenate((head[0], tail[0])), np.concatenate((head[1], tail[1]))
