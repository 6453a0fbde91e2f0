"""How a call of the chunked kernels is cut: tiles, chunks, segments of words, pieces of the backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

PIECES = 4
"""The backward goes through a long word in so many pieces, so that the gradients of few states exist at a time."""

PIECE = 32
"""Chunks of a piece, at least."""

MAX_MICRO_ROWS = 64
"""A token's micro-rows fit in one chunk."""

MIN_DIM, MAX_DIM = 1, 256
"""K and V that the tiles hold; below 16 they are padded."""

PROCESSORS = 132
"""Programs that run at the same time on the chips these numbers were chosen for (H100, H200)."""

SEGMENT = 20
"""Chunks of a segment, at least; cutting a word into smaller ones does not pay for itself."""


class Tiles(NamedTuple):
    """A launch, for a class of shapes."""

    size: int
    """C, micro-rows of a chunk where nothing else is asked for."""
    solve_warps: int
    """Warps of a program that solves a chunk's system."""
    value: int
    """Columns of the state that one program of the chain holds."""
    warps: int
    stages: int
    query_value: int
    """Columns of the state that the gradients of queries take at a time."""
    key_value: int
    """And those of keys, with more tiles."""
    local_warps: int
    local_stages: int
    local_programs: int
    """Programs of the local backward on a processor at the same time."""


TILES: dict[tuple[int, int], Tiles] = {
    # (bytes of a number, tile of K): all that was tuned, on an H200
    (2, 16): Tiles(16, 2, 64, 4, 2, 64, 64, 4, 2, 2),
    (2, 32): Tiles(64, 2, 64, 4, 2, 64, 64, 4, 2, 2),
    (2, 64): Tiles(64, 2, 64, 4, 2, 64, 64, 4, 2, 2),
    (2, 128): Tiles(64, 2, 64, 4, 2, 64, 32, 4, 2, 2),
    (2, 256): Tiles(64, 4, 32, 4, 1, 32, 32, 8, 1, 1),
    (4, 16): Tiles(32, 2, 16, 4, 1, 32, 32, 4, 1, 1),
    (4, 32): Tiles(32, 2, 16, 4, 1, 32, 32, 4, 1, 1),
    (4, 64): Tiles(32, 4, 16, 4, 1, 32, 32, 4, 1, 1),
    (4, 128): Tiles(32, 4, 16, 8, 1, 32, 32, 8, 1, 1),
    (4, 256): Tiles(16, 8, 16, 8, 1, 16, 16, 8, 1, 1),
}
"""The same kernels for every length and batch."""


def tile(size: int) -> int:
    """The power of 2 that holds a dimension; products need 16."""
    return max(16, 1 << (size - 1).bit_length())


