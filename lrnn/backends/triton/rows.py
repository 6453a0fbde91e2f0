"""Everything that is diagonal plus low rank, by chunks: the host side of the kernels of ``rows_*_kernels``.

B batch · T time · H heads · G groups of heads with one key · R micro-rows of a token · N words · K, V.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.backends.triton import rows_layout
from lrnn.backends.triton.rows_layout import TILES, Layout, tables, tile


ALIGNED = 8
"""K and V are filled up to whole multiples: the hardware copies tiles whose rows are multiples of 16 bytes apart."""


def scan_rows(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor,
    *,
    group: int = 1,
    sees_own_decay: bool = True,
    normalize: bool = False,
    lengths: Sequence[int] | None = None,
    size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """y ``[B, T, H, V]`` and the last states ``[N, H, K, V]`` of S ← P_t S, then for each micro-row S ← S + key uᵀ with
    u = v + scale · Sᵀb.

    Arguments:
        q, key, b, v: ``[B, T, G, K]``, ``[B, T, G, R, K]`` twice and ``[B, T, H, R, V]`` in one dtype, float32,
            bfloat16 or float16. b None is the key itself where there is a scale, and else a plain write, u = v.
        scale: ``[B, T, H, R]`` float32; None with b given is 1.
        log_decay: ``[B, T, H]`` or ``[B, T, H, K]`` float32, <= 0, with -1e5 for a reset, or None. With b given, the
            second.
        state: ``[N, H, K, V]`` float32.
        group: this many micro-rows act at once, and do not see each other.
        sees_own_decay: does b meet the state after the decay of its own step?
        normalize: divide scale by keyᵀkey, of the key as it is rounded; a key of 0 does nothing.
        lengths: of packed words, where B = 1.
        size: micro-rows of a chunk, 16, 32, 64 or 128.
    """
    K, V = q.shape[-1], v.shape[-1]
    by_k, by_v = -K % ALIGNED, -V % ALIGNED
    if by_k or by_v:
        q, key, b = (None if x is None else pad(x, (0, by_k)) for x in (q, key, b))
        v, state = pad(v, (0, by_v)), pad(state, (0, by_v, 0, by_k))
        if log_decay is not None and log_decay.ndim == 4:
            log_decay = pad(log_decay, (0, by_k))
        options = {"group": group, "sees_own_decay": sees_own_decay, "normalize": normalize}
        y, final = scan_rows(q, key, b, scale, v, log_decay, state, lengths=lengths, size=size, **options)
        return y[..., :V], final[..., :K, :V]
    q, key, v, state = q.contiguous(), key.contiguous(), v.contiguous(), state.contiguous()
    b, scale, log_decay = (None if x is None else x.contiguous() for x in (b, scale, log_decay))
    given = (q, key, b, scale, v, log_decay, state)
    options = (list(lengths or ()), group, sees_own_decay, normalize, size or 0)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in given):
        return _Rows.apply(*given, options)  # type: ignore[return-value]
    return rows_forward(*given, *options, False)[:2]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *given, options = inputs
        y, final, *kept = rows_forward(*given, *options, True)
        ctx.save_for_backward(*given, *kept)
        ctx.options = options
        return y, final

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        dy, dfinal = (x.contiguous() for x in gradients)
        *given, _state = ctx.saved_tensors[:7]
        found = rows_backward(dy, dfinal, *given, *ctx.saved_tensors[7:], *ctx.options)
        there = [*(x is not None for x in given), True]
        return *(gradient if is_there else None for gradient, is_there in zip(found, there)), None


@torch.library.custom_op("lrnn::rows_forward", mutates_args=())
def rows_forward(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor,
    lengths: Sequence[int],
    group: int,
    sees_own_decay: bool,
    normalize: bool,
    size: int,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, final, and for the backward: inverse, reads, factor, since, until, u, starts, summary."""
    return _Call(q, key, b, scale, v, log_decay, lengths, group, sees_own_decay, normalize, size).forward(state, save)


