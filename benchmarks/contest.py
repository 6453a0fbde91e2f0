"""Our recurrence beside its peers on a CPU: one process, the same tensors, forward and forward with backward.

B batch · T time · H heads · K = V head width. The truth of a contest is the definition, step by step in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import peers
from benchmarks.outcome import Outcome, environment
from benchmarks.timing import take_turns
from lrnn import Algorithm, Householder, Scalar, Sequential, recurrence
from lrnn.layers.mlstm import stabilize

SIZE = (1, 2048, 4, 64)
"""B, T, H, K = V."""

PROMISE = 1e-5
"""Our error in float32 above which our time is not worth printing."""


@dataclass(frozen=True)
class Contest:
    """One function, said by us and by others; what stands behind a peer's short name is the docstring of its loader."""

    inputs: Callable[[torch.Generator, tuple[int, int, int, int]], dict[str, Tensor]]
    ours: Callable[..., Tensor] | None
    truth: Callable[..., Tensor]
    peers: dict[str, Callable[[], peers.Function]] = field(default_factory=dict)


def _rows(g: torch.Generator, size: tuple[int, int, int, int], *names: str) -> dict[str, Tensor]:
    return {name: torch.randn(size, generator=g) for name in names}


def _delta_inputs(g: torch.Generator, size: tuple[int, int, int, int]) -> dict[str, Tensor]:
    tensors = _rows(g, size, "q", "k", "v")
    tensors["k"] = F.normalize(tensors["k"], dim=-1)
    return tensors | {"beta": torch.rand(size[:3], generator=g)}


def _gated_delta_inputs(g: torch.Generator, size: tuple[int, int, int, int]) -> dict[str, Tensor]:
    return _delta_inputs(g, size) | {"log_decay": F.logsigmoid(3 + torch.randn(size[:3], generator=g))}


def _ssd_inputs(g: torch.Generator, size: tuple[int, int, int, int]) -> dict[str, Tensor]:
    return _rows(g, size, "q", "k", "v") | {"log_decay": F.logsigmoid(3 + torch.randn(size[:3], generator=g))}


def _mlstm_inputs(g: torch.Generator, size: tuple[int, int, int, int]) -> dict[str, Tensor]:
    gates = {"input_gate": torch.randn(size[:3], generator=g), "forget_gate": 3 + torch.randn(size[:3], generator=g)}
    return _rows(g, size, "q", "k", "v") | gates


def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None, algorithm: Algorithm | None = None
) -> Tensor:
    """S_t = (I - β k kᵀ) α S_{t-1} + β k vᵀ, read with q/√K."""
    decay = None if log_decay is None else Scalar(log_decay=log_decay, size=k.shape[-1])
    A = Householder(k=k[..., None, :], beta=beta[..., None], decay=decay)
    v = (beta[..., None] * v)[..., None, :]
    return recurrence(A, A.k, v, q * k.shape[-1] ** -0.5, algorithm=algorithm).y


def ssd(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, algorithm: Algorithm | None = None) -> Tensor:
    """S_t = a S_{t-1} + k vᵀ, read with q: Mamba-2."""
    return recurrence(Scalar(log_decay=log_decay, size=k.shape[-1]), k, v, q, algorithm=algorithm).y


def mlstm(
    q: Tensor, k: Tensor, v: Tensor, input_gate: Tensor, forget_gate: Tensor, algorithm: Algorithm | None = None
) -> Tensor:
    """C_t = f C_{t-1} + i k vᵀ, n_t likewise, read as Cᵀq / max(|nᵀq|, 1), with q/√K and all shifted by e^(-m)."""
    log_f = F.logsigmoid(forget_gate)
    shift, m, _ = stabilize(log_f, input_gate, None, None)
    A = Scalar(log_decay=(log_f + shift).to(q.dtype), size=k.shape[-1])
    v = F.pad(v, (0, 1), value=1.0) * (input_gate - m).exp()[..., None]
    y = recurrence(A, k, v, q * k.shape[-1] ** -0.5, algorithm=algorithm).y
    return y[..., :-1] / torch.maximum(y[..., -1].abs(), (-m).exp())[..., None]


