"""One call of the vector scan, from plain tensors to launches.

B batch · T time · H heads · G groups of heads with one key · K · N words.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.vector_scan_layout import (
    CHUNK,
    Launch,
    Tables,
    launch,
    num_chunks,
    segment_tokens,
    tables,
    width,
)

NONE, FIXED, FULL, STEPPED = range(4)
"""What decays and phases depend on, as the kernels have it."""

Gradients = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]

PARTIAL = 2**27
"""Numbers that all blocks of heads together may add to the gradient of a key that they share; else some go first."""

COMBINED = 256
"""Numbers of the state that one program takes from segment to segment."""


class Call:
    """Inputs as the kernels want them, sizes, and the launches forward and backward."""

    def __init__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        log_decay: Tensor | None,
        step: Tensor | None,
        rate: Tensor | None,
        phase: Tensor | None,
        sign: Tensor | None,
        fixed_decay: bool,
        fixed_phase: bool,
        lengths: Sequence[int],
        segment: int,
        complex: bool,
    ) -> None:
        self.q, self.k, self.v, self.log_decay, self.phase = q, k, v, log_decay, phase
        self.B, self.T, self.G, self.K = q.shape
        self.H = v.shape[2]
        self.own = self.G == self.H
        self.group = self.H if self.own else self.H // self.G
        # a shared key is few numbers, which every head would convert again
        self.keys = [_real(x if self.own or x.is_complex() else x.float()) for x in (q, k)]
        self.value, self.step, self.rate, self.sign = (None if x is None else _real(x) for x in (v, step, rate, sign))
        self.log, self.angle = (
            x if x is None else _real(x[0, 0] if fixed else x)
            for x, fixed in ((log_decay, fixed_decay), (phase, fixed_phase))
        )
        self.decay_kind = STEPPED if log_decay is None else FIXED if fixed_decay else FULL
        self.phase_kind = NONE if phase is None else FIXED if fixed_phase else FULL
        self.parts = 2 if complex else 1
        self.words = tuple(lengths) or (self.T,) * self.B
        self.num_chunks = num_chunks(self.B, self.T, lengths)
        self.segment = segment

    def forward(self, state: Tensor, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        from lrnn.backends.triton.vector_scan_kernels import vector_scan_fwd_kernel

        with _on(self.v):
            launch, tab = self.cut(backward=False)
            y = torch.empty(self.v.shape, dtype=state.dtype if self.parts == 2 else self.v.dtype, device=state.device)
            kept = state.new_empty(self.num_chunks if keep else 0, self.H, self.K)
            starts = state.contiguous()
            if tab.firsts is not None:
                starts = self.between(starts, self.keys[1], self.value, launch, tab, backward=False)
            ends = torch.empty_like(starts)
            _run(
                vector_scan_fwd_kernel, len(tab.segments) * self.blocks(launch),
                *self.keys, self.value, *self.decays, _real(starts), _real(y), _real(ends), _real(kept), tab.segments,
                **self.sizes(launch), L=CHUNK, QP=self.parts_of(self.q), KP=self.parts_of(self.k),
                VP=self.parts_of(self.v), KEEP=keep
            )  # fmt: skip
        return y, ends if tab.lasts is None else ends[tab.lasts], kept

    def backward(self, dy: Tensor, dfinal: Tensor, kept: Tensor, needs: Sequence[bool]) -> Gradients:
        from lrnn.backends.triton.vector_scan_bwd_kernels import vector_scan_bwd_kernel

        needs_q, needs_k, needs_decay, needs_phase = needs
        with _on(self.v):
            launch, tab = self.cut(backward=True)
            dy, dends = dy.contiguous(), dfinal.contiguous()
            if tab.lasts is not None:
                dends = self.between(dends, self.keys[0], _real(dy), launch, tab, backward=True)
            segments, dstarts = len(tab.segments), torch.empty_like(dends)
            dv = torch.empty_like(self.v, memory_format=torch.contiguous_format)
            dlog = self.room(self.log_decay, self.decay_kind, needs_decay, segments)
            dphase = self.room(self.phase, self.phase_kind, needs_phase, segments)
            stepped = needs_decay and self.step is not None
            dstep = torch.empty_like(self.step) if stepped and self.step is not None else self.nothing()
            drate = self.full(segments, self.H, self.K) if stepped else self.nothing()

            def some(skipped: int, blocks: int) -> tuple[Tensor, Tensor]:
                """The gradients of q and k that so many blocks of every group add up to."""
                dq, dk = (self.room_for_key(x, need, blocks) for x, need in ((self.q, needs_q), (self.k, needs_k)))
                programs, tile = segments * self.num_groups * blocks, width(self.K) * launch.lanes
                stash = self.full(programs, CHUNK // launch.tokens, launch.tiles, self.parts, tile)
                _run(
                    vector_scan_bwd_kernel, programs,
                    *self.keys, self.value, *self.decays, _real(kept), _real(dy), _real(dends), _real(dq), _real(dk),
                    _real(dv), dlog, dstep, drate, dphase, _real(dstarts), stash, tab.segments, self.B * self.T,
                    skipped, **self.sizes(launch) | {"NB": blocks}, L=CHUNK, QP=self.parts_of(self.q),
                    KP=self.parts_of(self.k), VP=self.parts_of(self.v), NEEDS_Q=needs_q, NEEDS_K=needs_k,
                    NEEDS_DECAY=needs_decay, NEEDS_PHASE=needs_phase and self.phase is not None
                )  # fmt: skip
                return (dq, dk) if self.own else (_added_up(dq, self.q), _added_up(dk, self.k))

            at_once = launch.per_group if self.own else max(PARTIAL // max(self.q.numel(), self.k.numel()), 1)
            starts = range(0, launch.per_group, at_once)
            pieces = [some(skipped, min(at_once, launch.per_group - skipped)) for skipped in starts]
            dq, dk = pieces[0] if len(pieces) == 1 else (torch.stack(parts).sum(0) for parts in zip(*pieces))
            if self.decay_kind == FIXED:
                dlog = _added_up(dlog, self.log_decay)
            if self.phase_kind == FIXED:
                dphase = _added_up(dphase, self.phase)
            drate = _added_up(drate, self.rate)
        return dq, dk, dv, dstarts if tab.firsts is None else dstarts[tab.firsts], dlog, dstep, drate, dphase

    def between(
        self, first: Tensor, key: Tensor, value: Tensor | None, launch: Launch, tab: Tables, *, backward: bool
    ) -> Tensor:
        """The states before all segments of cut words, or backward the gradients of those after them."""
        from lrnn.backends.triton.vector_scan_kernels import vector_scan_combine_kernel, vector_scan_ends_kernel

        segments = len(tab.segments)
        ends, products, between = (first.new_empty(segments, self.H, self.K) for _ in range(3))
        parts_of_key = self.parts_of(self.q if backward else self.k)
        _run(
                vector_scan_ends_kernel, segments * self.blocks(launch),
            key, value, *self.decays, _real(ends), _real(products), tab.segments, **self.sizes(launch),
            KP=parts_of_key, VP=self.parts if backward else self.parts_of(self.v), BACK=backward
        )  # fmt: skip
        size = self.H * self.K
        _run(
                vector_scan_combine_kernel, len(tab.words) * -(-size // COMBINED),
            _real(first), _real(ends), _real(products), _real(between), tab.words, size,
            BLOCK=COMBINED, P=self.parts, BACK=backward,
        )  # fmt: skip
        return between

    def cut(self, backward: bool) -> tuple[Launch, Tables]:
        """Which heads and which tokens go together."""
        chosen = launch(self.K, self.group, self.parts, backward)
        longest, total = max(self.words), sum(self.words)
        segment = self.segment or segment_tokens(longest, total, self.blocks(chosen))
        return chosen, tables(self.words, segment, self.v.device)

    def blocks(self, launch: Launch) -> int:
        return self.num_groups * launch.per_group

    @property
    def num_groups(self) -> int:
        return self.H // self.group

    @property
    def decays(self) -> tuple[Tensor | None, ...]:
        return self.log, self.step, self.rate, self.sign, self.angle

    def sizes(self, launch: Launch) -> dict[str, Any]:
        """What every kernel is told of the sizes and kinds."""
        return {
            "H": self.H, "G": self.G, "GS": self.group, "K": self.K, "BK": width(self.K), "HL": launch.lanes,
            "C": launch.tiles, "U": launch.tokens, "NB": launch.per_group, "P": self.parts,
            "DECAY": self.decay_kind, "PHASE": self.phase_kind, "SIGN": self.sign is not None, "OWN": self.own,
        }  # fmt: skip

    @staticmethod
    def parts_of(x: Tensor) -> int:
        return 2 if x.is_complex() else 1

    def nothing(self) -> Tensor:
        return self.full(0)

    def full(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float32, device=self.v.device)

    def room(self, x: Tensor | None, kind: int, needed: bool, segments: int) -> Tensor:
        """For the gradient of a log_decay or a phase; of a fixed one, what each segment adds to it."""
        if x is None or not needed:
            return self.nothing()
        return self.full(segments, self.H, self.K) if kind == FIXED else x.new_empty(x.shape)

    def room_for_key(self, x: Tensor, needed: bool, blocks: int) -> Tensor:
        """For the gradient of q or k; of one that heads share, what each block of heads adds to it, in its dtype."""
        if not needed:
            return self.nothing()
        if self.own:
            return x.new_empty(x.shape)
        return x.new_empty(blocks, *x.shape)


def _added_up(partial: Tensor, of: Tensor | None) -> Tensor:
    """Over the first axis, in the dtype of that of which it is the gradient."""
    return partial if of is None or not partial.numel() else partial.sum(0).to(of.dtype)


def _real(x: Tensor) -> Tensor:
    """Contiguous, and complex numbers as pairs."""
    x = x.resolve_conj().contiguous()
    return torch.view_as_real(x) if x.is_complex() else x


def _run(kernel: Any, programs: int, *arguments: Any, warps: int = 1, **sizes: Any) -> None:
    kernel[(programs,)](*arguments, **sizes, num_warps=warps)


def _on(x: Tensor) -> Any:
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
