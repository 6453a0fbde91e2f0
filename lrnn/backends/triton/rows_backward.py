"""The backward of the chunked kernels: the chain of gradients, then what happens inside the chunks.

A long word is gone through in pieces, from the last to the first, so that few gradients of states exist at a time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.launch import launch
from lrnn.backends.triton.rows_call import Call, Prepared, Rows, terms
from lrnn.backends.triton.rows_forward import combine, prepare
from lrnn.backends.triton.rows_layout import tile


class Gradients:
    """Room for the gradients inside the chunks; a decay per state row has those of its rows instead."""

    def __init__(self, call: Call, rows: Rows) -> None:
        B, T, H, R, C, full = call.B, call.T, call.H, call.R, call.layout.size, torch.float32
        diagonal, solved = call.diagonal, call.diagonal and call.solves
        self.q = torch.empty_like(rows.query, dtype=full if diagonal else None)
        self.key = torch.empty_like(rows.write[0], dtype=full if diagonal else None)
        self.scale = call.new(0) if call.scale is None or diagonal else torch.empty_like(call.scale)
        self.log_decay = call.new(0) if call.log_decay is None or diagonal else torch.empty_like(call.log_decay)
        self.read = torch.empty_like(rows.write[0], dtype=full) if solved else None
        self.reads = call.new(B, T, H, C, dtype=full) if diagonal else None
        self.system = call.new(B, T, H, R, C, dtype=full) if solved else None
        self.carry = None if rows.carry is None else torch.empty_like(rows.carry)


def run_backward(
    call: Call, dy: Tensor, dfinal: Tensor, prepared: Prepared, u: Tensor, starts: Tensor, summary: Tensor
) -> tuple[Tensor, ...]:
    """The gradients of q, key, b, scale, v, log_decay, state; of what is not there, an empty tensor."""
    layout = call.layout
    rows = Rows(call.q, None, call.key[None], None, call.G)
    if call.diagonal:
        rows, prepared = prepare(call)
    dv, dstate = torch.empty_like(call.v), dfinal.clone()
    chain = _Chain(call, rows, prepared, dy, dv)
    last = first = dstate
    if layout.is_cut:
        writes = call.new(layout.num_segments, call.H, call.V, call.K, dtype=torch.float32)
        chain(dfinal, writes)
        last = combine(call, writes, summary, dfinal, dstate, reverse=True)
        first = torch.empty_like(last)

    found = Gradients(call, rows)
    ends = call.new(layout.per_piece * layout.batch, call.H, call.V, call.K)
    for begin in reversed(range(0, layout.per_word, layout.per_piece)):
        chain(last, first, ends, begin)
        _inside(call, rows, prepared, found, dy, dv, u if call.solves else call.v, starts, ends, begin)
    if not call.diagonal:
        return found.q, found.key, call.new(0), found.scale, dv, found.log_decay, dstate
    dq, dkey, db, dscale, dlog_decay = _through_diagonal(call, found)
    return dq, dkey, db, dscale, dv, dlog_decay, dstate


class _Chain:
    """From the last chunk of a piece to its first; without ``ends``, only what a segment does to a gradient of 0."""

    def __init__(self, call: Call, rows: Rows, prepared: Prepared, dy: Tensor, dv: Tensor) -> None:
        self.call, self.rows, self.prepared, self.dy, self.dv = call, rows, prepared, dy, dv

    def __call__(self, last: Tensor, first: Tensor, ends: Tensor | None = None, begin: int = 0) -> None:
        from lrnn.backends.triton.rows_chain_kernels import rows_chain_bwd_kernel

        call, rows, tab, layout = self.call, self.rows, self.call.tables, self.call.layout
        if call.on_hopper and ends is not None:
            from lrnn.backends.triton.rows_chain_bwd_hopper_kernels import rows_chain_bwd_hopper_kernel

            launch(
                rows_chain_bwd_hopper_kernel, (call.slices, len(tab.segments), call.H),
                rows.query, rows.write[0], self.dy, *terms(self.prepared.inverse), *self.prepared[1:], last,
                tab.segments, self.dv, ends, first, call.tokens, len(tab.chunks), begin, layout.piece_from(begin),
                call.H, rows.heads,
                **call.hopper_sizes, DECAY=call.decays, SOLVE=call.solves,
                PIECES=layout.per_piece < layout.per_word, num_warps=4,
            )  # fmt: skip
            return
        launch(
            rows_chain_bwd_kernel, (call.slices, len(tab.segments), call.H),
            rows.query, *terms(rows.read), *terms(rows.write), rows.carry, self.dy,
            *terms(self.prepared.inverse), *self.prepared[1:], last, tab.segments,
            self.dv, ends, first, call.tokens, len(tab.chunks), begin, layout.piece_from(begin), call.H, rows.heads,
            **call.sizes, V=call.V, BV=call.columns, DECAY=call.decays, DIAGONAL=call.diagonal, SOLVE=call.solves,
            SUMMARY=ends is None, PIECES=layout.per_piece < layout.per_word,
            STAGES=call.stages, num_warps=call.tiles.warps,
        )  # fmt: skip


def _inside(
    call: Call,
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
    from lrnn.backends.triton.rows_local_kernels import rows_keys_bwd_kernel, rows_queries_bwd_kernel

    layout, tab = call.layout, call.tables
    per_piece = layout.piece_from(begin)
    chunks = per_piece * layout.batch
    where = (call.tokens, call.T, layout.per_word, begin, per_piece, chunks, len(tab.chunks), call.H, rows.heads)
    how: dict[str, Any] = call.sizes | {
        "HEADS": call.H // rows.heads, "V": call.V,
        "PACKED": layout.packed, "STAGES": call.tiles.local_stages, "num_warps": call.tiles.local_warps,
    }  # fmt: skip
    kind: dict[str, Any] = {"DECAY": call.decays, "DIAGONAL": call.diagonal}
    system: dict[str, Any] = {"SOLVE": call.solves, "NORMALIZE": call.normalize}
    if call.on_hopper_inside:
        from lrnn.backends.triton.rows_local_hopper_kernels import rows_inside_bwd_hopper_kernel

        launch(
            rows_inside_bwd_hopper_kernel, (min(chunks * call.H, call.processors),),
            rows.query, rows.write[0], call.scale, prepared.decays, u, dv, dy, starts, ends, tab.chunks,
            found.q, found.key, found.scale, found.log_decay, *where[:-1],
            **call.hopper_sizes | {"STAGES": call.stages_inside},
            DECAY=call.decays, SOLVE=call.solves, PACKED=layout.packed, num_warps=4,
        )  # fmt: skip
        return
    programs = (min(chunks * rows.heads, call.tiles.local_programs * call.processors),)
    launch(
        rows_queries_bwd_kernel, programs,
        rows.query, rows.write[0], prepared.decays, u, dy, starts, tab.chunks, found.q, found.reads, found.log_decay,
        *where, **how, **kind, BV=min(tile(call.V), call.tiles.query_value),
    )  # fmt: skip
    launch(
        rows_keys_bwd_kernel, programs,
        rows.query, rows.write[0], call.scale, prepared.decays, u, dv, dy, starts, ends, tab.chunks,
        found.key, found.scale, found.log_decay, found.read, found.system, found.carry,
        *where, **how, **kind, **system, BV=min(tile(call.V), call.tiles.key_value),
    )  # fmt: skip


def _through_diagonal(call: Call, found: Gradients) -> tuple[Tensor, ...]:
    """From the gradients of rows that carry their decays to those of q, key, b, scale, log_decay."""
    from lrnn.backends.triton.diagonal_prepare import prepare_back

    assert call.log_decay is not None
    assert found.reads is not None
    assert found.carry is not None
    gradients = prepare_back(
        call.q, call.key, call.b, call.scale, call.log_decay, call.tables.chunks,
        size=call.layout.size, group=call.group, sees_own_decay=call.sees_own_decay, normalize=call.normalize,
        solves=call.solves, d_read_rows=found.read, d_write_rows=found.key, d_query_rows=found.q,
        d_reads=found.reads, d_system=found.system, d_carry=found.carry,
    )  # fmt: skip
    return tuple(call.new(0) if x is None else x for x in gradients)
