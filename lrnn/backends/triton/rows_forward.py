"""The forward of the chunked kernels: prepare all chunks at once, then the chain of states.

Where batch and heads do not fill the chip, words are cut into segments: first every segment says what it does to any
state, then these are combined, one after the other, then all segments run from their own first states.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.backends.triton.launch import launch
from lrnn.backends.triton.rows_call import Call, Prepared, Rows, terms
from lrnn.backends.triton.rows_layout import tile


def run_forward(call: Call, state: Tensor, save: bool) -> tuple[Tensor, ...]:
    """:meth:`Call.outputs`, filled."""
    y, final, *_, u, starts, summary = call.outputs(state, save)
    rows, prepared = prepare(call)
    run = _Chain(call, rows, prepared, y, u, starts, save)
    if call.layout.is_cut:
        summary = summary if save else call.summary()
        run(call.slices + (-(-call.K // call.columns) if call.solves else 0), state, summary, summarize=True)
        states = combine(call, summary, summary, state, final, reverse=False)
        run(call.slices, states, torch.empty_like(states))
    else:
        run(call.slices, state, final)
    kept = prepared if save and not call.diagonal else call.unprepared()
    return y, final, *kept, u, starts, summary if save else call.new(0, dtype=torch.float32)


def prepare(call: Call) -> tuple[Rows, Prepared]:
    """What happens inside the chunks, and the rows that meet the states."""
    if call.diagonal:
        return _prepare_diagonal(call)
    from lrnn.backends.triton.rows_prepare_kernels import rows_prepare_fwd_kernel

    chunks, prepared = call.tables.chunks, call.prepared()
    launch(
        rows_prepare_fwd_kernel, (len(chunks), call.H),
        call.q, call.key, call.scale, call.log_decay, chunks,
        *terms(prepared.inverse), *prepared[1:], call.tokens, call.H, call.G,
        **call.sizes, DECAY=call.decays, SOLVE=call.solves, NORMALIZE=call.normalize,
        num_warps=call.tiles.solve_warps if call.solves else 4,
    )  # fmt: skip
    return Rows(call.q, None, call.key[None], None, call.G), prepared


def _prepare_diagonal(call: Call) -> tuple[Rows, Prepared]:
    from lrnn.backends.triton.diagonal_prepare import prepare as prepare_diagonal

    assert call.log_decay is not None
    found = prepare_diagonal(
        call.q, call.key, call.b, call.scale, call.log_decay, call.tables.chunks,
        size=call.layout.size, group=call.group, sees_own_decay=call.sees_own_decay, normalize=call.normalize,
        solves=call.solves,
    )  # fmt: skip
    rows = Rows(found.query_rows, found.read_rows, found.write_rows, found.carry, call.H)
    inverse = call.new(0) if found.inverse is None else found.inverse
    return rows, call.unprepared()._replace(inverse=inverse, reads=found.reads)


class _Chain:
    """The chain of states over every segment."""

    def __init__(
        self, call: Call, rows: Rows, prepared: Prepared, y: Tensor, u: Tensor, starts: Tensor, save: bool
    ) -> None:
        self.call, self.rows, self.prepared, self.y, self.u, self.starts = call, rows, prepared, y, u, starts
        self.save = save

    def __call__(self, slices: int, first: Tensor, last: Tensor, summarize: bool = False) -> None:
        from lrnn.backends.triton.rows_chain_kernels import rows_chain_fwd_kernel

        call, rows, tab = self.call, self.rows, self.call.tables
        if call.on_hopper and not summarize:
            from lrnn.backends.triton.rows_chain_hopper_kernels import rows_chain_fwd_hopper_kernel

            launch(
                rows_chain_fwd_hopper_kernel, (slices, len(tab.segments), call.H),
                rows.query, rows.write[0], call.v, *terms(self.prepared.inverse), *self.prepared[1:], first,
                tab.segments, self.y, self.u, self.starts, last, call.tokens, len(tab.chunks), call.H, rows.heads,
                **call.hopper_sizes, DECAY=call.decays, SOLVE=call.solves, SAVE=self.save, num_warps=4,
            )  # fmt: skip
            return
        launch(
            rows_chain_fwd_kernel, (slices, len(tab.segments), call.H),
            rows.query, *terms(rows.read), *terms(rows.write), rows.carry, call.v,
            *terms(self.prepared.inverse), *self.prepared[1:], first, tab.segments,
            self.y, self.u, self.starts, last, call.tokens, len(tab.chunks), call.H, rows.heads,
            **call.sizes, V=call.V, BV=call.columns, DECAY=call.decays, DIAGONAL=call.diagonal, SOLVE=call.solves,
            READ=not summarize, SAVE=self.save and not summarize, SUMMARY=summarize, ROWS=call.summary_rows,
            STAGES=call.stages, num_warps=call.tiles.warps,
        )  # fmt: skip


def combine(call: Call, writes: Tensor, products: Tensor, state: Tensor, final: Tensor, reverse: bool) -> Tensor:
    """The states before every segment, and the last states; in reverse, gradients after every segment."""
    from lrnn.backends.triton.rows_chain_kernels import rows_combine_kernel

    tab, columns = call.tables, min(tile(call.V), 32)
    states = state.new_empty(len(tab.segments), *state.shape[1:])
    launch(
        rows_combine_kernel, (-(-call.V // columns), len(tab.words) - 1, call.H),
        writes, products if call.solves else _fading(call), state, tab.words, states, final, call.H,
        K=call.K, BK=tile(call.K), V=call.V, BV=columns, WRITES=writes.shape[2], PRODUCTS=call.summary_rows,
        SOLVE=call.solves, REVERSE=reverse, num_warps=4,
    )  # fmt: skip
    return states


def _fading(call: Call) -> Tensor:
    """What multiplies each state row across a segment, ``[segments, H, K]``, where no system is solved."""
    shape = (call.B, call.layout.num_segments // call.B, call.H, call.K)
    if call.log_decay is None:
        return call.q.new_ones(shape, dtype=torch.float32)
    step = call.layout.segment_tokens
    padded = pad(call.log_decay, (0, 0) * (call.log_decay.ndim - 2) + (0, shape[1] * step - call.T))
    total = padded.unflatten(1, (shape[1], step)).sum(2, dtype=torch.float64).exp().float()
    return (total if call.diagonal else total[..., None].expand(shape)).contiguous()
