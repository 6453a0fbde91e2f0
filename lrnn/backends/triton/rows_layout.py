"""How a call of the chunked kernels is cut: tiles, chunks, segments of words, pieces of the backward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

SEGMENT = 32
"""Chunks below which cutting a word again does not pay for itself."""


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
    segments: int
    """Segments that a plain word is cut into; packed words are not cut."""
    smaller: int = 1
    """Pieces may be so many times smaller."""
    more: int = 1
    """And there may be so many times as many."""

    @classmethod
    def of(
        cls, B: int, T: int, lengths: Sequence[int], micro: int, heads: int, K: int, V: int, size: int, bytes: int
    ) -> Layout:
        """Arguments: ``lengths`` of packed words or empty; ``size`` 0 chooses; ``bytes`` of a number of the inputs."""
        padded = 1 << (micro - 1).bit_length()
        longest = max(lengths, default=T)
        room = 1 << max(4, (longest * padded - 1).bit_length())
        size = max(padded, min(size or TILES[bytes, tile(K)].size, room), 16)
        if lengths:
            ends = [0]
            for length in lengths:
                ends.append(ends[-1] + length)
            return cls(tuple(zip(ends, lengths)), 1, micro, size, 1)
        columns = -(-V // min(tile(V), TILES[bytes, tile(K)].value))
        chunks = -(-T * padded // size)
        segments = 1
        while 2 * segments * B * heads * columns <= PROCESSORS and chunks >= 2 * SEGMENT * segments:
            segments *= 2
        return cls(((0, T),), B, micro, size, segments)

    @cached_property
    def padded(self) -> int:
        """RP, the power of 2 in which a token's micro-rows lie."""
        return 1 << (self.micro - 1).bit_length()

    @cached_property
    def tokens(self) -> int:
        """Tokens of a chunk."""
        return self.size // self.padded

    @cached_property
    def segment_tokens(self) -> int:
        """Tokens of a segment, whole chunks."""
        length = max(length for _, length in self.words)
        return -(-length // (self.segments * self.tokens)) * self.tokens

    def count(self, step: int) -> int:
        """How many pieces of ``step`` tokens all words have together."""
        return self.batch * sum(-(-length // step) for _, length in self.words)

    @cached_property
    def parts(self) -> int:
        """Parts of a segment of which is found, one by one, what they do to any state, where nothing is kept for a
        backward: all but the last segment of a word, and so small that every processor has about as many."""
        return 2 if self.is_cut and self.segment_tokens % (2 * self.tokens) == 0 else 1

    @cached_property
    def num_chunks(self) -> int:
        """All chunks."""
        return self.count(self.tokens)

    @cached_property
    def num_segments(self) -> int:
        """All segments."""
        return self.count(self.segment_tokens)

    @cached_property
    def segments_of_word(self) -> int:
        """Segments of a plain word, and of packed words together."""
        return self.num_segments // self.batch

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
        """Tokens that the chain walks in one program: of a segment, if all have as many, else of a word."""
        longest = max(length for _, length in self.words)
        return self.segment_tokens if self.is_cut and longest % self.segment_tokens == 0 else longest

    @cached_property
    def runs(self) -> int:
        """How many there are; packed words count as one."""
        return self.batch * (max(length for _, length in self.words) // self.run)

    @cached_property
    def per_run(self) -> int:
        """Chunks of a run."""
        return self.num_chunks // self.runs

    @cached_property
    def per_piece(self) -> int:
        """Chunks of a run that the backward takes at a time: all where programs have different work."""
        if self.packed or (self.is_cut and self.runs == self.batch):
            return self.per_run
        return max(PIECE // self.smaller, -(-self.per_run // (PIECES * self.more)))

    @cached_property
    def pieces(self) -> int:
        """Pieces of a run."""
        return -(-self.per_run // self.per_piece)

    def piece_from(self, begin: int) -> int:
        """Chunks of a run in the piece that begins with this one."""
        return min(self.per_piece, self.per_run - begin)

    @cached_property
    def is_cut(self) -> bool:
        """Has any word more than one segment?"""
        return self.num_segments > self.batch * len(self.words)


class Tables(NamedTuple):
    """Where each program finds its work, int32 on the device."""

    chunks: Tensor
    """``[chunks, 2]``: first token, tokens."""
    segments: Tensor
    """``[segments, 3]``: first token, tokens, first chunk."""
    words: Tensor
    """``[words + 1]``: first segment of each word, and how many there are."""
    parts: Tensor
    """As segments: the parts of those that another one of their word follows."""
    part_words: Tensor
    """As words."""


@lru_cache(maxsize=64)
def tables(layout: Layout, device: torch.device) -> Tables:
    """The tables of a layout, made once."""
    chunks: list[list[int]] = []
    segments: list[list[int]] = []
    parts: list[list[int]] = []
    words, part_words = [0], [0]
    step = layout.segment_tokens // layout.parts
    period = sum(length for _, length in layout.words)
    for first, length in ((first + n * period, length) for n in range(layout.batch) for first, length in layout.words):
        before = len(chunks)
        for at in range(0, length, layout.tokens):
            chunks.append([first + at, min(layout.tokens, length - at)])
        for at in range(0, length, layout.segment_tokens):
            segments.append([first + at, min(layout.segment_tokens, length - at), before + at // layout.tokens])
        last = segments[-1][0] - first
        parts += [[first + at, step, before + at // layout.tokens] for at in range(0, last, step)]
        words.append(len(segments))
        part_words.append(len(parts))
    found = (chunks, segments, words, parts, part_words)
    return Tables(*(torch.tensor(table, dtype=torch.int32).to(device) for table in found))
