"""The chunked algorithm as one differentiable function, piece by piece.

The maths is in :mod:`lrnn.recurrence.chunk_piece`. Here chunks are taken, a piece at a time, from the layout of the
caller into rows of one chunk and head each, so that all that is made of a piece stays in the cache.

M chunks in the order of :mod:`lrnn.recurrence.layout` · C steps · H heads · r micro-rows in a step · K, V.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lrnn.recurrence.chunk_decay import Shape
from lrnn.recurrence.chunk_piece import Kept, Rows, piece, piece_back

PIECE = 2**17
"""Numbers of one tensor that are worked on at a time."""


def chunk_scan(inputs: Rows, state: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Outputs ``[M, C, H, V]`` and the last states, from inputs ``[M, C, H, …]`` (r before the last axis of rows).

    Arguments:
        state: first states of the words, ``[alive[0], H, K, V]``.
    """
    y, final, *_ = ChunkScan.apply(*inputs, state, shape)  # type: ignore[misc]
    return y, final


class _Chunkwise(torch.autograd.Function):
    """A function of chunks, for which one more batch axis is only more chunks."""

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        n = info.batch_size

        def fold(x: Tensor | None, axis: int | None) -> Tensor | None:
            if x is None:
                return None
            x = x.unsqueeze(1).expand(-1, n, *(-1,) * (x.ndim - 1)) if axis is None else x.movedim(axis, 1)
            return x.flatten(0, 1)

        *tensors, shape = inputs
        folded = [fold(tensor, axis) for tensor, axis in zip(tensors, in_dims, strict=False)]
        outputs = cls.apply(*folded, shape._replace(alive=tuple(count * n for count in shape.alive)))
        unfolded = tuple(x if x is None else x.unflatten(0, (-1, n)) for x in outputs)  # type: ignore[union-attr]
        return unfolded, tuple(None if x is None else 1 for x in unfolded)


def _signed(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Remember the signature that torch inspects at every call, which costs as much as ten small products."""
    forward.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return forward


class ChunkScan(_Chunkwise):
    """:func:`chunk_scan` with its backward.

    Kept for it: the states between chunks, T·K·V/C, and what was solved inside them, T·(K + V + 3C) per reflector.
    """

    @staticmethod
    @_signed
    def forward(
        q: Tensor,
        key: Tensor,
        b: Tensor | None,
        scale: Tensor | None,
        v: Tensor,
        log_decay: Tensor | None,
        resets: Tensor | None,
        state: Tensor,
        shape: Shape,
    ) -> tuple[Tensor | None, ...]:
        inputs, H = Rows(q, key, b, scale, v, log_decay, resets), q.shape[2]
        y = torch.empty(*q.shape[:3], v.shape[-1], dtype=v.dtype, device=v.device)
        finals, kept = [], []
        for chunks, part in _pieces(shape, H, q.shape[1] * q.shape[3]):
            alive = part.alive[0] // H
            finals.append(state[alive:])
            y_piece, last, more = piece(_rows(inputs, chunks), state[:alive].flatten(0, 1), part)
            state = last.unflatten(0, (-1, H))
            y[chunks].transpose(1, 2).copy_(y_piece.unflatten(0, (-1, H)))
            kept += [None if x is None else x.unflatten(0, (-1, H)) for x in more]
        return y, torch.cat([state, *reversed(finals)]), *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        *tensors, _state, shape = inputs
        ctx.shape = shape
        _y, _final, *kept = output
        ctx.mark_non_differentiable(*(tensor for tensor in kept if tensor is not None))
        ctx.save_for_backward(*tensors, *kept)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        dy, dfinal = gradients[:2]
        # the compiler knows no function of a variable number of tensors, and needs none for what it traces itself
        run: Any = ChunkScanBackward.forward if torch.compiler.is_compiling() else ChunkScanBackward.apply
        *dinputs, dstate = run(dy, dfinal, *ctx.saved_tensors, ctx.shape)
        return *dinputs, None, dstate, None


class ChunkScanBackward(_Chunkwise):
    """The gradients of :class:`ChunkScan`; they have none themselves."""

    @staticmethod
    def forward(dy: Tensor, dfinal: Tensor, *saved: Any) -> tuple[Tensor | None, ...]:
        *tensors, shape = saved
        inputs, H = Rows(*tensors[: len(Rows._fields)]), dy.shape[2]
        kept = iter(tensors[len(Rows._fields) :])
        pieces: list[tuple[slice, Shape, Any]] = [
            (chunks, part, [None if x is None else x.flatten(0, 1) for _, x in zip(Kept._fields, kept)])
            for chunks, part in _pieces(shape, H, inputs.q.shape[1] * inputs.q.shape[3])
        ]
        gradients = [None if x is None else torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in inputs[:-1]]
        dstate = dfinal[:0]
        for chunks, part, more in reversed(pieces):
            dlast = torch.cat([dstate, dfinal[dstate.shape[0] : part.alive[0] // H]]).flatten(0, 1)
            dy_rows = dy[chunks].transpose(1, 2).flatten(0, 1)
            found, dfirst = piece_back(_rows(inputs, chunks), Kept(*more), dy_rows, dlast, part)
            dstate = dfirst.unflatten(0, (-1, H))
            for gradient, rows in zip(gradients, found):
                if gradient is not None and rows is not None:
                    gradient[chunks].transpose(1, 2).copy_(rows.view(-1, H, gradient.shape[1], *gradient.shape[3:]))
        return *gradients, torch.cat([dstate, dfinal[dstate.shape[0] :]])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        raise NotImplementedError("Chunked has no second derivative; use algorithm=Sequential() for one")


def _pieces(shape: Shape, heads: int, row: int) -> Iterator[tuple[slice, Shape]]:
    """The depths in groups of about ``PIECE / row`` rows: where their chunks are, and their shape in rows."""
    first, last, alive = 0, 0, []
    for count in shape.alive:
        if alive and (last + count - first) * heads * row > PIECE:
            yield slice(first, last), shape._replace(alive=tuple(alive))
            first, alive = last, []
        last += count
        alive.append(count * heads)
    yield slice(first, last), shape._replace(alive=tuple(alive))


def _rows(inputs: Rows, chunks: slice) -> Rows:
    """``[M, C, H, …]`` to rows ``[M·H, C, …]``; what has micro-rows, to ``[M·H, C·r, …]``."""
    rows = [None if x is None else x[chunks].transpose(1, 2).flatten(0, 1) for x in inputs]
    q, key, b, scale, v, log_decay, resets = rows
    key, b, scale, v = (None if x is None else x.flatten(1, 2) for x in (key, b, scale, v))
    return Rows(q, key, b, scale, v, log_decay, resets)  # type: ignore[arg-type]
