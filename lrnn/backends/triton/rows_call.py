"""One call of the chunked kernels: its inputs, its sizes, and room for what it makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lrnn.backends.triton.rows_layout import TILES, Layout, Tables, tables, tile


class Prepared(NamedTuple):
    """What happens inside the chunks; what a call does not have is an empty tensor."""

    inverse: Tensor
    """``[1 or 2, B, T, H, R, C]``: (I - N)⁻¹ as one float32 or two numbers of the inputs' dtype."""
    reads: Tensor
    """``[B, T, H, C]``: A, what a read sees of the chunk's rows."""
    factor: Tensor
    """``[H, B, T, R]``: by which a row meets the chunk's first state."""
    decays: Tensor
    """``[4, H, B, T]``: exp of the log decays from the chunk's start on, and to its end, and their sum from the start
    on, as two numbers."""


class Rows(NamedTuple):
    """The rows that meet the states."""

    query: Tensor
    """``[B, T, heads, K]``"""
    read: Tensor | None
    """``[1 or 2, B, T, heads, R, K]`` where they are not the rows that write."""
    write: Tensor
    """``[1 or 2, B, T, heads, R, K]``"""
    carry: Tensor | None
    """``[chunks, H, K]``: a decay per state row across a chunk."""
    heads: int
    """H, or G where the rows are the given keys."""


class Call:
    """The inputs of :func:`lrnn.backends.triton.rows.scan_rows` and all sizes that follow from them."""

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
        self.tokens = self.B * self.T
        self.solves = b is not None or scale is not None
        self.diagonal = log_decay is not None and log_decay.ndim == 4
        self.decays = log_decay is not None and not self.diagonal
        self.layout = Layout.of(self.B, self.T, lengths, self.R, self.H, self.K, self.V, size, q.element_size())
        self.tiles = TILES[q.element_size(), tile(self.K)]
        self.columns = min(tile(self.V), self.tiles.value)
        self.slices = -(-self.V // self.columns)
        self.stages = 1 if self.diagonal and self.K > 64 else self.tiles.stages  # its tiles are twice as many
        self.summary_rows = self.slices * self.columns + (self.K if self.solves else 0)

    @property
    def tables(self) -> Tables:
        """Where each program finds its work."""
        return tables(self.layout, self.q.device)

    @property
    def processors(self) -> int:
        """Programs that run at the same time where each needs more than half of a processor's memory."""
        if not self.q.is_cuda:
            return 2
        return torch.cuda.get_device_properties(self.q.device).multi_processor_count

    @property
    def sizes(self) -> dict[str, Any]:
        """What every kernel is compiled for."""
        layout, BK = self.layout, tile(self.K)
        CQ = max(16, layout.tokens)
        full = layout.full and layout.tokens == CQ
        return {"R": self.R, "RP": layout.padded, "C": layout.size, "CQ": CQ, "K": self.K, "BK": BK, "FULL": full}

    @property
    def on_hopper(self) -> bool:
        """Does the chain that is written for Hopper serve the call?"""
        sizes = self.sizes
        return (
            self.q.is_cuda
            and torch.cuda.get_device_capability(self.q.device)[0] == 9
            and self.q.element_size() == 2
            and not self.diagonal
            and sizes["FULL"]
            and sizes["C"] == 64
            and self.K in (64, 128)
            and self.V % 64 == 0
        )

    @property
    def on_hopper_inside(self) -> bool:
        """Does what is written for Hopper find the gradients inside the chunks, too?"""
        narrow = self.decays and self.q.dtype != torch.bfloat16
        return self.on_hopper and self.G == self.H and not self.normalize and not narrow

    @property
    def hopper_sizes(self) -> dict[str, Any]:
        """What the kernels for Hopper are compiled for."""
        sizes = self.sizes
        return {name: sizes[name] for name in ("R", "RP", "C", "K")} | {"V": self.V, "BV": 64, "STAGES": 2}

    @property
    def stages_inside(self) -> int:
        """Slices of a chunk that are in shared memory at the same time."""
        return 2 if self.R == 1 and self.K == 128 else 3

    def new(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Room on the device of the inputs, in their dtype if no other is named."""
        return self.q.new_empty(shape, dtype=dtype or self.q.dtype)

    def prepared(self) -> Prepared:
        """Room for what happens inside the chunks, for decays that are one number per head, or none."""
        B, T, H, R, C, full = self.B, self.T, self.H, self.R, self.layout.size, torch.float32
        terms = 1 if self.q.dtype == full else 2
        return Prepared(
            self.new(terms, B, T, H, R, C) if self.solves else self.new(0),
            self.new(B, T, H, C),
            self.new(H, B, T, R, dtype=full) if self.solves else self.new(0, dtype=full),
            self.new(4, H, B, T, dtype=full) if self.decays else self.new(0, dtype=full),
        )

    def unprepared(self) -> Prepared:
        """Nothing: the backward prepares again, or there is none."""
        full = torch.float32
        return Prepared(self.new(0), self.new(0), self.new(0, dtype=full), self.new(0, dtype=full))

    def outputs(self, state: Tensor, save: bool) -> tuple[Tensor, ...]:
        """Room for y, the last states, and what the backward needs: :class:`Prepared`, u, the states between chunks,
        and what segments do to states."""
        B, T, H, R, V, K = self.B, self.T, self.H, self.R, self.V, self.K
        return (
            self.new(B, T, H, V),
            torch.empty_like(state),
            *(self.prepared() if save and not self.diagonal else self.unprepared()),
            self.new(B, T, H, R, V) if save and self.solves else self.new(0),
            self.new(self.layout.num_chunks, H, V, K) if save else self.new(0),
            self.summary() if save and self.layout.is_cut else self.new(0, dtype=torch.float32),
        )

    def summary(self) -> Tensor:
        """Room for what every segment writes and, where a system is solved, how it transforms states."""
        return self.new(self.layout.num_segments, self.H, self.summary_rows, self.K, dtype=torch.float32)


def terms(x: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The two numbers of the dtype that say one float32; the second is not looked at where the first is float32."""
    if x is None or not x.numel():
        return None, None
    return x[0], x[-1]


@contextmanager
def current_device(x: Tensor) -> Iterator[None]:
    """The device of x is current, and the descriptors that a kernel makes find their room there."""
    import triton

    triton.set_allocator(lambda size, alignment, stream: torch.empty(size, dtype=torch.int8, device=x.device))
    with torch.cuda.device(x.device) if x.is_cuda else nullcontext():
        yield
