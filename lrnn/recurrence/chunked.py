"""Chunks of the word: matrix products inside a chunk, one state handed from chunk to chunk."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from lrnn.recurrence.chunk_decay import Shape
from lrnn.recurrence.chunk_piece import Rows
from lrnn.recurrence.chunk_scan import chunk_scan
from lrnn.recurrence.gauge import remove_signs
from lrnn.recurrence.layout import Layout
from lrnn.recurrence.packing import Packing
from lrnn.recurrence.sequential import sequential
from lrnn.transition import DPLR, Dense, Diagonal, Householder, PermutationDiagonal, Scalar, Transition


def chunked(
    A: Transition,
    k: Shaped[Tensor, "B T H *R K"],
    v: Shaped[Tensor, "B T H *R V"],
    q: Shaped[Tensor, "B T H K"],
    state: Shaped[Tensor, "N H K V"],
    packing: Packing | None,
    size: int,
    same_key: bool,
) -> tuple[Shaped[Tensor, "B T H V"], Shaped[Tensor, "N H K V"]]:
    """All outputs and the last states; ``same_key`` says that k is A.k, the delta rule."""
    steps = max(size // A.num_reflectors, 1) if isinstance(A, Householder) else size
    layout = Layout.of(q.shape[0], q.shape[1], steps, packing, q.device)
    if isinstance(A, Dense | PermutationDiagonal):
        y, final = _side_by_side(A, k, v, q, layout.sort(state), layout)
        return layout.join(y), layout.unsort(final)

    A, k, v, q, state, turn = remove_signs(A, k, v, q, state, packing, same_key)
    rows, group = _rows(A, k, v, q, same_key)
    shape = Shape(
        alive=layout.alive,
        rows_per_step=rows.key.shape[3],
        group=group,
        solves=rows.b is not None or rows.scale is not None,
        sees_own_decay=isinstance(A, Householder),
    )
    inputs = Rows(*(None if x is None else layout.split(x) for x in rows))  # type: ignore[arg-type]
    y, final = chunk_scan(inputs, layout.sort(state), shape)
    y, final = layout.join(y), layout.unsort(final)
    return y, final if turn is None else final * turn


def _rows(A: Transition, k: Tensor, v: Tensor, q: Tensor, same_key: bool) -> tuple[Rows, int]:
    """What every step of the structure does, ``[B, T, H, …]`` or with micro-rows ``[B, T, H, r, …]``.

    A micro-row adds key uᵀ with u = v + scale · Sᵀb; this many of them, the second result, act at once.
    """
    decay = A.decay if isinstance(A, Householder | DPLR) else A
    log_decay = resets = b = scale = None
    if isinstance(decay, Scalar | Diagonal):
        log_decay, resets = decay.log_decay, None if decay.sign is None else decay.sign == 0
    match A:
        case Householder() if same_key:  # a reflector and its write share a row
            key, scale, group = A.k, -A.strength, 1
        case Householder():
            key = torch.stack([A.k, k], dim=4).flatten(3, 4)
            v = torch.stack([torch.zeros_like(v), v], dim=4).flatten(3, 4)
            scale = torch.stack([-A.strength, torch.zeros_like(A.strength)], dim=4).flatten(3, 4)
            group = 2
        case DPLR():
            key = torch.cat([A.a.to(k.dtype), k[..., None, :]], dim=3)
            b = torch.cat([A.b.to(k.dtype), torch.zeros_like(k)[..., None, :]], dim=3)
            v = torch.cat([v.new_zeros(*v.shape[:3], A.rank, v.shape[-1]), v[..., None, :]], dim=3)
            group = A.rank + 1
        case _:
            key, v, group = k[..., None, :], v[..., None, :], 1
    return Rows(q, key, b, scale, v, log_decay, resets), group


def _side_by_side(
    A: Dense | PermutationDiagonal, k: Tensor, v: Tensor, q: Tensor, state: Tensor, layout: Layout
) -> tuple[Tensor, Tensor]:
    """Structures without low rank: every chunk steps at the same time, from the identity beside the zero state.

    The columns that started as the identity become the product of the chunk's matrices, and the outputs and the last
    state are linear in the chunk's first state, which is filled in afterwards.
    """
    K = q.shape[-1]
    v = torch.cat([torch.zeros_like(q[..., :1]).expand(*q.shape[:3], K), v], dim=-1)
    k, v, q, A = layout.split(k), layout.split(v), layout.split(q), _pad_with_identity(A, layout)
    M, _, H = q.shape[:3]
    identity = torch.eye(K, dtype=state.dtype, device=state.device).expand(M, H, K, K)
    start = torch.cat([identity, state.new_zeros(M, H, K, state.shape[-1])], dim=-1)
    y, end = sequential(A, k, v, q, start)

    starts, finals, first = [], [], 0
    for alive in layout.alive:
        rows = slice(first, first + alive)
        first += alive
        finals.append(state[alive:])
        state = state[:alive]
        starts.append(state)
        state = end[rows, ..., :K] @ state + end[rows, ..., K:]
    y = (y[..., None, :K] @ torch.cat(starts)[:, None]).squeeze(-2) + y[..., K:]
    return y, torch.cat([state, *reversed(finals)])


def _pad_with_identity(A: Dense | PermutationDiagonal, layout: Layout) -> Dense | PermutationDiagonal:
    K = A.shape[-1]
    if isinstance(A, Dense):
        eye = torch.eye(K, dtype=A.matrix.dtype, device=A.matrix.device)
        return Dense(matrix=layout.split(A.matrix - eye) + eye)
    own = torch.arange(K, device=A.index.device)
    return PermutationDiagonal(
        index=layout.split(A.index - own) + own,
        log_decay=layout.split(A.log_decay),
        sign=None if A.sign is None else layout.split(A.sign, fill=1.0),
        phase=None if A.phase is None else layout.split(A.phase),
    )
