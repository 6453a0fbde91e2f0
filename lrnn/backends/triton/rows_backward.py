"""The backward of the chunked kernels: the chain of gradients, then what happens inside the chunks.

A long word is gone through in pieces, from the last to the first, so that few gradients of states exist at a time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.launch import Launch
from lrnn.backends.triton.rows_call import CALLS, Call
from lrnn.backends.triton.rows_forward import combine, minus, plain_rows, prepare, prepare_chunks, repeat
from lrnn.backends.triton.rows_layout import Piece, tile
from lrnn.backends.triton.rows_tensors import Inputs, Prepared, Rows

COPIED = 4096
"""Numbers that one program copies."""

SUMMED = 16
"""Tokens of which one program adds what several programs found for keys that heads share."""


class Gradients:
    """Room for the gradients inside the chunks; a decay per state row has those of its rows instead."""

    def __init__(self, call: Call, given: Inputs, rows: Rows) -> None:
        B, T, H, R, C, full = call.B, call.T, call.H, call.R, call.layout.size, torch.float32
        diagonal, solved, nothing = call.diagonal, call.diagonal and call.solves, call.unprepared.inverse
        self.q = torch.empty_like(rows.query, dtype=full if diagonal else None)
        self.key = torch.empty_like(rows.write[0], dtype=full if diagonal else None)
        self.beta = nothing if given.beta is None or diagonal else torch.empty_like(given.beta)
        self.log_decay = nothing if given.log_decay is None or diagonal else torch.empty_like(given.log_decay)
        self.read = torch.empty_like(rows.write[0], dtype=full) if solved else None
        self.reads = call.new(B, T, H, C, dtype=full) if diagonal else None
        self.system = call.new(B, T, H, R, C, dtype=full) if solved else None
        self.carry = None if rows.carry is None else torch.empty_like(rows.carry)


def run_backward(
    call: Call,
    given: Inputs,
    dy: Tensor,
    dfinal: Tensor | None,
    state: Tensor | None,
    prepared: Prepared,
    u: Tensor,
    starts: Tensor,
    products: Tensor,
) -> tuple[Tensor, ...]:
    """The gradients of q, key, b, beta, v, log_decay, state; of what is not there, an empty tensor."""
    layout = call.layout
    rows = plain_rows(given)
    if call.diagonal:
        rows, prepared = prepare(call, given, prepared)
    dv, first = torch.empty_like(given.v), call.between()
    ends = call.new(layout.room, call.H, call.V, call.K)
    if call.prepares_again:
        prepared = call.with_room(prepared, call.held(layout.pieces[0]))
    chain = _Chain(call, rows, prepared, dy, dv, ends)
    last = dfinal
    if layout.is_cut:
        chain.between_segments(dfinal, products, first)
        last = first

    found = Gradients(call, given, rows)
    kept, starts = starts, torch.empty_like(ends) if call.repeats else starts
    for piece in (layout.leading,) * layout.leads + layout.pieces[::-1]:
        if call.prepares_again:
            prepare_chunks(call, given, prepared, piece)
        if call.repeats:
            repeat(call, given, prepared, state, kept, starts, piece)
        if piece.first == 0:  # that of the segments that lead was gone through above
            chain(last, first, piece)
            last = first
        _inside(call, given, rows, prepared, found, dy, dv, u if call.solves else given.v, starts, ends, piece)
    dstate = call.unprepared.factor if state is None else first[: layout.num_words]
    if not call.diagonal:
        return found.q, found.key, call.unprepared.inverse, found.beta, dv, found.log_decay, dstate
    dq, dkey, db, dscale, dlog_decay = _through_diagonal(call, given, found)
    dbeta = dscale if given.beta is None else -dscale.to(given.beta.dtype)
    return dq, dkey, db, dbeta, dv, dlog_decay, dstate


class _Chain:
    """From the last chunk of a piece to its first."""

    def __init__(self, call: Call, rows: Rows, prepared: Prepared, dy: Tensor, dv: Tensor, ends: Tensor) -> None:
        self.call, self.rows, self.prepared = call, rows, prepared
        self.dy, self.dv, self.ends = dy, dv, ends

    def __call__(self, last: Tensor | None, first: Tensor, piece: Piece, back: int = 0) -> None:
        """From the gradients of the states after segments to those of the states before them, so many places back."""
        self._walk(last, first, piece, self.ends, back)

    def between_segments(self, dfinal: Tensor | None, products: Tensor, gradients: Tensor) -> None:
        """The gradients of the states after all segments, of which the last ones of words, if they lead, are gone
        through."""
        call, layout = self.call, self.call.layout
        words, last, writes = layout.num_words, dfinal, call.writes()
        place = layout.num_segments // words - 1
        if layout.leads:
            if dfinal is not None:
                size = words * call.H * call.K * call.V
                _copy_launch(call)((-(-size // COPIED),), dfinal, gradients[place * words :], size)
                last = gradients
            place -= 1
            self(last, gradients, layout.leading, words)
            last = gradients[place * words :]
        between = Piece(words, (place + 1) * words, 0, layout.per_run, 0)
        self._walk(None, writes, between, None, layout.skipped)
        combine(call, writes, products, last, gradients, place, 0)

    def _walk(self, last: Tensor | None, first: Tensor, piece: Piece, ends: Tensor | None, back: int) -> None:
        """Without ``ends``, only what segments do to a gradient of 0."""
        call, rows, segments = self.call, self.rows, self.call.tables.segments
        grid = (call.slices, piece.end - piece.first, call.H)
        sizes = (call.layout.num_chunks, piece.begin, piece.chunks, piece.first)
        if call.on_hopper:
            held = call.tokens if ends is None else call.held(piece)
            _hopper_launch(call, ends is None, last is not None)(
                grid, rows.query, rows.write[0], self.dy, *self.prepared, last, segments,
                self.dv, ends, first, call.tokens, held, *sizes, back, call.H, call.heads,
            )  # fmt: skip
            return
        _chain_launch(call, ends is None, last is not None)(
            grid, rows.query, *rows.read, *rows.write, rows.carry, self.dy, *self.prepared, last, segments,
            self.dv, ends, first, call.tokens, *sizes, call.H, call.heads,
        )  # fmt: skip


@lru_cache(CALLS)
def _copy_launch(call: Call) -> Launch:
    from lrnn.backends.triton.rows_chain_kernels import rows_copy_kernel

    return Launch(rows_copy_kernel, SIZE=COPIED, num_warps=4)


@lru_cache(CALLS)
def _hopper_launch(call: Call, summarize: bool, has_last: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_bwd_hopper_kernels import rows_chain_bwd_hopper_kernel

    how = {"DECAY": call.decays, "SOLVE": call.solves, "SUMMARY": summarize, "PIECES": call.layout.even}
    beside, early = summarize and call.layout.leads, not summarize
    return Launch(rows_chain_bwd_hopper_kernel, **call.hopper_sizes, **how, num_warps=4, beside=beside, early=early)


@lru_cache(CALLS)
def _chain_launch(call: Call, summarize: bool, has_last: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_kernels import rows_chain_bwd_kernel

    return Launch(
        rows_chain_bwd_kernel, **call.sizes, V=call.V, BV=call.columns, DECAY=call.decays, DIAGONAL=call.diagonal,
        SOLVE=call.solves, SUMMARY=summarize, PIECES=call.layout.even, STAGES=call.stages,
        num_warps=call.tiles.warps,
    )  # fmt: skip


def _inside(
    call: Call,
    given: Inputs,
    rows: Rows,
    prepared: Prepared,
    found: Gradients,
    dy: Tensor,
    dv: Tensor,
    u: Tensor,
    starts: Tensor,
    ends: Tensor,
    piece: Piece,
) -> None:
    """The gradients inside the chunks of one piece."""
    layout, tab = call.layout, call.tables
    length = call.tokens // layout.num_words
    begin = piece.first // layout.num_words * layout.run + piece.begin * layout.tokens
    of_states = (1, piece.total) if call.repeats else (0, layout.num_chunks)
    where = (call.tokens, layout.num_words, length, layout.run, begin, piece.chunks, piece.total, *of_states)
    where += (call.H, call.heads)
    if call.on_hopper_inside:
        sums, tokens = call.H // call.together, piece.total * layout.tokens
        apart = sums > call.G
        dq = call.new(tokens, sums, 1, call.K, dtype=torch.float32) if apart else found.q
        dkey = call.new(tokens, sums, call.R, call.K, dtype=torch.float32) if apart else found.key
        _inside_hopper_launch(call, apart)(
            (min(piece.total * sums, call.processors),),
            rows.query, rows.write[0], given.beta, prepared.decays, u, dv, dy, starts, ends, tab.chunks,
            dq, dkey, found.beta, found.log_decay, *where,
        )  # fmt: skip
        if apart:
            _add_launch(call)(
                (-(-tokens // SUMMED), call.G), dq, dkey, found.q, found.key, tokens, layout.num_words, length,
                layout.run, piece.begin * layout.tokens, piece.chunks * layout.tokens, call.G,
            )  # fmt: skip
        return
    programs = (min(piece.total * call.heads, call.tiles.local_programs * call.processors),)
    _queries_launch(call)(
        programs,
        rows.query, rows.write[0], given.beta, prepared.decays, u, dy, starts, tab.chunks, found.q, found.reads,
        found.log_decay, *where,
    )  # fmt: skip
    _keys_launch(call)(
        programs,
        rows.query, rows.write[0], given.beta, prepared.decays, u, dv, dy, starts, ends, tab.chunks,
        found.key, found.beta, found.log_decay, found.read, found.system, found.carry,
        *where,
    )  # fmt: skip


@lru_cache(CALLS)
def _inside_hopper_launch(call: Call, apart: bool) -> Launch:
    from lrnn.backends.triton.rows_local_hopper_kernels import rows_inside_bwd_hopper_kernel

    return Launch(
        rows_inside_bwd_hopper_kernel, **call.hopper_sizes, DECAY=call.decays, SOLVE=call.solves,
        NORMALIZE=call.normalize, WEIGH=call.weighs, DELTA=call.delta, HEADS=call.together, APART=apart,
        PACKED=call.layout.packed, num_warps=4, early=True,
    )  # fmt: skip


@lru_cache(CALLS)
def _add_launch(call: Call) -> Launch:
    from lrnn.backends.triton.rows_local_kernels import rows_add_kernel

    parts = call.H // call.together // call.G
    early = call.generation >= 9
    return Launch(
        rows_add_kernel, PARTS=parts, TOKENS=SUMMED, R=call.R, K=call.K, EARLY=early, num_warps=4, early=early
    )


def _local(call: Call) -> dict[str, Any]:
    """What the kernels inside the chunks are compiled for."""
    return call.sizes | {
        "HEADS": call.H // call.heads, "V": call.V, "PACKED": call.layout.packed, "STAGES": call.tiles.local_stages,
        "DECAY": call.decays, "DIAGONAL": call.diagonal, "WEIGH": call.weighs, "num_warps": call.tiles.local_warps,
    }  # fmt: skip


@lru_cache(CALLS)
def _queries_launch(call: Call) -> Launch:
    from lrnn.backends.triton.rows_local_kernels import rows_queries_bwd_kernel

    return Launch(rows_queries_bwd_kernel, **_local(call), BV=min(tile(call.V), call.tiles.query_value))


@lru_cache(CALLS)
def _keys_launch(call: Call) -> Launch:
    from lrnn.backends.triton.rows_local_kernels import rows_keys_bwd_kernel

    how = _local(call) | {"SOLVE": call.solves, "NORMALIZE": call.normalize}
    return Launch(rows_keys_bwd_kernel, **how, BV=min(tile(call.V), call.tiles.key_value))


def _through_diagonal(call: Call, given: Inputs, found: Gradients) -> tuple[Tensor, ...]:
    """From the gradients of rows that carry their decays to those of q, key, b, beta, log_decay."""
    from lrnn.backends.triton.diagonal_prepare import prepare_back

    assert given.log_decay is not None
    assert found.reads is not None
    assert found.carry is not None
    gradients = prepare_back(
        given.q, given.key, given.b, minus(given.beta), given.log_decay, call.tables.chunks,
        size=call.layout.size, group=call.group, sees_own_decay=call.sees_own_decay, normalize=call.normalize,
        solves=call.solves, d_read_rows=found.read, d_write_rows=found.key, d_query_rows=found.q,
        d_reads=found.reads, d_system=found.system, d_carry=found.carry,
    )  # fmt: skip
    return tuple(call.unprepared.inverse if x is None else x for x in gradients)
