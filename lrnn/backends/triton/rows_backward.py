"""The backward of the chunked kernels: the chain of gradients, then what happens inside the chunks.

A long word is gone through in pieces, from the last to the first, so that few gradients of states exist at a time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.launch import Launch
from lrnn.backends.triton.rows_call import CALLS, Call, Inputs, Prepared, Rows
from lrnn.backends.triton.rows_forward import combine, minus, plain_rows, prepare, prepare_on_hopper, repeat
from lrnn.backends.triton.rows_layout import tile


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
    dv, dstate = torch.empty_like(given.v), call.last()
    chain = _Chain(call, rows, dy, dv)
    last, first = dfinal, dstate
    if layout.is_cut:
        writes = call.writes(layout.num_segments)
        chain(prepared, dfinal, writes)
        last = combine(call, writes, products, dfinal, call.tables.words, first_gradient=dstate)
        first = last
        del writes

    found = Gradients(call, given, rows)
    ends = call.new(layout.per_piece * layout.runs, call.H, call.V, call.K)
    kept, starts = starts, torch.empty_like(ends) if call.repeats else starts
    if call.prepares_again:
        prepared = call.with_room(prepared, call.held(0))
    for begin in reversed(range(0, layout.per_run, layout.per_piece)):
        if call.prepares_again:
            prepare_on_hopper(call, given, prepared, begin)
        if call.repeats:
            repeat(call, given, prepared, state, kept, begin, starts)
        chain(prepared, last, first, ends, begin)
        _inside(call, given, rows, prepared, found, dy, dv, u if call.solves else given.v, starts, ends, begin)
        last = first
    if not call.diagonal:
        return found.q, found.key, call.unprepared.inverse, found.beta, dv, found.log_decay, dstate
    dq, dkey, db, dscale, dlog_decay = _through_diagonal(call, given, found)
    dbeta = dscale if given.beta is None else -dscale.to(given.beta.dtype)
    return dq, dkey, db, dbeta, dv, dlog_decay, dstate


class _Chain:
    """From the last chunk of a piece to its first; without ``ends``, only what a segment does to a gradient of 0."""

    def __init__(self, call: Call, rows: Rows, dy: Tensor, dv: Tensor) -> None:
        self.call, self.rows, self.dy, self.dv = call, rows, dy, dv

    def __call__(
        self, prepared: Prepared, last: Tensor | None, first: Tensor, ends: Tensor | None = None, begin: int = 0
    ) -> None:
        call, rows, tab, layout = self.call, self.rows, self.call.tables, self.call.layout
        grid = (call.slices, layout.num_segments, call.H)
        per_piece = layout.per_run if ends is None else layout.piece_from(begin)
        sizes = (layout.num_chunks, begin, per_piece, call.H, call.heads)
        if call.on_hopper:
            held = call.tokens if ends is None else call.held(begin)
            _hopper_launch(call, ends is None, last is not None)(
                grid, rows.query, rows.write[0], self.dy, *prepared, last, tab.segments,
                self.dv, ends, first, call.tokens, held, *sizes,
            )  # fmt: skip
            return
        _chain_launch(call, ends is None, last is not None)(
            grid, rows.query, *rows.read, *rows.write, rows.carry, self.dy, *prepared, last, tab.segments,
            self.dv, ends, first, call.tokens, *sizes,
        )  # fmt: skip


@lru_cache(CALLS)
def _hopper_launch(call: Call, summarize: bool, has_last: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_bwd_hopper_kernels import rows_chain_bwd_hopper_kernel

    pieces = call.layout.pieces > 1 and not summarize
    how = {"DECAY": call.decays, "SOLVE": call.solves, "SUMMARY": summarize, "PIECES": pieces}
    return Launch(rows_chain_bwd_hopper_kernel, **call.hopper_sizes, **how, num_warps=4)


@lru_cache(CALLS)
def _chain_launch(call: Call, summarize: bool, has_last: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_kernels import rows_chain_bwd_kernel

    return Launch(
        rows_chain_bwd_kernel, **call.sizes, V=call.V, BV=call.columns, DECAY=call.decays, DIAGONAL=call.diagonal,
        SOLVE=call.solves, SUMMARY=summarize, PIECES=call.layout.pieces > 1, STAGES=call.stages,
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
    begin: int,
) -> None:
    """The gradients inside the chunks of one piece."""
    layout, tab = call.layout, call.tables
    per_piece = layout.piece_from(begin)
    chunks = per_piece * layout.runs
    states = (per_piece, begin, begin, per_piece, chunks, chunks)
    if not call.repeats:
        states = (layout.per_run, 0, begin, per_piece, chunks, layout.num_chunks)
    where = (call.tokens, layout.run, *states, call.H, call.heads)
    if call.on_hopper_inside:
        _inside_hopper_launch(call)(
            (min(chunks * call.H, call.processors),),
            rows.query, rows.write[0], given.beta, prepared.decays, u, dv, dy, starts, ends, tab.chunks,
            found.q, found.key, found.beta, found.log_decay, *where[:-1],
        )  # fmt: skip
        return
    programs = (min(chunks * call.heads, call.tiles.local_programs * call.processors),)
    _queries_launch(call)(
        programs,
        rows.query, rows.write[0], prepared.decays, u, dy, starts, tab.chunks, found.q, found.reads, found.log_decay,
        *where,
    )  # fmt: skip
    _keys_launch(call)(
        programs,
        rows.query, rows.write[0], given.beta, prepared.decays, u, dv, dy, starts, ends, tab.chunks,
        found.key, found.beta, found.log_decay, found.read, found.system, found.carry,
        *where,
    )  # fmt: skip


@lru_cache(CALLS)
def _inside_hopper_launch(call: Call) -> Launch:
    from lrnn.backends.triton.rows_local_hopper_kernels import rows_inside_bwd_hopper_kernel

    how = {"DECAY": call.decays, "SOLVE": call.solves, "NORMALIZE": call.normalize, "PACKED": call.layout.packed}
    return Launch(rows_inside_bwd_hopper_kernel, **call.hopper_sizes, **how, num_warps=4)


def _local(call: Call) -> dict[str, Any]:
    """What the kernels inside the chunks are compiled for."""
    return call.sizes | {
        "HEADS": call.H // call.heads, "V": call.V, "PACKED": call.layout.packed, "STAGES": call.tiles.local_stages,
        "DECAY": call.decays, "DIAGONAL": call.diagonal, "num_warps": call.tiles.local_warps,
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