@rows_forward.register_fake
def _(q, key, b, scale, v, log_decay, state, lengths, group, sees_own_decay, normalize, size, save):
    call = _Call(q, key, b, scale, v, log_decay, lengths, group, sees_own_decay, normalize, size)
    return call.outputs(state, save)


@torch.library.custom_op("lrnn::rows_backward", mutates_args=())
def rows_backward(
    dy: Tensor,
    dfinal: Tensor,
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    inverse: Tensor,
    reads: Tensor,
    factor: Tensor,
    since: Tensor,
    until: Tensor,
    u: Tensor,
    starts: Tensor,
    summary: Tensor,
    lengths: Sequence[int],
    group: int,
    sees_own_decay: bool,
    normalize: bool,
    size: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of q, key, b, scale, v, log_decay, state; of what is not there, an empty tensor."""
    call = _Call(q, key, b, scale, v, log_decay, lengths, group, sees_own_decay, normalize, size)
    return call.backward(dy, dfinal, inverse, reads, factor, since, until, u, starts, summary)


@rows_backward.register_fake
def _(dy, dfinal, q, key, b, scale, v, log_decay, inverse, reads, factor, since, until, u, starts, summary, *options):
    given = (torch.empty_like(x) if x is not None else q.new_empty(0) for x in (q, key, b, scale, v, log_decay))
    return *given, torch.empty_like(dfinal)


class _Call:
    """One call: its inputs, its sizes, and the launches."""

    def __init__(
        self,
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        scale: Tensor | None,
        v: Tensor,
        log_decay: Tensor | None,
        lengths: Sequence[int],
        group: int,
        sees_own_decay: bool,
        normalize: bool,
        size: int,
    ) -> None:
        self.q, self.key, self.b, self.scale, self.v, self.log_decay = q, key, b, scale, v, log_decay
        self.group, self.sees_own_decay, self.normalize = group, sees_own_decay, normalize
        self.B, self.T, self.G, self.K = q.shape
        self.H, self.R, self.V = v.shape[2:]
        self.solves = b is not None or scale is not None
        self.diagonal = log_decay is not None and log_decay.ndim == 4
        self.decays = log_decay is not None and not self.diagonal
        self.layout = Layout.of(self.B, self.T, lengths, self.R, self.H, self.K, self.V, size, q.element_size())
        self.tiles = TILES[q.element_size(), tile(self.K)]
        self.columns = min(tile(self.V), self.tiles.value)
        self.slices = -(-self.V // self.columns)
        self.summary_rows = self.slices * self.columns + (self.K if self.solves else 0)

    @property
    def processors(self) -> int:
        """Programs that the device runs at the same time, one on each of its processors."""
        if not self.q.is_cuda:
            return 2
        return torch.cuda.get_device_properties(self.q.device).multi_processor_count

    @property
    def sizes(self) -> dict[str, int]:
        """What every kernel is compiled for."""
        layout = self.layout
        return {
            "R": self.R, "RP": layout.padded, "C": layout.size, "CQ": max(16, layout.tokens), "K": self.K,
            "BK": tile(self.K),
        }  # fmt: skip

    def new(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return self.q.new_empty(shape, dtype=dtype or self.q.dtype)

    def prepared(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Room for inverse, reads, factor, since, until."""
        B, T, H, R, C = self.B, self.T, self.H, self.R, self.layout.size
        full, scalar = torch.float32, self.solves and not self.diagonal
        terms = 1 if self.q.dtype == full else 2
        return (
            self.new(terms, B, T, H, R, C) if self.solves else self.new(0),
            self.new(B, T, H, C),
            self.new(B, T, H, R, dtype=full) if scalar else self.new(0, dtype=full),
            self.new(B, T, H, dtype=full) if self.decays else self.new(0, dtype=full),
            self.new(B, T, H, dtype=full) if self.decays else self.new(0, dtype=full),
        )

    def outputs(self, state: Tensor, save: bool) -> tuple[Tensor, ...]:
        """Room for all outputs of the forward; what the backward would not need is empty."""
        B, T, H, R, V, K = self.B, self.T, self.H, self.R, self.V, self.K
        kept = self.prepared() if save and not self.diagonal else tuple(self.new(0) for _ in range(5))
        cut = self.layout.num_segments if self.layout.is_cut else 0
        return (
            self.new(B, T, H, V),
            torch.empty_like(state),
            *kept,
            self.new(B, T, H, R, V) if save and self.solves else self.new(0),
            self.new(self.layout.num_chunks, H, V, K) if save else self.new(0),
            self.new(cut, H, self.summary_rows, K, dtype=torch.float32) if save and cut else self.new(0),
        )

    def prepare(self) -> tuple[_Rows_, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What happens inside the chunks; the rows that meet the states, and inverse, reads, factor, since, until."""
        chunks = tables(self.layout, self.q.device).chunks
        if self.diagonal:
            from lrnn.backends.triton.diagonal_prepare import prepare

            found = prepare(
                self.q, self.key, self.b, self.scale, self.log_decay, chunks,
                size=self.layout.size, group=self.group, sees_own_decay=self.sees_own_decay,
                normalize=self.normalize, solves=self.solves,
            )  # fmt: skip
            empty = self.new(0)
            rows = _Rows_(found.query_rows, found.read_rows, found.write_rows, found.carry, self.H)
            return rows, empty if found.inverse is None else found.inverse, found.reads, empty, empty, empty
        from lrnn.backends.triton.rows_prepare_kernels import rows_prepare_fwd_kernel

        inverse, reads, factor, since, until = kept = self.prepared()
        def launch(solve: bool, read: bool, warps: int) -> None:
            rows_prepare_fwd_kernel[(len(chunks), self.H)](
                self.q, self.key, self.scale, self.log_decay, chunks,
                *_terms(inverse), reads, factor, since, until, self.H, self.G,
                **self.sizes, DECAY=self.decays, SOLVE=solve, NORMALIZE=self.normalize, READ=read,
                num_warps=warps,
            )  # fmt: skip

        if self.solves and rows_layout.SPLIT:
            launch(True, False, rows_layout.PREPARE_WARPS)
            launch(False, True, 4)
        else:
            launch(self.solves, True, rows_layout.PREPARE_WARPS)
        return _Rows_(self.q, None, self.key[None], None, self.G), *kept

    def forward(self, state: Tensor, save: bool) -> tuple[Tensor, ...]:
        from lrnn.backends.triton.rows_chain_kernels import rows_chain_fwd_kernel

        with _on(self.q):
            y, final, *_, u, starts, summary = self.outputs(state, save)
            rows, *kept = self.prepare()
            inverse, reads, factor, since, until = kept
            tab = tables(self.layout, self.q.device)

            def chain(slices: int, first: Tensor, last: Tensor, summarize: bool) -> None:
                rows_chain_fwd_kernel[(slices, len(tab.segments), self.H)](
                    rows.query, *_terms(rows.read), *_terms(rows.write), rows.carry, self.v, *_terms(inverse), reads,
                    factor, since, until, first, tab.segments, y, u, starts, last, len(tab.chunks), self.H, rows.heads,
                    **self.sizes, V=self.V, BV=self.columns, DECAY=self.decays, DIAGONAL=self.diagonal,
                    SOLVE=self.solves, READ=not summarize, SAVE=save and not summarize, SUMMARY=summarize,
                    ROWS=self.summary_rows, STAGES=self.tiles.stages, num_warps=self.tiles.warps,
                )  # fmt: skip

            if self.layout.is_cut:
                if not summary.numel():
                    summary = self.new(len(tab.segments), self.H, self.summary_rows, self.K, dtype=torch.float32)
                chain(self.slices + (-(-self.K // self.columns) if self.solves else 0), state, summary, True)
                states = self.combine(summary, summary, state, final, rows.carry, since, reverse=False)
                chain(self.slices, states, torch.empty_like(states), False)
            else:
                chain(self.slices, state, final, False)
            if not save:
                summary = self.new(0)
            if not save or self.diagonal:
                kept = [self.new(0) for _ in kept]
        return y, final, *kept, u, starts, summary

    def combine(
        self,
        writes: Tensor,
        products: Tensor,
        state: Tensor,
        final: Tensor,
        carry: Tensor | None,
        since: Tensor,
        reverse: bool,
    ) -> Tensor:
        """The states before every segment, and the last states; in reverse, gradients after every segment."""
        from lrnn.backends.triton.rows_chain_kernels import rows_combine_kernel

        tab = tables(self.layout, self.q.device)
        if not self.solves:
            products = self.fading(carry, since)
        states = state.new_empty(len(tab.segments), *state.shape[1:])
        columns = min(tile(self.V), 32)
        rows_combine_kernel[(-(-self.V // columns), len(tab.words) - 1, self.H)](
            writes, products, state, tab.words, states, final, self.H,
            K=self.K, BK=tile(self.K), V=self.V, BV=columns, WRITES=writes.shape[2],
            PRODUCTS=self.summary_rows, SOLVE=self.solves, REVERSE=reverse, num_warps=4,
        )  # fmt: skip
        return states

    def fading(self, carry: Tensor | None, since: Tensor) -> Tensor:
        """What multiplies each state row across a segment, ``[segments, H, K]``, where no system is solved."""
        per_word = self.layout.num_segments // self.B
        shape = (self.B, per_word, self.H, self.K)
        if self.log_decay is None:
            return self.q.new_ones(shape, dtype=torch.float32)
        step = self.layout.segment_tokens
        padded = torch.nn.functional.pad(
            self.log_decay, (0, 0) * (self.log_decay.ndim - 2) + (0, per_word * step - self.T)
        )
        total = padded.unflatten(1, (per_word, step)).sum(2, dtype=torch.float64).exp().float()
        return (total if self.diagonal else total[..., None].expand(shape)).contiguous()

    def backward(
        self,
        dy: Tensor,
        dfinal: Tensor,
        inverse: Tensor,
        reads: Tensor,
        factor: Tensor,
        since: Tensor,
        until: Tensor,
        u: Tensor,
        starts: Tensor,
        summary: Tensor,
    ) -> tuple[Tensor, ...]:
        from lrnn.backends.triton.rows_chain_kernels import rows_chain_bwd_kernel
        from lrnn.backends.triton.rows_local_kernels import (
            rows_decays_bwd_kernel,
            rows_keys_bwd_kernel,
            rows_queries_bwd_kernel,
        )

        H, K, C, R, full = self.H, self.K, self.layout.size, self.R, torch.float32
        with _on(self.q):
            rows = _Rows_(self.q, None, self.key[None], None, self.G)
            if self.diagonal:
                rows, inverse, reads, *_ = self.prepare()
            tab, layout, tokens = tables(self.layout, self.q.device), self.layout, self.B * self.T
            dv, dstate = torch.empty_like(self.v), dfinal.clone()
            pieces = -(-layout.per_word // layout.per_piece)

            def chain(last: Tensor, first: Tensor, ends: Tensor | None, begin: int, summarize: bool) -> None:
                rows_chain_bwd_kernel[(self.slices, len(tab.segments), H)](
                    rows.query, *_terms(rows.read), *_terms(rows.write), rows.carry, dy, *_terms(inverse), reads,
                    factor, since, until, last, tab.segments, dv, ends, first, len(tab.chunks), begin, layout.per_piece,
                    H, rows.heads,
                    **self.sizes, V=self.V, BV=self.columns, DECAY=self.decays, DIAGONAL=self.diagonal,
                    SOLVE=self.solves, SUMMARY=summarize, PIECES=pieces > 1,
                    STAGES=self.tiles.stages, num_warps=self.tiles.warps,
                )  # fmt: skip

            last, first = dstate, dstate
            if layout.is_cut:
                writes = self.new(len(tab.segments), H, self.V, K, dtype=full)
                chain(dfinal, writes, None, 0, True)
                last = self.combine(writes, summary, dfinal, dstate, rows.carry, since, reverse=True)
                first = torch.empty_like(last)

            diagonal = self.diagonal
            wide = full if diagonal else None
            dq, dkey = torch.empty_like(rows.query, dtype=wide), torch.empty_like(rows.write[0], dtype=wide)
            scalar = self.solves and not diagonal
            dscale = torch.empty_like(self.scale) if scalar and self.scale is not None else self.new(0)
            dlog = torch.empty_like(self.log_decay) if self.decays and self.log_decay is not None else self.new(0)
            solved = diagonal and self.solves
            d_read = torch.empty_like(rows.write[0], dtype=full) if solved else None
            d_reads = self.new(self.B, self.T, H, C, dtype=full) if diagonal else None
            d_system = self.new(self.B, self.T, H, R, C, dtype=full) if solved else None
            d_carry = torch.empty_like(rows.carry) if rows.carry is not None else None
            solved = u if self.solves else self.v
            ends = self.new(layout.per_piece * layout.batch, H, self.V, K)
            for piece in reversed(range(pieces)):
                begin = piece * layout.per_piece
                chain(last, first, ends, begin, False)
                per_piece = min(layout.per_piece, layout.per_word - begin)
                chunks = per_piece * layout.batch
                programs = min(chunks * rows.heads, self.processors * rows_layout.PER)
                where = (tokens, self.T, layout.per_word, begin, per_piece, chunks, len(tab.chunks), H, rows.heads)
                how = self.sizes | {
                    "HEADS": H // rows.heads, "V": self.V, "BV": min(tile(self.V), self.tiles.local_value),
                    "PACKED": layout.packed,
                    "STAGES": self.tiles.local_stages, "num_warps": self.tiles.local_warps,
                }  # fmt: skip
                rows_queries_bwd_kernel[(programs,)](
                    rows.query, rows.write[0], self.log_decay, since, solved, dy, starts, tab.chunks, dq, d_reads,
                    *where, **how, DECAY=self.decays, DIAGONAL=diagonal,
                )  # fmt: skip
                rows_keys_bwd_kernel[(programs,)](
                    rows.query, rows.write[0], self.scale, self.log_decay, since, until, solved, dv, dy,
                    starts, ends, tab.chunks, dkey, dscale, d_read, d_system, d_carry,
                    *where, **how, DECAY=self.decays, DIAGONAL=diagonal, SOLVE=self.solves, NORMALIZE=self.normalize,
                )  # fmt: skip
                if self.decays:
                    rows_decays_bwd_kernel[(min(chunks * H, self.processors * rows_layout.PER),)](
                        self.q, self.key, self.scale, self.log_decay, since, until, solved, dv, dy,
                        starts, ends, tab.chunks, dlog,
                        *where, **how, SOLVE=self.solves, NORMALIZE=self.normalize,
                    )  # fmt: skip
            db = self.new(0)
            if diagonal:
                from lrnn.backends.triton.diagonal_prepare import prepare_back

                dq, dkey, db, dscale, dlog = (
                    self.new(0) if x is None else x
                    for x in prepare_back(
                        self.q, self.key, self.b, self.scale, self.log_decay, tab.chunks,
                        size=C, group=self.group, sees_own_decay=self.sees_own_decay, normalize=self.normalize,
                        solves=self.solves, d_read_rows=d_read, d_write_rows=dkey, d_query_rows=dq, d_reads=d_reads,
                        d_system=d_system, d_carry=d_carry,
                    )
                )  # fmt: skip
        return dq, dkey, db, dscale, dv, dlog, dstate


class _Rows_:
    """The rows that meet the states; with ``heads`` of their own."""

    def __init__(self, query: Tensor, read: Tensor | None, write: Tensor, carry: Tensor | None, heads: int) -> None:
        self.query, self.read, self.write, self.carry, self.heads = query, read, write, carry, heads


def _terms(x: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The two numbers of the dtype that say one float32; the second is not looked at where the first is float32."""
    if x is None or not x.numel():
        return None, None
    return x[0], x[-1]


@contextmanager
def _on(x: Tensor) -> Iterator[None]:
    """The device of x is current, and descriptors that a kernel makes find their room there."""
    import triton

    triton.set_allocator(lambda size, alignment, stream: torch.empty(size, dtype=torch.int8, device=x.device))
    with torch.cuda.device(x.device) if x.is_cuda else nullcontext():
        yield
