"""Errors, times and memory of everyone in one contest, in one process, on the same tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite
from typing import Any

import torch
from torch import Tensor

from benchmarks.contest import errors
from benchmarks.gpu_clock import Clock
from benchmarks.gpu_contests import Contest, Size, Tensors
from benchmarks.gpu_peers import Load, Peer, unguarded
from benchmarks.peers import attempt
from lrnn import Chunked

PROMISE: dict[torch.dtype, tuple[float, float]] = {
    torch.bfloat16: (1e-2, 1e-2),
    torch.float16: (1e-2, 1e-2),
    torch.float32: (1e-5, 1e-4),
}
"""Our errors, of the output and of each gradient, above which our time is not worth printing."""

CONSTANT = ("A",)
"""Parameters of a layer, not of a token: no gradient of theirs is compared."""


@dataclass(frozen=True)
class Player:
    """Somebody in a contest, on tensors in an order of memory of his own."""

    tensors: Tensors
    run: Callable[..., Tensor]
    restore: Callable[[Tensors], Tensors]

    def forward(self) -> None:
        """One call without gradients."""
        with torch.no_grad():
            self.run(**self.tensors)

    def differentiate(self, weight: Tensor) -> Tensors:
        """The output and the gradients, in our order, for the loss Σ weight · y."""
        leaves = {name: x if name in CONSTANT else x.detach().requires_grad_() for name, x in self.tensors.items()}
        y = self.run(**leaves)
        wanted = {name: x for name, x in leaves.items() if x.requires_grad}
        found = torch.autograd.grad(y, list(wanted.values()), weight)
        return {"y": y.detach()} | self.restore(dict(zip(wanted, found)))


def ours(contest: Contest, tensors: Tensors) -> Player:
    return Player(tensors, lambda **given: contest.ours(given).y, dict)


def theirs(peer: Peer, tensors: Tensors) -> Player:
    return Player(peer.arrange(tensors), lambda **given: peer.run(**given).y, peer.restore)


def truth(contest: Contest, tensors: Tensors, weight: Tensor, heads: int) -> Tensors:
    """Output and gradients of the reference in float64, for the first row and heads."""
    part = {name: x.double() for name, x in contest.part(tensors, heads).items()}
    reference: dict[str, Any] = {"algorithm": Chunked(), "backend": "reference"}
    player = Player(part, lambda **given: contest.ours(given, **reference).y, dict)
    return player.differentiate(contest.part({"y": weight}, heads)["y"].double())


def measure(
    contest: Contest,
    size: Size,
    clock: Clock,
    *,
    dtype: torch.dtype = torch.bfloat16,
    heads: int = 4,
    timed: bool = True,
    with_peers: bool = True,
) -> dict[str, Any]:
    """What a results file keeps of one contest at one size.

    An entry has ``errors``, ``finite`` (every number that came out, of all rows and heads), ``first_call`` seconds of
    forward and backward, ``milliseconds``, ``bytes`` beyond the inputs. Ours has no time where it is wrong.
    ``absent`` has the reasons of the others.

    Arguments:
        heads: of the first row, so many are compared with the truth.
    """
    g = torch.Generator(clock.device).manual_seed(0)
    tensors = contest.inputs(g, size, dtype)
    weight = torch.randn(size.B, size.T, size.H, size.V, generator=g, device=g.device).to(dtype)
    true = None if contest.arguments is None else truth(contest, tensors, weight, heads)

    def mine() -> dict[str, Any]:
        assert true is not None
        player = ours(contest, tensors)
        entry: dict[str, Any] = {"what": f"lrnn.recurrence, {contest.plan(tensors)}"}
        entry |= _compare(contest, player, weight, true, clock, heads)
        if reason := _wrong(entry, dtype):
            return entry | {"wrong": reason}
        return entry | (_time(player, weight, clock) if timed else {})

    def other(load: Load) -> dict[str, Any]:
        peer = load()
        player = theirs(peer, tensors)
        with unguarded():
            entry: dict[str, Any] = {"what": peer.what, "remark": peer.remark}
            entry |= _compare(contest, player, weight, true, clock, heads)
            return entry | (_time(player, weight, clock) if timed else {})

    entries = {} if true is None else {"lrnn": attempt(mine)}
    for name, load in contest.peers.items() if with_peers else ():
        entries[name] = attempt(lambda: other(load))  # noqa: B023
    absent = {name: entries.pop(name)["absent"] for name in list(entries) if "absent" in entries[name]}
    about = {"title": contest.title, "shape": asdict(size), "dtype": str(dtype).removeprefix("torch.")}
    return about | {"entries": entries, "absent": absent}


def _wrong(entry: dict[str, Any], dtype: torch.dtype) -> str | None:
    """Which errors are above what we promise."""
    forward, gradients = PROMISE[dtype]
    off = {name: x for name, x in entry["errors"].items() if not x <= (forward if name == "y" else gradients)}
    if off or not entry["finite"]:
        return f"above {forward:.0e} (output) or {gradients:.0e} (gradients), or not finite: {off}"
    return None


def _compare(
    contest: Contest, player: Player, weight: Tensor, true: Tensors | None, clock: Clock, heads: int
) -> dict[str, Any]:
    result: Tensors = {}
    seconds = clock.seconds(lambda: result.update(player.differentiate(weight)))
    entry: dict[str, Any] = {"first_call": seconds, "finite": all(bool(x.isfinite().all()) for x in result.values())}
    if true is not None:
        entry["errors"] = errors(contest.part(result, heads), true)
    return entry


def _time(player: Player, weight: Tensor, clock: Clock) -> dict[str, Any]:
    return {
        "milliseconds": {
            "forward": clock.milliseconds(player.forward),
            "forward+backward": clock.milliseconds(lambda: player.differentiate(weight)),
        },
        "bytes": clock.peak_bytes(lambda: player.differentiate(weight)),
    }


def error_cells(errors: Mapping[str, float | None]) -> tuple[str, str]:
    """The error of the output, and the largest of the gradients with its name; NaN, which JSON has as null, is largest.

    >>> error_cells({"y": 1e-3, "q": 2e-3, "beta": 3e-3})
    ('1.0e-03', '3.0e-03 (beta)')
    >>> error_cells({"y": 1e-3, "q": float("nan"), "beta": 3e-3})
    ('1.0e-03', 'not finite (q)')
    >>> error_cells({})
    ('—', '—')
    """
    sizes = {name: x if x is not None and isfinite(x) else inf for name, x in errors.items()}
    shown = {name: "not finite" if x == inf else f"{x:.1e}" for name, x in sizes.items()}
    worst = max((name for name in sizes if name != "y"), key=lambda name: sizes[name], default=None)
    return shown.get("y", "—"), "—" if worst is None else f"{shown[worst]} ({worst})"


def ratios(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Peer to its time over ours, forward and with backward, and our memory over its; nothing where one has no time."""
    mine = found["entries"].get("lrnn", {})
    if "milliseconds" not in mine:
        return {}
    table = {}
    for name, entry in found["entries"].items():
        if name != "lrnn" and "milliseconds" in entry:
            table[name] = {
                kind: times["median"] / mine["milliseconds"][kind]["median"]
                for kind, times in entry["milliseconds"].items()
            }
            if mine["bytes"] and entry["bytes"]:
                table[name]["memory"] = mine["bytes"] / entry["bytes"]
    return table
