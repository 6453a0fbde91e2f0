"""The chain of states from chunk to chunk: all that is sequential in the chunked algorithm.

S_next = P S + k̃ᵀ (u + W S), one depth after the other; see :mod:`lrnn.recurrence.chunk_scan`. Both directions work in
place on buffers that the caller made.
"""

from __future__ import annotations

import torch
from torch import Tensor


def chain(
    u: Tensor, W: Tensor | None, key_end: Tensor, carry: Tensor | None, state: Tensor, alive: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """The first state of every chunk ``[M, K, V]`` and the last states; W S is added to u.

    Arguments:
        alive: rows of each depth; rows that have no further chunk keep the state that they ended with.
    """
    counts = list(alive)
    start = torch.empty(u.shape[0], *state.shape[1:], dtype=state.dtype, device=state.device)
    starts, ends, news = start.split(counts), key_end.mT.split(counts), u.split(counts)
    Ws = None if W is None else W.split(counts)
    writes = None if W is not None else (key_end.mT @ u).split(counts)  # known before any state is
    carries = None if carry is None else carry.split(counts)
    final = state.clone()
    starts[0].copy_(state[: counts[0]])
    for depth, count in enumerate(counts):
        current = starts[depth]
        following = starts[depth + 1] if depth + 1 < len(counts) else final[:0]
        over = following.shape[0] < count  # some words, or all, end here
        end = final[:count] if over else following
        if carries is None:
            end.copy_(current)
        else:
            torch.mul(current, carries[depth], out=end)
        if Ws is not None:
            news[depth].baddbmm_(Ws[depth], current)
            end.baddbmm_(ends[depth], news[depth])
        elif writes is not None:
            end.add_(writes[depth])
        if over:
            following.copy_(end[: following.shape[0]])
    return start, final


def chain_back(
    du: Tensor,
    dstart: Tensor,
    W: Tensor | None,
    key_end: Tensor,
    carry: Tensor | None,
    dfinal: Tensor,
    alive: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """The gradients of every chunk's last state ``[M, K, V]`` and of the first states.

    du and dstart come in as what the outputs send and leave complete.
    """
    counts = list(alive)
    dus, dstarts, ends = du.split(counts), dstart.split(counts), key_end.conj().split(counts)
    Ws = None if W is None else W.mH.split(counts)
    carries = None if carry is None else carry.split(counts)
    dends: list[Tensor] = []
    dend = dfinal[: counts[-1]]
    for depth in range(len(counts) - 1, -1, -1):
        if counts[depth] > dend.shape[0]:  # words that end here
            dend = torch.cat([dend, dfinal[dend.shape[0] : counts[depth]]])
        dends.append(dend)
        if Ws is not None:
            dus[depth].baddbmm_(ends[depth], dend)
        before = dstarts[depth]
        if carries is None:
            before.add_(dend)
        else:
            before.addcmul_(dend, carries[depth].to(dend.dtype))
        if Ws is not None:
            before.baddbmm_(Ws[depth], dus[depth])
        dend = before
    dend_all = torch.cat(dends[::-1])
    if Ws is None:
        du.baddbmm_(key_end.conj(), dend_all)
    return dend_all, torch.cat([dend, dfinal[dend.shape[0] :]])
