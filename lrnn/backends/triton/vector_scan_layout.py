"""How a call of the vector scan is cut: tiles of heads, chunks whose states are kept, segments of words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 64
"""L: the state before every so many tokens is kept for the backward."""

PROGRAMS = 8 * 132
"""One-warp programs that keep the chips busy that these numbers were chosen for (H100, H200)."""


class Tile(NamedTuple):
    """What one program of one warp holds, for a class of K."""

    lanes: int
    """HL, heads side by side."""
    tiles: int
    """C, such tiles in a program, and half of them where numbers are complex."""
    tokens: int
    """U, tokens that are loaded at a time."""
    backward_tiles: int
    """C of the backward."""
    backward_tokens: int
    """U of the backward."""


TILES: dict[int, Tile] = {
    1: Tile(32, 1, 8, 1, 4),
    2: Tile(32, 1, 8, 1, 4),
    4: Tile(32, 1, 8, 1, 4),
    8: Tile(16, 2, 8, 2, 4),
    16: Tile(8, 2, 8, 4, 2),
    32: Tile(4, 2, 4, 2, 2),
    64: Tile(2, 2, 4, 2, 2),
    128: Tile(1, 2, 4, 2, 2),
    256: Tile(1, 1, 4, 2, 2),
}
"""By the power of 2 that holds K. A lane then holds 4 neighboring rows of the state, which is how they are loaded."""

MAX_K = max(TILES)


def width(K: int) -> int:
    """BK, the power of 2 that holds K."""
    return 1 << (K - 1).bit_length()


class Launch(NamedTuple):
    """The sizes of one kernel: those it is compiled for, and how many blocks of heads there are."""

    lanes: int
    tiles: int
    tokens: int
    per_group: int
    """NB, blocks that cover one group of heads."""


def launch(K: int, group: int, parts: int, backward: bool) -> Launch:
    """For groups of so many heads, in real (1 part) or complex (2) numbers."""
    chosen = TILES[width(K)]
    tiles, tokens = (chosen.backward_tiles, chosen.backward_tokens) if backward else (chosen.tiles, chosen.tokens)
    tiles = min(max(tiles // parts, 1), 1 << max(-(-group // chosen.lanes) - 1, 0).bit_length())
    return Launch(chosen.lanes, tiles, tokens, -(-group // (chosen.lanes * tiles)))


class Tables(NamedTuple):
    """Where the segments are, on the device."""

    segments: Tensor
    """int32 ``[S, 3]``: first token, number of tokens, first chunk."""
    words: Tensor
    """int32 ``[N, 2]``: first segment, number of segments."""
    firsts: Tensor | None
    """int64 ``[N]``: the first segment of every word; None where every word is one segment."""
    lasts: Tensor | None


def num_chunks(B: int, T: int, lengths: Sequence[int]) -> int:
    """Of all words together."""
    return sum(-(-length // CHUNK) for length in lengths) if lengths else B * (-(-T // CHUNK))


def segment_tokens(longest: int, total: int, blocks: int) -> int:
    """Tokens of a segment, whole chunks. A word that is cut is walked over twice, so it is cut into 3 or not at all."""
    each = -(-total * blocks // (PROGRAMS * CHUNK)) * CHUNK
    whole = -(-longest // CHUNK) * CHUNK
    return whole if longest <= 2 * each else each


@lru_cache(maxsize=64)
def tables(words: tuple[int, ...], segment: int, device: torch.device) -> Tables:
    """The segments of words of these lengths, which lie end to end."""
    segments, of_words, token, chunk = [], [], 0, 0
    for length in words:
        of_words.append((len(segments), -(-length // segment)))
        for first in range(0, length, segment):
            count = min(segment, length - first)
            segments.append((token + first, count, chunk))
            chunk += -(-count // CHUNK)
        token += length
    table = torch.tensor(segments, dtype=torch.int32, device=device)
    pieces = torch.tensor(of_words, dtype=torch.int32, device=device)
    if len(segments) == len(of_words):
        return Tables(table, pieces, None, None)
    firsts, counts = pieces.to(torch.int64).unbind(1)
    return Tables(table, pieces, firsts, firsts + counts - 1)
