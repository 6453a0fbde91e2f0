"""`scan_rows` by its definition: one token after the other, in float64, with torch's own gradients.

The chunked kernels of :mod:`lrnn.backends.triton.rows` are compared with this, and the calls that `lrnn.recurrence`
makes of them are tried with this in their place, so that an error is found on one side or the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

RESET = -5e4
"""At or below this a log decay stands for a decay of exactly 0."""


def scan_rows(
    q: Tensor,
    key: Tensor,
    b: Tensor | None,
    scale: Tensor | None,
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
) -> tuple[Tensor, Tensor]:
    """y ``[B, T, H, V]`` in the dtype of v and the last states ``[N, H, K, V]`` in float32.

    S = exp(log_decay_t) S, then for each group of micro-rows at once S += key (v + scale · Sᵀb)ᵀ, then y_t = Sᵀq_t;
    where ``sees_own_decay`` is False, b meets the state before the decay. Where ``erases`` is False, key (scale · v)ᵀ
    is added, and where ``writes``, -scale multiplies v besides.
    """
    if v.ndim == 4:
        key, b, v = key.unsqueeze(3), None if b is None else b.unsqueeze(3), v.unsqueeze(3)
    B, T, H = v.shape[:3]
    assert key.shape[3] % group == 0
    assert {q.dtype, key.dtype, v.dtype} == {v.dtype}
    assert v.dtype in (torch.float32, torch.bfloat16, torch.float16)
    if state is None:
        state = torch.zeros(len(lengths or B * [T]), H, q.shape[-1], v.shape[-1], device=v.device)
    assert state.dtype == torch.float32
    solves = b is not None or (scale is not None and erases)
    wide = torch.float64
    heads = H // q.shape[2]
    each = [x.to(wide).repeat_interleave(heads, dim=2) for x in (q, key, key if b is None else b)]
    queries, keys, lefts = each
    scales = torch.ones(v.shape[:4], dtype=wide, device=v.device) if scale is None else scale.to(wide)
    if normalize:
        square = keys.square().sum(-1)
        scales = torch.where(square > 0, scales / square.where(square > 0, 1.0), 0.0)
    decay = None
    if log_decay is not None:
        assert log_decay.dtype == torch.float32
        decay = torch.where(log_decay > RESET, log_decay.to(wide).exp(), 0.0)
        decay = decay[..., None, None] if log_decay.ndim == 3 else decay[..., None]

    def word(row: int, first: int, last: int, S: Tensor) -> tuple[Tensor, Tensor]:
        ys = []
        for t in range(first, last):
            before = S
            if decay is not None:
                S = decay[row, t] * S
            for start in range(0, key.shape[3], group):
                at = (row, t, slice(None), slice(start, start + group))
                u = v[at].to(wide)
                if not erases:
                    u = scales[at][..., None] * u
                if writes:
                    assert scale is not None
                    u = -scale.to(wide)[at][..., None] * u
                if solves:
                    u = u + scales[at][..., None] * (lefts[at] @ (S if sees_own_decay else before))
                S = S + keys[at].mT @ u
            ys.append((queries[row, t][:, None] @ S).squeeze(1))
        return (torch.stack(ys) if ys else v[row, :0].to(wide)), S

    starts = state.to(wide)
    if lengths is None:
        found = [word(n, 0, T, starts[n]) for n in range(B)]
        y = torch.stack([y for y, _ in found])
    else:
        ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
        found = [word(0, end - length, end, starts[n]) for n, (end, length) in enumerate(zip(ends, lengths))]
        y = torch.cat([y for y, _ in found])[None]
    return y.to(v.dtype), torch.stack([last for _, last in found]).to(torch.float32)
