"""A diagonal recurrence whose state is one vector per head: the host side of ``vector_scan_kernels``.

B batch · T time · H heads · G groups of heads with one key · K · N words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.vector_scan_call import Call
from lrnn.backends.triton.vector_scan_layout import CHUNK, MAX_K, num_chunks


def vector_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor,
    *,
    log_decay: Tensor | None = None,
    step: Tensor | None = None,
    rate: Tensor | None = None,
    sign: Tensor | None = None,
    phase: Tensor | None = None,
    lengths: Sequence[int] | None = None,
    segment: int | None = None,
) -> tuple[Tensor, Tensor]:
    """S_t = λ_t ∘ S_{t-1} + k_t v_t and y_t = Σ_K q_t ∘ S_t, with λ = sign · exp(log_decay + i phase).

    y is ``[B, T, H]`` in the dtype of v, or complex64 where the state is complex; the last states are as ``state``. No
    state is written to memory but every 64th, for the backward, which makes the others again.

    Arguments:
        q, k: ``[B, T, G, K]`` with G that divides H; head h uses key head h // (H / G). Each is float32, bfloat16,
            float16 or complex64, and so is v.
        v: ``[B, T, H]``.
        state: ``[N, H, K]`` float32, or complex64; it is taken as complex where phase is given or q, k or v is complex.
        log_decay: ``[B, T, H, K]``, natural logarithm, <= 0; or in its place
        step, rate: ``[B, T, H]``, >= 0, and ``[H, K]``, <= 0, whose product is log_decay and is not written out.
        sign: ``[B, T, H, K]`` of -1, 0, +1; an exact 0 is a reset.
        phase: ``[B, T, H, K]`` in radians.
        lengths: of packed words, where B = 1.
        segment: tokens after which a word is cut, for the pieces to run side by side, a multiple of 64; None chooses.

    A log_decay or phase of one number for all rows and tokens, as an expanded view, is not written out either. Its
    gradient is spread evenly over the places that show the one number, so that it adds up to the right one.

    Raises:
        ValueError: neither or both of log_decay and step with rate; K above 256; double precision; a segment that is no
            multiple of 64.

    Source: Gu & Dao, "Mamba", arXiv 2312.00752, alg. 2, §3.3; written here for chunks of tokens and complex numbers.
    """
    _check(q, k, v, state, log_decay, step, rate, phase)
    if segment is not None and (segment < 1 or segment % CHUNK):
        raise ValueError(f"segment is {segment}, wanted a multiple of {CHUNK}")
    if phase is not None or any(x.is_complex() for x in (q, k, v)):
        state = state.to(torch.complex64)
    if not (q.numel() and v.numel() and state.numel()):
        return v.new_zeros(v.shape, dtype=state.dtype if state.is_complex() else v.dtype), state
    given = (q, k, v, state, log_decay, step, rate, phase)
    options = (_is_fixed(log_decay), _is_fixed(phase), list(lengths or ()), segment or 0)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in given):
        return _VectorScan.apply(*given, sign, options)  # type: ignore[return-value]
    return vector_scan_forward(*given, sign, *options, False)[:2]


class _VectorScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        *given, options = inputs
        y, final, kept = vector_scan_forward(*given, *options, True)
        q, k, v, _state, *more = given
        ctx.save_for_backward(kept, q, k, v, *more)
        ctx.options = options
        return y, final

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        kept, *given = ctx.saved_tensors
        fixed_decay, fixed_phase, *_ = ctx.options
        wanted = ctx.needs_input_grad[:8]
        needs = [wanted[0], wanted[1], any(wanted[4:7]), wanted[7]]
        found = list(vector_scan_backward(*gradients, kept, *given, *ctx.options, needs))
        for place, x, fixed in ((4, given[3], fixed_decay), (7, given[6], fixed_phase)):
            if fixed and found[place].numel():
                found[place] = (found[place] / (x.shape[0] * x.shape[1])).expand(x.shape)
        return *(x if is_wanted else None for x, is_wanted in zip(found, wanted)), None, None


def _check(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor,
    log_decay: Tensor | None,
    step: Tensor | None,
    rate: Tensor | None,
    phase: Tensor | None,
) -> None:
    if (log_decay is None) == (step is None) or (step is None) != (rate is None):
        raise ValueError("log_decay or step and rate: one of the two, and not both")
    if q.shape[-1] > MAX_K:
        raise ValueError(f"K is {q.shape[-1]}, wanted at most {MAX_K}")
    double = [
        name
        for name, x in {"q": q, "k": k, "v": v, "state": state, "phase": phase}.items()
        if x is not None and x.dtype in (torch.float64, torch.complex128)
    ]
    if double:
        raise ValueError(f"{', '.join(double)} in double precision, wanted float32 or less")


def _is_fixed(x: Tensor | None) -> bool:
    """Is it one number per head and state row, shown for every row and token?"""
    return x is not None and all(stride == 0 or size == 1 for stride, size in zip(x.stride()[:2], x.shape[:2]))


@torch.library.custom_op("lrnn::vector_scan_forward", mutates_args=())
def vector_scan_forward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    state: Tensor,
    log_decay: Tensor | None,
    step: Tensor | None,
    rate: Tensor | None,
    phase: Tensor | None,
    sign: Tensor | None,
    fixed_decay: bool,
    fixed_phase: bool,
    lengths: Sequence[int],
    segment: int,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last states, and with ``keep`` the states before all chunks."""
    given = (q, k, v, log_decay, step, rate, phase, sign, fixed_decay, fixed_phase, lengths, segment)
    return Call(*given, state.is_complex()).forward(state, keep)


@vector_scan_forward.register_fake
def _(q, k, v, state, log_decay, step, rate, phase, sign, fixed_decay, fixed_phase, lengths, segment, keep):
    chunks = num_chunks(q.shape[0], q.shape[1], lengths) if keep else 0
    y = torch.empty(v.shape, dtype=state.dtype if state.is_complex() else v.dtype, device=v.device)
    final = torch.empty(state.shape, dtype=state.dtype, device=state.device)
    return y, final, state.new_empty(chunks, *state.shape[1:])


@torch.library.custom_op("lrnn::vector_scan_backward", mutates_args=())
def vector_scan_backward(
    dy: Tensor,
    dfinal: Tensor,
    kept: Tensor,
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
    needs: Sequence[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of q, k, v, state, log_decay, step, rate, phase; of what is not there or not needed, empty.

    That of a fixed log_decay or phase is ``[H, K]``, added up. ``needs``: of q, k, log_decay or rate, phase.
    """
    given = (q, k, v, log_decay, step, rate, phase, sign, fixed_decay, fixed_phase, lengths, segment)
    return Call(*given, dfinal.is_complex()).backward(dy, dfinal, kept, needs)


@vector_scan_backward.register_fake
def _(dy, dfinal, kept, q, k, v, log_decay, step, rate, phase, sign, fixed_decay, fixed_phase, lengths, segment, needs):
    def like(x: Tensor | None, needed: bool, fixed: bool = False) -> Tensor:
        if x is None or not needed:
            return q.new_empty(0, dtype=torch.float32)
        return torch.empty(x.shape[2:] if fixed else x.shape, dtype=x.dtype, device=x.device)

    return (
        like(q, needs[0]),
        like(k, needs[1]),
        like(v, True),
        like(dfinal, True),
        like(log_decay, needs[2], fixed_decay),
        like(step, needs[2]),
        like(rate, needs[2]),
        like(phase, needs[3], fixed_phase),
    )
