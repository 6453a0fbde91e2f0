"""Everything that is diagonal plus low rank, by chunks: the host side of the kernels of ``rows_*_kernels``.

B batch · T time · H heads · G groups of heads with one key · R micro-rows of a token · N words · K, V.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.backends.triton.launch import aligned
from lrnn.backends.triton.rows_backward import run_backward
from lrnn.backends.triton.rows_call import Call, Prepared, current_device
from lrnn.backends.triton.rows_forward import run_forward

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
        log_decay: ``[B, T, H]`` or ``[B, T, H, K]`` float32, <= 0, with -300 for a reset, or None. With b given, the
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
        q, key, b = pad(q, (0, by_k)), pad(key, (0, by_k)), None if b is None else pad(b, (0, by_k))
        v, state = pad(v, (0, by_v)), pad(state, (0, by_v, 0, by_k))
        if log_decay is not None and log_decay.ndim == 4:
            log_decay = pad(log_decay, (0, by_k))
        options = {"group": group, "sees_own_decay": sees_own_decay, "normalize": normalize}
        y, final = scan_rows(q, key, b, scale, v, log_decay, state, lengths=lengths, size=size, **options)
        return y[..., :V], final[..., :K, :V]
    q, key, v, state = aligned(q), aligned(key), aligned(v), aligned(state)
    b, scale, log_decay = (None if x is None else aligned(x) for x in (b, scale, log_decay))
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
        dy, dfinal = (aligned(x) for x in gradients)
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
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, final, and for the backward: inverse, reads, factor, decays, u, starts, summary."""
    call = Call(q, key, b, scale, v, log_decay, lengths, group, sees_own_decay, normalize, size)
    with current_device(q):
        return run_forward(call, state, save)  # type: ignore[return-value]


@rows_forward.register_fake
def _(q, key, b, scale, v, log_decay, state, lengths, group, sees_own_decay, normalize, size, save):
    call = Call(q, key, b, scale, v, log_decay, lengths, group, sees_own_decay, normalize, size)
    return call.outputs(state, save)  # type: ignore[return-value]


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
    decays: Tensor,
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
    call = Call(q, key, b, scale, v, log_decay, lengths, group, sees_own_decay, normalize, size)
    with current_device(q):
        return run_backward(call, dy, dfinal, Prepared(inverse, reads, factor, decays), u, starts, summary)  # type: ignore[return-value]


@rows_backward.register_fake
def _(dy, dfinal, q, key, b, scale, v, log_decay, inverse, reads, factor, decays, u, starts, summary, *options):
    given = (torch.empty_like(x) if x is not None else q.new_empty(0) for x in (q, key, b, scale, v, log_decay))
    return *given, torch.empty_like(dfinal)


def _no_second_derivative(ctx: Any, *gradients: Tensor) -> None:
    raise NotImplementedError("Chunked has no second derivative; use algorithm=Sequential() for one")


rows_backward.register_autograd(_no_second_derivative)
