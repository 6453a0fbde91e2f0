"""Everything that is diagonal plus low rank, by chunks: the host side of the kernels of ``rows_*_kernels``.

B batch · T time · H heads · G groups of heads with one key · R micro-rows of a token · N words · K, V.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrnn.backends.triton.launch import aligned, current_device
from lrnn.backends.triton.rows_backward import run_backward
from lrnn.backends.triton.rows_call import Call, call_of
from lrnn.backends.triton.rows_forward import run_forward
from lrnn.backends.triton.rows_tensors import Inputs, Prepared

ALIGNED = 8
"""K and V are filled up to whole multiples: the hardware copies tiles whose rows are multiples of 16 bytes apart."""


def scan_rows(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    beta: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor | None,
    *,
    group: int = 1,
    sees_own_decay: bool = True,
    normalize: bool = False,
    erases: bool = True,
    writes: bool = False,
    lengths: Sequence[int] | None = None,
    size: int | None = None,
) -> tuple[Tensor, Tensor]:
    """y ``[B, T, H, V]`` and the last states ``[N, H, K, V]`` of S ← P_t S, then for each micro-row S ← S + key uᵀ with
    u = v - beta · Sᵀb.

    Arguments:
        q, key, b, v: ``[B, T, G, K]``, ``[B, T, G, R, K]`` twice and ``[B, T, H, R, V]`` in one dtype, float32,
            bfloat16 or float16; all without the axis R where it is 1. b None is the key itself where there is a beta,
            and else a plain write, u = v.
        beta: ``[B, T, H, R]`` of any of these dtypes; None with b given is -1.
        log_decay: ``[B, T, H]`` or ``[B, T, H, K]`` float32, <= 0, with -300 for a reset, or None. With b given, the
            second.
        state: ``[N, H, K, V]`` float32; None is 0.
        group: this many micro-rows act at once, and do not see each other.
        sees_own_decay: does b meet the state after the decay of its own step?
        normalize: divide beta by keyᵀkey, of the key as it is rounded; a key of 0 does nothing.
        erases: False for u = beta · v; with b None, one row, and a log decay ``[B, T, H]``.
        writes: True for u = beta · (v - Sᵀb), with b None.
        lengths: of packed words, where B = 1.
        size: micro-rows of a chunk, 16, 32, 64 or 128.
    """
    K, V = q.shape[-1], v.shape[-1]
    by_k, by_v = -K % ALIGNED, -V % ALIGNED
    if by_k or by_v:
        q, key, b = pad(q, (0, by_k)), pad(key, (0, by_k)), None if b is None else pad(b, (0, by_k))
        v, state = pad(v, (0, by_v)), None if state is None else pad(state, (0, by_v, 0, by_k))
        if log_decay is not None and log_decay.ndim == 4:
            log_decay = pad(log_decay, (0, by_k))
        options = {"group": group, "sees_own_decay": sees_own_decay, "normalize": normalize}
        options |= {"erases": erases, "writes": writes}
        y, final = scan_rows(q, key, b, beta, v, log_decay, state, lengths=lengths, size=size, **options)
        return y[..., :V], final[..., :K, :V]
    b, beta, log_decay, state = (None if x is None else aligned(x) for x in (b, beta, log_decay, state))
    given = Inputs(aligned(q), aligned(key), b, beta, aligned(v), log_decay)
    options = (tuple(lengths or ()), group, sees_own_decay, normalize, erases, writes, size or 0)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in (*given, state)):
        return _Rows.apply(*given, state, options)  # type: ignore[return-value]
    return _forward(given, state, options, False)[:2]  # type: ignore[return-value]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *given, state, options = inputs
        y, final, *kept = _forward(Inputs(*given), state, options, True)
        ctx.save_for_backward(*given, state, *kept)
        ctx.options = options
        ctx.set_materialize_grads(False)
        return y, final

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        saved = ctx.saved_tensors
        given, state, kept = Inputs(*saved[:6]), saved[6], saved[7:]
        dy, dfinal = (None if x is None else aligned(x) for x in gradients)
        if dy is None:
            dy = given.v.new_zeros(*given.v.shape[:3], given.v.shape[-1])
        # what the kernels compute has no derivative, and the op says so
        if torch.is_grad_enabled() or not _at_once(dy, dfinal, *saved):
            kept = _parts(given, state, kept, ctx.options)
            found = rows_backward(dy, dfinal, *given, state, *kept, *ctx.options)
        else:
            found = _run_backward(given, dy, dfinal, state, kept, ctx.options)
        there = (x is not None for x in (*given, state))
        return *(gradient if is_there else None for gradient, is_there in zip(found, there)), None


def _at_once(*tensors: Tensor | None) -> bool:
    """Can the kernels be launched here and now, without an op around them?

    An op is what compilers and everything else that follows a call from op to op understand; passing through one takes
    the host as long as three launches.
    """
    return not (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._functorch.peek_interpreter_stack() is not None  # type: ignore[attr-defined]
        or torch._C._get_tracing_state() is not None
        or any(type(x) not in PLAIN for x in tensors)
    )


PLAIN = (Tensor, torch.nn.Parameter, type(None))
"""Tensors that hold their numbers themselves."""


def _forward(given: Inputs, state: Tensor | None, options: tuple[Any, ...], save: bool) -> tuple[Tensor, ...]:
    if _at_once(*given, state):
        return _run_forward(given, state, options, save)
    return rows_forward(*given, state, *options, save)


def _run_forward(
    given: Inputs, state: Tensor | None, options: tuple[Any, ...], save: bool, apart: int = 2
) -> tuple[Tensor, ...]:
    """y, the last states, and what the backward needs: its tensors, or one piece of memory with those not ``apart``."""
    call = call_of(given, *options, save=save)
    if tape := call.tape(forward, *given, state, apart=apart):
        return tape.read(*given, state)
    with current_device(given.q.device):
        return forward(call, *given, state)


def _run_backward(
    given: Inputs,
    dy: Tensor,
    dfinal: Tensor | None,
    state: Tensor | None,
    kept: Sequence[Tensor],
    options: tuple[Any, ...],
) -> tuple[Tensor, ...]:
    """The gradients of what is given and of the state; of what is not there, an empty tensor or anything else."""
    call = call_of(given, *options)
    before = call.tape(forward, *given, state, apart=2) if len(kept) == 1 else None
    if tape := call.tape(backward, dy, dfinal, *given, state, *kept, apart=7, kept=before):
        return tape.read(dy, dfinal, *given, state, *kept)
    with current_device(given.q.device):
        return backward(call, dy, dfinal, *given, state, *_parts(given, state, kept, options))


def forward(call: Call, *inputs: Any) -> tuple[Tensor, ...]:
    """:func:`run_forward` of tensors one after the other."""
    *given, state = inputs
    rows = Inputs(*given).with_rows()
    return run_forward(call, rows.weighed() if call.weighs_before else rows, state)


def backward(call: Call, dy: Tensor, dfinal: Tensor | None, *inputs: Any) -> tuple[Tensor, ...]:
    """:func:`run_backward` of tensors one after the other, in the shapes in which they are given."""
    given, (state, *prepared, u, starts, products) = Inputs(*inputs[:6]), inputs[6:]
    rows = given.with_rows()
    written = rows.weighed() if call.weighs_before else rows
    found = run_backward(call, written, dy, dfinal, state, Prepared(*prepared), u, starts, products)
    if call.weighs_before:
        assert rows.beta is not None
        dbeta, dv = found[3] + (rows.v.float() * found[4]).sum(-1), rows.beta[..., None] * found[4].float()
        found = (*found[:3], dbeta.to(found[3].dtype), dv.to(rows.v.dtype), *found[5:])
    added = (x is not row for x, row in zip(given, rows))
    return *(gradient.squeeze(3) if is_added else gradient for gradient, is_added in zip(found, added)), found[6]


def _parts(given: Inputs, state: Tensor | None, kept: Sequence[Tensor], options: tuple[Any, ...]) -> Sequence[Tensor]:
    """The tensors that the forward kept."""
    if len(kept) > 1:
        return kept
    tape = call_of(given, *options).tape(forward, *given, state, apart=2)
    assert tape is not None  # or more would have been kept
    return tape.parts(*kept)


def _apart(found: tuple[Tensor, ...]) -> Any:
    """The results of an op are never one tensor, so each that is empty becomes one of its own."""
    return tuple(x if x.numel() else x.clone() for x in found)


@torch.library.custom_op("lrnn::rows_forward", mutates_args=())
def rows_forward(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    beta: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor | None,
    lengths: Sequence[int],
    group: int,
    sees_own_decay: bool,
    normalize: bool,
    erases: bool,
    writes: bool,
    size: int,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """y, final, and for the backward: inverse, reads, factor, decays, u, starts, products."""
    options = (tuple(lengths), group, sees_own_decay, normalize, erases, writes, size)
    return _apart(_run_forward(Inputs(q, key, b, beta, v, log_decay), state, options, save, apart=9))[:9]


@rows_forward.register_fake
def _(q, key, b, beta, v, log_decay, state, lengths, group, sees_own_decay, normalize, erases, writes, size, save):
    options = (tuple(lengths), group, sees_own_decay, normalize, erases, writes, size)
    call = call_of(Inputs(q, key, b, beta, v, log_decay), *options, save=save, fake=True)
    return _apart(call.outputs())


@torch.library.custom_op("lrnn::rows_backward", mutates_args=())
def rows_backward(
    dy: Tensor,
    dfinal: Tensor | None,
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    beta: Tensor | None,
    v: Tensor,
    log_decay: Tensor | None,
    state: Tensor | None,
    inverse: Tensor,
    reads: Tensor,
    factor: Tensor,
    decays: Tensor,
    u: Tensor,
    starts: Tensor,
    products: Tensor,
    lengths: Sequence[int],
    group: int,
    sees_own_decay: bool,
    normalize: bool,
    erases: bool,
    writes: bool,
    size: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of q, key, b, beta, v, log_decay, state; of what is not there, an empty tensor."""
    given, kept = Inputs(q, key, b, beta, v, log_decay), (inverse, reads, factor, decays, u, starts, products)
    options = (tuple(lengths), group, sees_own_decay, normalize, erases, writes, size)
    return _apart(_run_backward(given, dy, dfinal, state, kept, options))[:7]


@rows_backward.register_fake
def _(dy, dfinal, q, key, b, beta, v, log_decay, state, inverse, reads, factor, decays, u, starts, products, *options):
    given = Inputs(q, key, b, beta, v, log_decay)
    nothing = q.new_empty(0, dtype=torch.float32)
    return tuple(torch.empty_like(x) if x is not None else nothing.clone() for x in (*given, state))


def _no_second_derivative(ctx: Any, *gradients: Tensor) -> None:
    raise NotImplementedError("Chunked has no second derivative; use algorithm=Sequential() for one")


rows_backward.register_autograd(_no_second_derivative)
