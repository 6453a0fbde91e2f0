"""How far the state drifts where nothing decays, and the errors of every dtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks import gpu_peers
from benchmarks.gpu_clock import Clock
from benchmarks.gpu_contests import CONTESTS, Size, householder, normal, unit
from benchmarks.gpu_measuring import measure
from benchmarks.peers import attempt
from lrnn import Chunked, recurrence

STATE_LENGTHS = (64, 256, 1024, 4096, 16384, 65536)
DTYPES = (torch.bfloat16, torch.float16, torch.float32)
HEADS = 2


@torch.no_grad()
def state_errors(
    clock: Clock, lengths: Sequence[int] = STATE_LENGTHS, widths: Sequence[int] = (64, 128), with_peers: bool = True
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and errors for each K and T: relative Frobenius error of S_T against float64 on the same rounded keys.

    β = 2, no decay, nothing written, S_0 orthonormal, so every A_t is a reflection and S_T should be as orthonormal as
    S_0. Ours divides by kᵀk of the rounded key, and its truth does; a peer that does not has its own recurrence as its
    truth, and what the missing kᵀk costs is in ``length``: ‖S_T‖ / ‖S_0‖, which a reflection leaves at 1.
    """
    for K in widths:
        for T in lengths:
            g = torch.Generator(clock.device).manual_seed(T + K)
            keys, state = unit(normal(g, 1, T, HEADS, 2, K)), torch.linalg.qr(normal(g, 1, HEADS, K, K))[0]
            entries: dict[str, Any] = {}
            for R in (1, 2):
                for dtype in DTYPES:
                    name = f"lrnn n_h = {R} {str(dtype).removeprefix('torch.')}"
                    entries[name] = attempt(lambda: _reflected(keys[..., :R, :].to(dtype), state))  # noqa: B023
                if with_peers:
                    entries[f"fla n_h = {R} bfloat16"] = attempt(lambda: _by_peer(keys[..., :R, :].bfloat16(), state))  # noqa: B023
            yield f"K{K} T{T}", {"shape": {"B": 1, "T": T, "H": HEADS, "K": K, "V": K}, "entries": entries}


def _inputs(k: Tensor) -> dict[str, Tensor]:
    return {
        "q": k[..., 0, :].contiguous(),
        "k": k.contiguous(),
        "v": torch.zeros_like(k),
        "beta": torch.full_like(k[..., 0], 2.0).contiguous(),
    }


def _true(k: Tensor, state: Tensor, normalize: bool) -> Tensor:
    exact = {name: x.double() for name, x in _inputs(k).items()}
    given = householder(**exact, normalize=normalize)
    return recurrence(**given, state=state.double(), algorithm=Chunked(), backend="reference").state


def _errors(found: Tensor, true: Tensor, state: Tensor) -> dict[str, float]:
    found = found.double()
    return {
        "error": ((found - true).norm() / true.norm()).item(),
        "length": (found.norm() / state.double().norm()).item(),
    }


def _reflected(k: Tensor, state: Tensor) -> dict[str, Any]:
    found = recurrence(**householder(**_inputs(k), normalize=True), state=state).state
    return _errors(found, _true(k, state, normalize=True), state)


def _by_peer(k: Tensor, state: Tensor) -> dict[str, Any]:
    peer = gpu_peers.delta_rule(k.shape[-2])()
    found = peer.run(**peer.arrange(_inputs(k)), state=state).state
    assert found is not None
    return _errors(found, _true(k, state, normalize=False), state)


def dtype_errors(
    clock: Clock, ops: Sequence[str], size: Size | None = None, with_peers: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and errors of the output and all gradients for each contest and dtype, T = 4,096; nothing is timed."""
    for op in ops:
        contest = CONTESTS[op]
        if contest.arguments is None:
            continue
        shape = size or Size(1, 4096, 4, contest.sizes[0].K, contest.sizes[0].V, 1 if contest.shares_keys else 4)
        for dtype in DTYPES:
            found = measure(contest, shape, clock, dtype=dtype, timed=False, with_peers=with_peers)
            yield f"{op} {shape} {found['dtype']}", found
