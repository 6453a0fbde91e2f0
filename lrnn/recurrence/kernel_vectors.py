"""Diagonals with one state column, in the terms of the kernel that scans vectors: nothing shared is written out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.vector_scan import vector_scan
from lrnn.recurrence.grouped_keys import for_every_head
from lrnn.recurrence.kernel_step import radians
from lrnn.recurrence.packing import Packing
from lrnn.transition import ComplexDiagonal, Diagonal, SteppedDiagonal


def scan_vectors(
    A: Diagonal | SteppedDiagonal | ComplexDiagonal,
    k: Tensor,
    v: Tensor,
    q: Tensor,
    state: Tensor,
    packing: Packing | None,
) -> tuple[Tensor, Tensor]:
    """y and the last states, V = 1."""
    if k.shape[2] != q.shape[2]:
        k, q = (for_every_head(x, v.shape[2]) for x in (k, q))
    stepped = isinstance(A, SteppedDiagonal) and A.rate.shape[:2] == (1, 1)
    if isinstance(A, SteppedDiagonal) and not stepped:
        A = A.to(torch.float32).widen()
    decay: dict[str, Any]
    if isinstance(A, SteppedDiagonal):
        decay = {"step": A.step, "rate": A.rate[0, 0]}
    elif isinstance(A, ComplexDiagonal):
        decay = {"log_decay": A.log_decay, "phase": radians(A)}
    else:
        decay = {"log_decay": A.log_decay, "sign": A.sign}
    lengths = None if packing is None else packing.lengths
    y, final = vector_scan(q, k, v.squeeze(-1), state.squeeze(-1), lengths=lengths, **decay)
    return y[..., None], final[..., None]