@dataclass(frozen=True)
class Layout:
    """Sizes of one call. Words lie end to end on one axis of tokens; a plain batch is B words of T tokens."""

    words: tuple[tuple[int, int], ...]
    """First token and length of each word; of a plain batch only one word, which stands for all."""
    batch: int
    """Words like the one in ``words`` (a plain batch), or 1."""
    micro: int
    """R, micro-rows of a token."""
    size: int
    """C, micro-rows of a chunk."""
    segments: int = 1
    """Segments that a plain word is cut into; packed words are not cut."""
    leads: bool = False
    """Where words are cut: is the segment whose state is given, the first one (in the backward the last), gone through
    beside those of which is found what they do to any state?"""
    smaller: int = 1
    """Pieces may be so many times smaller."""
    most: int = PIECES
    """And there may be so many."""

    @classmethod
    def of(cls, B: int, T: int, lengths: Sequence[int], micro: int, K: int, size: int, bytes: int) -> Layout:
        """Arguments: ``lengths`` of packed words or empty; ``size`` 0 chooses; ``bytes`` of a number of the inputs."""
        padded = 1 << (micro - 1).bit_length()
        longest = max(lengths, default=T)
        room = 1 << max(4, (longest * padded - 1).bit_length())
        size = max(padded, min(size or TILES[bytes, tile(K)].size, room), 16)
        if not lengths:
            return cls(((0, T),), B, micro, size)
        ends = [0]
        for length in lengths:
            ends.append(ends[-1] + length)
        return cls(tuple(zip(ends, lengths)), 1, micro, size)

    def cut(self, programs: int, at_once: int = PROCESSORS, leads: bool = False) -> Layout:
        """The same with words cut into segments where a word has so few ``programs`` that they do not fill the chip.

        Arguments:
            at_once: programs that the chip runs.
            leads: can the first segment of a word be gone through while the others are summarized?
        """
        segments = min(at_once // (self.batch * programs) + leads, -(-self.longest // self.tokens) // SEGMENT)
        if self.packed or 2 * self.batch * programs > PROCESSORS or segments < 2:
            return self
        if not leads:  # all as long as each other, as a rule
            segments = 1 << segments.bit_length() - 1
        found = replace(self, segments=segments, leads=leads)
        return found if found.num_segments >= (2 + leads) * self.batch else self

    @cached_property
    def padded(self) -> int:
        """RP, the power of 2 in which a token's micro-rows lie."""
        return 1 << (self.micro - 1).bit_length()

    @cached_property
    def tokens(self) -> int:
        """Tokens of a chunk."""
        return self.size // self.padded

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest word."""
        return max(length for _, length in self.words)

    @cached_property
    def segment_tokens(self) -> int:
        """Tokens of a segment, whole chunks."""
        return -(-self.longest // (self.segments * self.tokens)) * self.tokens

    def count(self, step: int) -> int:
        """How many pieces of ``step`` tokens all words have together."""
        return self.batch * sum(-(-length // step) for _, length in self.words)

    @cached_property
    def num_chunks(self) -> int:
        """All chunks."""
        return self.count(self.tokens)

    @cached_property
    def num_words(self) -> int:
        """All words."""
        return self.batch * len(self.words)

    @cached_property
    def num_segments(self) -> int:
        """All segments: first those that begin words, then those that follow them, and so on."""
        return self.count(self.segment_tokens)

    @cached_property
    def skipped(self) -> int:
        """Segments, the first ones and as many last ones, of which nobody has to know what they do to any state."""
        return self.num_words if self.leads else 0

    @cached_property
    def packed(self) -> bool:
        """Have the words lengths of their own?"""
        return len(self.words) > 1

    @cached_property
    def whole(self) -> bool:
        """Has every chunk all its tokens, at least the 16 that a product needs?"""
        return self.tokens >= 16 and all(length % self.tokens == 0 for _, length in self.words)

    @cached_property
    def run(self) -> int:
        """Tokens that the backward's chain walks in one program: of a segment, if all have as many but the one that
        leads, else of a word."""
        even = self.is_cut and (self.leads or self.longest % self.segment_tokens == 0)
        return self.segment_tokens if even else self.longest

    @cached_property
    def runs(self) -> int:
        """How many there are; packed words count as one."""
        return self.batch * (-(-self.longest // self.run) - self.leads)

    @cached_property
    def per_run(self) -> int:
        """Chunks of a run."""
        return self.num_chunks if self.packed else -(-self.run // self.tokens)

    @cached_property
    def even(self) -> bool:
        """Is each run what one program walks?"""
        return self.runs == self.num_segments - self.skipped

    @cached_property
    def per_piece(self) -> int:
        """Chunks of a run that the backward takes at a time: all where programs have different work."""
        if not self.even:
            return self.per_run
        pieces = max(1, min(self.per_run * self.smaller // PIECE, self.most))
        return -(-self.per_run // pieces)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What the backward takes at a time, from the first chunks of runs to the last ones."""
        end = self.num_segments - self.skipped
        begins = range(0, self.per_run, self.per_piece)
        sizes = ((begin, min(self.per_piece, self.per_run - begin)) for begin in begins)
        return tuple(Piece(0, end, begin, chunks, chunks * self.runs) for begin, chunks in sizes)

    @cached_property
    def leading(self) -> Piece:
        """The last segments, which lead in the backward."""
        end, words = self.num_segments, self.num_words
        chunks = self.num_chunks // words - self.runs // words * self.per_run
        return Piece(end - words, end, 0, chunks, chunks * words)

    @cached_property
    def room(self) -> int:
        """Chunks of the largest piece."""
        return max(piece.total for piece in self.pieces + (self.leading,) * self.leads)

    @cached_property
    def is_cut(self) -> bool:
        """Has any word more than one segment?"""
        return self.num_segments > self.num_words


class Piece(NamedTuple):
    """Chunks that the backward takes at a time."""

    first: int
    """The first segment,"""
    end: int
    """and that behind the last one."""
    begin: int
    """The first chunk of each,"""
    chunks: int
    """and how many."""
    total: int
    """In all."""


class Tables(NamedTuple):
    """Where each program finds its work, int32 on the device."""

    chunks: Tensor
    """``[chunks, 2]``: first token, tokens."""
    segments: Tensor
    """``[segments, 3]``: first token, tokens, first chunk."""


@lru_cache(maxsize=64)
def tables(layout: Layout, device: torch.device) -> Tables:
    """The tables of a layout, made once."""
    chunks: list[list[int]] = []
    words: list[tuple[int, int, int]] = []
    period = sum(length for _, length in layout.words)
    for first, length in ((first + n * period, length) for n in range(layout.batch) for first, length in layout.words):
        words.append((first, length, len(chunks)))
        for at in range(0, length, layout.tokens):
            chunks.append([first + at, min(layout.tokens, length - at)])
    step = layout.segment_tokens
    segments = [
        [first + at, min(step, length - at), chunk + at // layout.tokens]
        for at in range(0, layout.longest, step)
        for first, length, chunk in words
        if at < length
    ]
    return Tables(*(torch.tensor(table, dtype=torch.int32).to(device) for table in (chunks, segments)))
