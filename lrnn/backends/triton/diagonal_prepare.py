"""What happens inside each chunk where every state row has a decay of its own: the host side of the kernels of
:mod:`lrnn.backends.triton.diagonal_prepare_kernels`.

B batch · T time · H heads · G groups of heads with one key · R micro-rows of a token · C micro-rows of a chunk · K.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Prepared(NamedTuple):
    """What the chain of states needs of each chunk. In a narrow dtype, what is on the state's path is two numbers that
    add up to it, with an axis of 2 in front; in float32 that axis is 1."""

    inverse: Tensor | None
    """``[1 or 2, B, T, H, R, C]``: (I - N)⁻¹, None where nothing is solved."""
    reads: Tensor
    """``[B, T, H, C]``"""
    read_rows: Tensor | None
    """``[1 or 2, B, T, H, R, K]``: scale b exp(g), None where nothing is solved."""
    write_rows: Tensor
    """``[1 or 2, B, T, H, R, K]``: key exp(g_C - g)."""
    query_rows: Tensor
    """``[B, T, H, K]``: q exp(g)."""
    carry: Tensor
    """``[chunks, H, K]`` float32: exp(g_C)."""


class Gradients(NamedTuple):
    """Of the inputs, each in the dtype of its input; None for what was not given."""

    q: Tensor
    key: Tensor
    b: Tensor | None
    scale: Tensor | None
    log_decay: Tensor


class Tiles(NamedTuple):
    """A launch, for a class of shapes."""

    key: int
    """Columns of the keys that are taken at a time."""
    warps: int


FORWARD: dict[tuple[int, int], Tiles] = {
    # (bytes of a number, C)
    (2, 16): Tiles(64, 2),
    (2, 32): Tiles(64, 4),
    (2, 64): Tiles(64, 8),
    (2, 128): Tiles(32, 8),
    (4, 16): Tiles(32, 2),
    (4, 32): Tiles(32, 4),
    (4, 64): Tiles(32, 8),
    (4, 128): Tiles(16, 8),
}

BACKWARD: dict[tuple[int, int], Tiles] = {
    (2, 16): Tiles(64, 2),
    (2, 32): Tiles(64, 4),
    (2, 64): Tiles(32, 8),
    (2, 128): Tiles(32, 8),
    (4, 16): Tiles(32, 2),
    (4, 32): Tiles(32, 4),
    (4, 64): Tiles(32, 8),
    (4, 128): Tiles(16, 8),
}

PRECISION: dict[torch.dtype, tuple[str, str]] = {
    # forward: the products that make N, on the path of the state · backward: products of gradients, but running sums
    torch.float32: ("tf32x3", "tf32x3"),
    torch.float16: ("tf32x3", "tf32"),
    torch.bfloat16: ("bf16x3", "bf16"),
}

INTERPRETED = ("tf32x3", "tf32")
"""Triton's interpreter knows no other, and computes all of these in float32."""

SCALE_ROWS = 32
"""Rows that one program of the scale's backward takes."""


def prepare(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
    log_decay: Tensor,
    chunks: Tensor,
    *,
    size: int,
    group: int,
    sees_own_decay: bool,
    normalize: bool,
    solves: bool,
) -> Prepared:
    """With g the sum of the log decays from the start of the chunk to the row's token, for each state row k,

        N_ij = scale_i Σ_k b_ik key_jk exp(g_i - g_j)_k    for j in a group before that of i
        reads_tj = Σ_k q_tk key_jk exp(g_t - g_j)_k        for j of token t or before

    and :class:`Prepared` for the rest.

    Arguments:
        q, key, b: ``[B, T, G, K]`` and ``[B, T, G, R, K]`` twice in one dtype, float32, bfloat16 or float16; b None is
            the key.
        scale: ``[B, T, H, R]`` float32, which multiplies b; None is 1.
        log_decay: ``[B, T, H, K]`` float32, <= 0, with -300 for a decay of exactly 0.
        chunks: ``[chunks, 2]`` int32, the first token of each, in [0, B·T), and how many; together every token once.
        size: C, micro-rows of a chunk, 16, 32, 64 or 128; each token takes the power of 2 that holds R.
        group: this many micro-rows, counted in the chunk, do not see each other.
        sees_own_decay: False takes b exp(g - log_decay) for b exp(g), so tokens must be groups.
        normalize: divide scale by keyᵀkey, of the key as it is rounded; for a key of 0, scale is 0.
        solves: False leaves out all of b.

    Raises:
        ValueError: sizes that do not fit together.
    """
    call = _Call(q, key, b, scale, log_decay, chunks, size, group, sees_own_decay, normalize, solves)
    return call.forward()