def _by_steps(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda **tensors: function(**tensors, algorithm=Sequential())


def _softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = torch.einsum("bihk,bjhk->bhij", q, k) * k.shape[-1] ** -0.5
    past = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    return torch.einsum("bhij,bjhv->bihv", scores.masked_fill(~past, -torch.inf).softmax(-1), v)


CONTESTS: dict[str, Contest] = {
    "gated delta rule": Contest(
        _gated_delta_inputs,
        delta_rule,
        _by_steps(delta_rule),
        {
            "transformers": peers.transformers_chunk,
            "transformers steps": peers.transformers_recurrent,
            "fla naive": peers.fla_gated_delta_rule,
        },
    ),
    "delta rule": Contest(
        _delta_inputs,
        delta_rule,
        _by_steps(delta_rule),
        {
            "fla naive 32": peers.fla_delta_rule(32),
            "fla naive 64": peers.fla_delta_rule(64),
        },
    ),
    "scalar decay": Contest(
        _ssd_inputs,
        ssd,
        _by_steps(ssd),
        {"mamba_ssm": peers.mamba_ssd, "fla naive": peers.fla_simple_gla},
    ),
    "mLSTM": Contest(
        _mlstm_inputs,
        mlstm,
        _by_steps(mlstm),
        {
            "xlstm": peers.xlstm("autograd"),
            "xlstm custom": peers.xlstm("custbw"),
        },
    ),
    "softmax attention": Contest(
        lambda g, size: _rows(g, size, "q", "k", "v"), None, _softmax, {"torch SDPA": peers.attention}
    ),
}


def differentiate(function: Callable[..., Tensor], tensors: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    """The output and the gradient of everything, for the loss Σ weight · y."""
    leaves = {name: x.detach().requires_grad_() for name, x in tensors.items()}
    y = function(**leaves)
    return {"y": y.detach()} | dict(zip(leaves, torch.autograd.grad(y, list(leaves.values()), weight)))


def errors(found: dict[str, Tensor], truth: dict[str, Tensor]) -> dict[str, float]:
    """Relative, in the Frobenius norm, per tensor."""
    return {name: ((found[name].double() - x).norm() / x.norm()).item() for name, x in truth.items()}


def measure(contest: Contest, size: tuple[int, int, int, int], seconds: float) -> dict[str, Any]:
    """Errors and times of everyone who is here; ``absent`` has the reasons of the others."""
    g = torch.Generator().manual_seed(0)
    tensors, weight = contest.inputs(g, size), torch.randn(size, generator=g)
    truth = differentiate(contest.truth, {name: x.double() for name, x in tensors.items()}, weight.double())
    present: dict[str, Callable[..., Tensor]] = {} if contest.ours is None else {"lrnn": contest.ours}
    absent: dict[str, str] = {}
    what = {"lrnn": "lrnn.recurrence"} | {name: load.__doc__ or "" for name, load in contest.peers.items()}
    for name, load in contest.peers.items():
        try:
            present[name] = load()
        except peers.Absent as reason:
            absent[name] = str(reason)

    off = {name: errors(differentiate(function, tensors, weight), truth) for name, function in present.items()}
    if "lrnn" in off and not max(off["lrnn"].values()) <= PROMISE:
        raise ArithmeticError(
            f"our errors {off['lrnn']} are above {PROMISE:.0e}: no time is printed beside a wrong result"
        )

    def forward(function: Callable[..., Tensor]) -> Callable[[], Any]:
        def run() -> None:
            with torch.no_grad():
                function(**tensors)

        return run

    def both(function: Callable[..., Tensor]) -> Callable[[], Any]:
        return lambda: differentiate(function, tensors, weight)

    times = {
        "forward": take_turns({name: forward(function) for name, function in present.items()}, seconds),
        "forward+backward": take_turns({name: both(function) for name, function in present.items()}, seconds),
    }
    entries = {
        name: {
            "what": what[name],
            "errors": off[name],
            "milliseconds": {kind: found[name]._asdict() for kind, found in times.items()},
        }
        for name in present
    }
    return {"entries": entries, "absent": absent}


COLUMNS = ("function", "who", "fwd", "÷ours", "fwd+bwd", "÷ours", "y off", "grads")


def cpu(threads: int = 2, size: tuple[int, int, int, int] = SIZE, seconds: float = 2.0) -> Outcome:
    """Every contest at B, T, H, K = V in float32; medians, and the peers' divided by ours."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = {name: measure(contest, size, seconds) for name, contest in CONTESTS.items()}
        about = environment()
    finally:
        torch.set_num_threads(before)
    rows = [row for name, results in found.items() for row in _table(name, results)]
    shape = dict(zip(("B", "T", "H", "K = V"), size))
    about_shape = ", ".join(f"{name} {n}" for name, n in shape.items())
    title = f"{about_shape}, float32, {threads} threads; median ms, relative errors against float64"
    return Outcome(title, COLUMNS, rows, {"benchmark": "cpu", "environment": about, "shape": shape, "functions": found})


def _table(name: str, results: dict[str, Any]) -> list[tuple[str, ...]]:
    rows, ours = [], results["entries"].get("lrnn")
    for who, entry in results["entries"].items():
        cells = []
        for kind, times in entry["milliseconds"].items():
            mine = times if ours is None else ours["milliseconds"][kind]
            cells += [f"{times['median']:.1f}", "" if mine is times else f"{times['median'] / mine['median']:.1f}×"]
        off = dict(entry["errors"])
        rows.append((name, who, *cells, f"{off.pop('y'):.0e}", f"{max(off.values()):.0e}"))
    rows += [(name, who, "—", "", "—", "", reason, "") for who, reason in results["absent"].items()]
    return rows
