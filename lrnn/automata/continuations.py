"""How a word may go on: in which states, with so many letters to go, each next letter leads to how many words.

Let N_r(q, y) be the number of words of r letters that lead from state q to a state with label y. Of those, letter a is
the first in N_{r−1}(delta[q, a], y). Logarithms are kept, so that no count is too large or too small, and only their
differences within one r and y, which is all that a probability needs.

Shapes: Q states · A letters of the alphabet · Y labels · n letters to go, in a block.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

KEPT_CELLS = 2**24
"""Blocks are kept while they have no more numbers than this, 128 MB; others are made anew when they are needed."""

BLOCK_CELLS = 2**22
SHORTEST_BLOCK, LONGEST_BLOCK = 512, 4096
MAX_DOUBLED = 10
"""Up to so many states, r is doubled with a matrix Q × Q in place of counted up: more numbers, but far fewer steps."""

GROWTH = 230.0
"""Logarithm of the factor 10¹⁰⁰ by which plain numbers may grow and differ before they are made logarithms again."""


class Continuations:
    """Shares of each next letter for any number of letters to go, in blocks that are made from checkpoints.

    Of length L, the checkpoints have L / size · Y · Q numbers and a block has size · Y · Q · A.

    Arguments:
        labels: the label of each state.
    """

    def __init__(
        self, delta: Int64[np.ndarray, "Q A"], start: int, labels: Int64[np.ndarray, "Q"], num_labels: int
    ) -> None:
        self.delta, self.start = delta, start
        num_states, num_letters = delta.shape
        self._doubles = num_states <= MAX_DOUBLED
        cells = num_labels * num_states * max(num_letters, num_states if self._doubles else 0)
        fitting = 1 << max(0, (BLOCK_CELLS // cells).bit_length() - 1)
        self.size = min(max(fitting, SHORTEST_BLOCK), LONGEST_BLOCK)
        """Letters to go that make a block: block j is for those from j · size + 1 to (j + 1) · size."""
        self._stretch = max(1, int(GROWTH / np.log(max(2, num_letters))))
        held = labels == np.arange(num_labels)[:, None]
        self._checkpoints = [_logarithm(held.astype(np.float64))]
        self._powers = [_logarithm((delta[:, :, None] == np.arange(num_states)).sum(1).astype(np.float64))]
        self._blocks: dict[int, np.ndarray] = {}
        self._kept = 0
        # Which labels some word of each length leads to from the start: periodic in the end, found by Brent's method.
        self._possible = held[None, :, start]
        self._held = held
        self._marked_at, self._marked, self._period = 0, held, 0

    def exists(self, lengths: Int[np.ndarray, "*n"], labels: int | Int64[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
        """Does a word of each of these lengths lead from the start to the label?"""
        if not self._period and len(self._possible) <= (longest := int(lengths.max(initial=0))):
            self._look_ahead(longest)
        if self._period:
            before = self._marked_at
            lengths = np.where(lengths < before, lengths, before + (lengths - before) % self._period)
        return self._possible[lengths, labels]

    def _look_ahead(self, longest: int) -> None:
        """Extend ``_possible`` to this length, or to the end of its first period."""
        more = []
        for length in range(len(self._possible), longest + 1):
            self._held = self._held[:, self.delta].any(-1)
            if (self._held == self._marked).all():
                self._period = length - self._marked_at
                break
            more.append(self._held[:, self.start])
            if length & (length - 1) == 0:
                self._marked_at, self._marked = length, self._held
        self._possible = np.concatenate((self._possible, np.array(more, dtype=bool).reshape(-1, len(self._held))))

    def block(self, number: int, steps: int) -> Float[np.ndarray, "n Y Q A"]:
        """``[i, y, q, a]``: with number · size + i + 1 letters to go to label y, the share of the words that go on from
        state q with one of the letters 0 … a. At least the first ``steps`` rows of the block."""
        if number in self._blocks and len(self._blocks[number]) >= steps:
            return self._blocks[number]
        height = min(self.size, max(64, 1 << (steps - 1).bit_length()))
        rows = self._rows(self._checkpoint(number), height)
        shares = _shares(rows[:-1], self.delta)
        old = self._blocks[number].size if number in self._blocks else 0
        if number == 0 or self._kept - old + shares.size <= KEPT_CELLS:
            self._blocks[number] = shares
            self._kept += shares.size - old
        return shares

    def _checkpoint(self, number: int) -> Float[np.ndarray, "Y Q"]:
        """log N_r for r = number · size."""
        while len(self._checkpoints) <= number:
            last = self._checkpoints[-1]
            # a copy, so that it does not hold on to all rows before it
            after = _stepped(self._power(self.size), last) if self._doubles else self._rows(last, self.size)[-1].copy()
            self._checkpoints.append(after)
        return self._checkpoints[number]

    def _rows(self, first: Float[np.ndarray, "Y Q"], steps: int) -> Float[np.ndarray, "rows Y Q"]:
        """log N_r for r = s, s + 1, … s + steps, from that for r = s."""
        rows = np.empty((steps + 1, *first.shape))
        rows[0] = first
        if not self._doubles:
            for step in range(0, steps, self._stretch):
                last = min(step + self._stretch, steps)
                rows[step + 1 : last + 1] = self._counted_up(_lowered(rows[step]), last - step)
            return rows
        done = 1
        while done <= steps:
            more = min(done, steps + 1 - done)
            rows[done : done + more] = _stepped(self._power(done), rows[:more])
            done += more
        return rows

    def _counted_up(self, first: Float[np.ndarray, "Y Q"], steps: int) -> Float[np.ndarray, "rows Y Q"]:
        """The rows behind ``first``, letter by letter: as plain numbers, unless the smallest is too small for that."""
        after, rows = self.delta.T, np.empty((steps, *first.shape))
        if (first[np.isfinite(first)] > -GROWTH).all():
            counts = np.exp(first)
            for step in range(steps):
                rows[step] = counts = counts.take(after, axis=1).sum(1)
            return _logarithm(rows)
        for step in range(steps):
            rows[step] = first = _log_sum(first.take(after, axis=1), axis=1)
        return rows

    def _power(self, steps: int) -> Float[np.ndarray, "Q Q"]:
        """``[p, q]``: logarithm of the number of words of so many letters, a power of two, that lead from p to q."""
        while len(self._powers) < steps.bit_length():
            half = self._powers[-1]
            self._powers.append(_log_sum(half[:, None, :] + half.T))
        return self._powers[steps.bit_length() - 1]


def _stepped(power: Float[np.ndarray, "Q Q"], rows: Float[np.ndarray, "*n Y Q"]) -> Float[np.ndarray, "*n Y Q"]:
    return _lowered(_log_sum(power + rows[..., None, :]))


def _logarithm(counts: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(counts)


def _log_sum(logs: np.ndarray, axis: int = -1) -> np.ndarray:
    """Logarithm of the sum over an axis; −∞ stands for 0."""
    top = logs.max(axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    return _logarithm(np.exp(logs - top).sum(axis)) + top.squeeze(axis)


def _lowered(logs: Float[np.ndarray, "*n Q"]) -> Float[np.ndarray, "*n Q"]:
    """Less the greatest of each row, so that the numbers do not grow with the length, and rounding with them."""
    top = logs.max(-1, keepdims=True)
    return logs - np.where(np.isfinite(top), top, 0)


def _shares(rows: Float[np.ndarray, "n Y Q"], delta: Int64[np.ndarray, "Q A"]) -> Float[np.ndarray, "n Y Q A"]:
    """Cumulative shares of the letters of the next step, given log N; all 0 if no letter leads anywhere."""
    ways = np.empty((*rows.shape, delta.shape[1]))
    total, top = np.zeros(rows.shape), 0.0
    near = _lowered(rows)
    if plain := (near[np.isfinite(near)] > -3 * GROWTH).all():  # one exponential for each state, not for each letter
        near = np.exp(near)
    else:
        top = np.stack([near[..., after] for after in delta.T]).max(0)
        top = np.where(np.isfinite(top), top, 0)
    for letter, after in enumerate(delta.T):
        total += near[..., after] if plain else np.exp(near[..., after] - top)
        ways[..., letter] = total
    # Behind the last letter that leads anywhere the share is exactly 1, which no random number in [0, 1) reaches.
    ways /= np.where(total > 0, total, 1)[..., None]
    return ways
