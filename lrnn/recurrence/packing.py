"""Words of different lengths laid end to end in one row."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from lrnn.transition.base import require


@dataclass(frozen=True)
class Packing:
    """N words laid end to end along T in a row of batch size 1.

    Its meaning is that A counts as zero at the start of a word: nothing of one word reaches the next. Each word has
    its own initial and final state, so ``state`` has N rows.

    Arguments:
        lengths: the number of steps of each word, each at least 1; they must add up to T.

    >>> Packing((3, 5, 2)).starts
    (0, 3, 8)
    """

    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        given = tuple(self.lengths)
        object.__setattr__(self, "lengths", tuple(int(length) for length in given))
        whole = self.lengths == given
        empty = [n for n, length in enumerate(self.lengths) if length < 1]
        require(
            None if whole else f"packing lengths are {given}, wanted whole numbers",
            None if self.lengths else "packing has no words, wanted at least one length",
            f"packing lengths of words {empty} are below 1 in {self.lengths}: a word has at least one step"
            if empty
            else None,
        )

    @property
    def num_words(self) -> int:
        """N."""
        return len(self.lengths)

    @property
    def total(self) -> int:
        """The number of steps of all words together, T of the row."""
        return sum(self.lengths)

    @property
    def ends(self) -> tuple[int, ...]:
        """One past the last position of each word."""
        return tuple(accumulate(self.lengths))

    @property
    def starts(self) -> tuple[int, ...]:
        """The first position of each word."""
        return (0, *self.ends[:-1])

    @property
    def spans(self) -> tuple[slice, ...]:
        """The positions of each word."""
        return tuple(slice(start, end) for start, end in zip(self.starts, self.ends, strict=True))
