"""The forward of the chunked kernels: prepare all chunks at once, then the chain of states.

Where batch and heads do not fill the chip, words are cut into segments: first every segment says what it does to any
state, then these are combined, one after the other, then all segments run from their own first states. On Hopper the
first segment of a word, whose state is given, runs at once, beside those that say what they do.
"""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor

from lrnn.backends.triton.launch import Launch
from lrnn.backends.triton.rows_call import CALLS, Call
from lrnn.backends.triton.rows_layout import Piece, tile
from lrnn.backends.triton.rows_tensors import Inputs, Prepared, Rows, terms


def run_forward(call: Call, given: Inputs, state: Tensor | None) -> tuple[Tensor, ...]:
    """:meth:`Call.outputs`, filled."""
    save = call.save
    y, final, *kept, u, starts, products = call.outputs()
    room = Prepared(*kept) if save else call.prepared()
    if save and call.prepares_again:
        room = call.with_room(room, call.tokens)
    rows, prepared = prepare(call, given, room)
    run = _Chain(call, given, rows, prepared, y, u, starts)
    if not call.layout.is_cut:
        run(state, final)
        return y, final, *kept, u, starts, products
    layout, words, skipped = call.layout, call.layout.num_words, call.layout.skipped
    last = layout.num_segments - words
    writes, products = call.writes(), products if save else call.products()
    states = call.between()
    if layout.leads:
        run(state, states[words:], end=words)
        state = states[words:]
    run.summarize(writes, products, skipped, layout.num_segments if save and not layout.leads else last)
    combine(call, writes, products, state, states, skipped // words, last // words)
    run(states, final, begin=skipped)
    return y, final, *kept, u, starts, products


def prepare(call: Call, given: Inputs, room: Prepared) -> tuple[Rows, Prepared]:
    """What happens inside the chunks, and the rows that meet the states."""
    if call.diagonal:
        return _prepare_diagonal(call, given)
    prepare_chunks(call, given, room)
    return plain_rows(given), room


def prepare_chunks(call: Call, given: Inputs, room: Prepared, piece: Piece | None = None) -> None:
    """What happens inside all chunks; in the backward, inside those of a piece, chunk by chunk."""
    layout, again = call.layout, piece is not None
    begin, per_piece, chunks = (0, layout.per_run, layout.num_chunks) if piece is None else piece[2:]
    inputs = given.q, given.key, given.beta, given.log_decay, call.tables.chunks
    which = begin, per_piece, layout.per_run, call.H, call.G
    words = (1, chunks) if layout.packed else (layout.num_words, layout.num_chunks // layout.num_words)
    if call.on_hopper_prepare:
        programs = min(chunks * call.H, call.preparing * call.processors)
        _prepare_hopper_launch(call, again)((programs,), *inputs, *room, call.tokens, chunks, *which)
    else:
        grid = chunks, call.H // call.together
        _prepare_launch(call, again)(grid, *inputs, *room, call.tokens, *words, *which)


def plain_rows(given: Inputs) -> Rows:
    """The given keys and queries themselves."""
    return Rows(given.q, (None, None), (given.key, given.key), None)


@lru_cache(CALLS)
def _prepare_launch(call: Call, again: bool) -> Launch:
    from lrnn.backends.triton.rows_prepare_kernels import rows_prepare_fwd_kernel

    return Launch(
        rows_prepare_fwd_kernel, **call.sizes, DECAY=call.decays, SOLVE=call.solves, NORMALIZE=call.normalize,
        WEIGH=call.weighs, HEADS=call.together, AGAIN=again,
        num_warps=call.tiles.solve_warps if call.solves else 4,
    )  # fmt: skip


@lru_cache(CALLS)
def _prepare_hopper_launch(call: Call, again: bool) -> Launch:
    from lrnn.backends.triton.rows_prepare_hopper_kernels import rows_prepare_fwd_hopper_kernel

    sizes = {name: call.sizes[name] for name in ("R", "RP", "C", "K")}
    return Launch(
        rows_prepare_fwd_hopper_kernel, **sizes, DECAY=call.decays, NORMALIZE=call.normalize, DELTA=call.delta,
        AGAIN=again, num_warps=4, registers={2: 248, 3: 168}[call.preparing], early=again,
    )  # fmt: skip


def _prepare_diagonal(call: Call, given: Inputs) -> tuple[Rows, Prepared]:
    from lrnn.backends.triton.diagonal_prepare import prepare as prepare_diagonal

    assert given.log_decay is not None
    found = prepare_diagonal(
        given.q, given.key, given.b, minus(given.beta), given.log_decay, call.tables.chunks,
        size=call.layout.size, group=call.group, sees_own_decay=call.sees_own_decay, normalize=call.normalize,
        solves=call.solves,
    )  # fmt: skip
    write = found.write_rows
    rows = Rows(found.query_rows, terms(found.read_rows), (write[0], write[-1]), found.carry)
    inverse = call.unprepared.inverse if found.inverse is None else found.inverse
    return rows, call.unprepared._replace(inverse=inverse, reads=found.reads)


def minus(x: Tensor | None) -> Tensor | None:
    """-x in float32."""
    return None if x is None else -x.float()


class _Chain:
    """The chain of states over every segment."""

    def __init__(
        self,
        call: Call,
        given: Inputs,
        rows: Rows,
        prepared: Prepared,
        y: Tensor,
        u: Tensor,
        starts: Tensor,
    ) -> None:
        self.call, self.given, self.rows = call, given, rows
        self.prepared = prepared
        self.y, self.u, self.starts = y, u, starts

    def __call__(self, state: Tensor | None, final: Tensor, begin: int = 0, end: int | None = None) -> None:
        """From the states before segments to those after the last of them in each word."""
        end = self.call.layout.num_segments if end is None else end
        self._walk(self.call.slices, begin, end, state, final, None, end - self.call.layout.num_words)

    def summarize(self, writes: Tensor, products: Tensor, begin: int, end: int) -> None:
        """What segments do to any state."""
        call = self.call
        slices = call.slices + (-(-call.K // call.columns) if call.solves else 0)
        self._walk(slices, begin, end, None, writes, products, begin)

    def _walk(
        self,
        slices: int,
        begin: int,
        end: int,
        first: Tensor | None,
        last: Tensor,
        products: Tensor | None,
        ending: int,
    ) -> None:
        summarize = products is not None
        call, rows, layout, v = self.call, self.rows, self.call.layout, self.given.v
        grid = (slices, end - begin, call.H)
        sizes = (call.tokens, layout.num_chunks, begin, ending, call.H, call.heads)
        if call.on_hopper:
            every = layout.per_piece
            chunks = (0, layout.num_chunks, every, every * call.first_kept)
            _hopper_launch(call, summarize, first is not None)(
                grid, rows.query, rows.write[0], v, *self.prepared, first, call.tables.segments,
                self.y, self.u, self.starts, self.starts, last, products, call.tokens, call.tokens, *chunks,
                layout.num_segments, *sizes[1:],
            )  # fmt: skip
            return
        _chain_launch(call, summarize, first is not None)(
            grid, rows.query, *rows.read, *rows.write, rows.carry, v, *self.prepared, first, call.tables.segments,
            self.y, self.u, self.starts, last, products, *sizes,
        )  # fmt: skip


@lru_cache(CALLS)
def _hopper_launch(call: Call, summarize: bool, has_state: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_hopper_kernels import rows_chain_fwd_hopper_kernel

    save = call.save and not summarize
    sizes = call.hopper_sizes | ({"STAGES": 2} if summarize else {})
    return Launch(
        rows_chain_fwd_hopper_kernel, **sizes, DECAY=call.decays, SOLVE=call.solves, READ=not summarize,
        STATES=save and not call.repeats, KEEP=save and call.repeats, PIECES=False,
        num_warps=4, registers=128 if summarize or not call.solves else None,
        beside=summarize and call.layout.leads, early=not summarize,
    )  # fmt: skip


def repeat(
    call: Call, given: Inputs, prepared: Prepared, state: Tensor | None, kept: Tensor, starts: Tensor, piece: Piece
) -> None:
    """The states before the chunks of a piece, from that before a word and those before its pieces."""
    layout, v, (begin_segment, end, begin, chunks, total) = call.layout, given.v, piece
    place = begin // layout.per_piece - call.first_kept
    first = kept[place] if place >= 0 else state
    _repeat_launch(call, first is not None)(
        (call.slices, end - begin_segment, call.H),
        given.q, given.key, v, *prepared, first,
        call.tables.segments, v, v, starts, kept, kept, None, call.tokens, call.held(piece), begin, chunks,
        chunks, 0, layout.num_segments, total, begin_segment, 0, call.H, call.heads,
    )  # fmt: skip


@lru_cache(CALLS)
def _repeat_launch(call: Call, has_state: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_hopper_kernels import rows_chain_fwd_hopper_kernel

    return Launch(
        rows_chain_fwd_hopper_kernel, **call.hopper_sizes, DECAY=call.decays, SOLVE=call.solves,
        READ=False, STATES=True, KEEP=False, PIECES=True, num_warps=4, early=True,
    )  # fmt: skip


@lru_cache(CALLS)
def _chain_launch(call: Call, summarize: bool, has_state: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_kernels import rows_chain_fwd_kernel

    return Launch(
        rows_chain_fwd_kernel, **call.sizes, V=call.V, BV=call.columns, DECAY=call.decays, DIAGONAL=call.diagonal,
        SOLVE=call.solves, READ=not summarize, SAVE=call.save and not summarize, SUMMARY=summarize,
        STAGES=call.stages, num_warps=call.tiles.warps,
    )  # fmt: skip


def combine(
    call: Call,
    writes: Tensor,
    products: Tensor,
    state: Tensor | None,
    states: Tensor,
    begin: int,
    end: int,
) -> None:
    """The states before segments, from those before the ``begin``-th of a word to those before the ``end``-th; if that
    is an earlier one, gradients of the states after them."""
    words = call.layout.num_words
    _combine_launch(call, end < begin, state is not None)(
        (-(-call.V // 16), words, call.H),
        writes, products, state, states, begin, abs(end - begin), call.layout.skipped, words, call.H,
    )  # fmt: skip


@lru_cache(CALLS)
def _combine_launch(call: Call, reverse: bool, has_state: bool) -> Launch:
    from lrnn.backends.triton.rows_chain_kernels import rows_combine_kernel

    return Launch(
        rows_combine_kernel, K=call.K, BK=tile(call.K), V=call.V, BV=16,
        SOLVE=call.solves, REVERSE=reverse, EARLY=call.generation >= 9, num_warps=8, early=call.generation >= 9,
    )  # fmt: skip