def prepare_back(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
    log_decay: Tensor,
    chunks: Tensor,
    *,
    size: int,
    group: int,
    sees_own_decay: bool,
    normalize: bool,
    solves: bool,
    d_read_rows: Tensor | None,
    d_write_rows: Tensor,
    d_query_rows: Tensor,
    d_reads: Tensor,
    d_system: Tensor | None,
    d_carry: Tensor,
) -> Gradients:
    """The gradients of the inputs of :func:`prepare`, with its other arguments.

    Arguments:
        d_read_rows, d_write_rows: ``[B, T, H, R, K]`` float32, as all of these; the first None where nothing is solved.
        d_query_rows: ``[B, T, H, K]``
        d_reads: ``[B, T, H, C]``; what belongs to no read is not looked at.
        d_system: ``[B, T, H, R, C]``, the gradient of N; likewise. None where nothing is solved.
        d_carry: ``[chunks, H, K]``
    """
    call = _Call(q, key, b, scale, log_decay, chunks, size, group, sees_own_decay, normalize, solves)
    return call.backward(d_read_rows, d_write_rows, d_query_rows, d_reads, d_system, d_carry)


class _Call:
    """One call: its inputs, its sizes, and the launches."""

    def __init__(
        self,
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        scale: Tensor | None,
        log_decay: Tensor,
        chunks: Tensor,
        size: int,
        group: int,
        sees_own_decay: bool,
        normalize: bool,
        solves: bool,
    ) -> None:
        self.B, self.T, self.G, self.K = q.shape
        self.H, self.R = log_decay.shape[2], key.shape[3]
        padded = 1 << (self.R - 1).bit_length()
        faults = []
        if (q.element_size(), size) not in FORWARD or padded > size:
            faults.append(f"size must be 16, 32, 64 or 128 and hold the {self.R} micro-rows of a token, got {size}")
        if self.H % self.G:
            faults.append(f"the {self.G} groups of q must divide the {self.H} heads of log_decay")
        if solves and not sees_own_decay and group % self.R:
            faults.append(
                f"without its own decay, a token's {self.R} micro-rows must be in one group, got group={group}"
            )
        if solves and b is None and scale is None:
            faults.append("what is solved needs b or scale")
        if normalize and (scale is None or not solves):
            faults.append("normalize needs the scale that it divides")
        if faults:
            raise ValueError("; ".join(faults))
        if not solves:
            b = scale = None
        self.q, self.key, self.log_decay, self.chunks = (x.contiguous() for x in (q, key, log_decay, chunks))
        self.b, self.scale = (None if x is None else x.contiguous() for x in (b, scale))
        self.solves, self.normalize, self.size = solves, normalize, size
        self.options: dict[str, Any] = {
            "R": self.R, "RP": padded, "C": size, "K": self.K, "LEVELS": (size // padded).bit_length() - 1,
            "GROUP": group, "OWN": sees_own_decay, "SOLVE": solves, "HAS_B": b is not None,
            "HAS_SCALE": scale is not None, "NORMALIZE": normalize,
        }  # fmt: skip

    def new(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return self.q.new_empty(shape, dtype=dtype)

    def tiles(self, table: dict[tuple[int, int], Tiles]) -> tuple[int, dict[str, int]]:
        """The number of tiles that K has, and the launch."""
        found = table[self.q.dtype.itemsize, self.size]
        columns = min(found.key, max(16, 1 << (self.K - 1).bit_length()))
        return -(-self.K // columns), {"BK": columns, "num_warps": found.warps, "num_stages": 1}

    def kernels(self) -> tuple[Any, str, str]:
        """The file of the kernels, and the precisions of the forward and the backward."""
        from triton.runtime.interpreter import InterpretedFunction

        from lrnn.backends.triton import diagonal_prepare_kernels

        interpreted = isinstance(diagonal_prepare_kernels.diagonal_prepare_fwd_kernel, InterpretedFunction)
        forward, backward = INTERPRETED if interpreted else PRECISION[self.q.dtype]
        return diagonal_prepare_kernels, forward, backward

    def forward(self) -> Prepared:
        B, T, H, R, K, C = self.B, self.T, self.H, self.R, self.K, self.size
        terms = 1 if self.q.dtype == torch.float32 else 2
        made = Prepared(
            self.new(terms, B, T, H, R, C) if self.solves else None,
            self.new(B, T, H, C),
            self.new(terms, B, T, H, R, K) if self.solves else None,
            self.new(terms, B, T, H, R, K),
            self.new(B, T, H, K),
            self.new(len(self.chunks), H, K, dtype=torch.float32),
        )
        if not made.carry.numel():
            return made
        kernels, precision, _ = self.kernels()
        _, launch = self.tiles(FORWARD)
        kernels.diagonal_prepare_fwd_kernel[(len(self.chunks), H)](
            self.q, self.key, self.b, self.scale, self.log_decay, self.chunks,
            *_two(made.inverse), made.reads, *_two(made.read_rows), *_two(made.write_rows), made.query_rows, made.carry,
            H, self.G, **self.options, PRECISION=precision, **launch,
        )  # fmt: skip
        return made

    def backward(
        self,
        d_read_rows: Tensor | None,
        d_write_rows: Tensor,
        d_query_rows: Tensor,
        d_reads: Tensor,
        d_system: Tensor | None,
        d_carry: Tensor,
    ) -> Gradients:
        full = torch.float32
        dq, dkey, dlog_decay = (torch.empty_like(x) for x in (self.q, self.key, self.log_decay))
        db, dscale = (None if x is None else torch.empty_like(x) for x in (self.b, self.scale))
        tiles, launch = self.tiles(BACKWARD)
        parts = None if dscale is None else self.new(tiles, *dscale.shape, dtype=full)
        rest = torch.empty_like(self.key, dtype=full) if self.normalize else dkey
        found = Gradients(dq, dkey, db, dscale, dlog_decay)
        if not dlog_decay.numel():
            return found
        kernels, _, precision = self.kernels()
        kernels.diagonal_prepare_bwd_kernel[(len(self.chunks), self.G, tiles)](
            self.q, self.key, self.b, self.scale, self.log_decay, self.chunks,
            *(None if x is None else x.contiguous() for x in (d_read_rows, d_write_rows, d_query_rows, d_reads)),
            None if d_system is None else d_system.contiguous(), d_carry.contiguous(),
            dq, rest, db, parts, dlog_decay, self.B * self.T, self.H, self.G, **self.options, HEADS=self.H // self.G,
            PRECISION=precision, **launch,
        )  # fmt: skip
        if self.normalize:
            rows = self.B * self.T * self.G * self.R
            kernels.diagonal_prepare_scale_bwd_kernel[(-(-rows // SCALE_ROWS),)](
                self.key, self.scale, parts, rest, dscale, dkey, rows, self.H, self.G,
                TILES=tiles, R=self.R, K=self.K, BK=launch["BK"], BLOCK=SCALE_ROWS, num_warps=4,
            )  # fmt: skip
        elif parts is not None and dscale is not None:
            torch.sum(parts, 0, out=dscale)
        return found


def _two(x: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The two numbers that say one; the second is not looked at where the first is float32."""
    return (None, None) if x is None else (x[0], x[-1])
