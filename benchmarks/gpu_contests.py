"""The contests on a GPU: one recurrence, said by us and by a peer, on the same rounded tensors.

B batch · T time · H heads · G key heads · R reflectors · K key · V value. The truth is the reference in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import gpu_peers
from lrnn import DPLR, Diagonal, Householder, Output, Scalar, plan, recurrence

Tensors = dict[str, Tensor]
Arguments = dict[str, Any]
"""What :func:`lrnn.recurrence` is called with."""


@dataclass(frozen=True)
class Size:
    """Sizes of one call."""

    B: int
    T: int
    H: int
    K: int
    V: int
    G: int

    @classmethod
    def of(cls, B: int, T: int, H: int, D: int) -> Size:
        """Every head with keys of its own, K = V = D."""
        return cls(B, T, H, D, D, H)

    def __str__(self) -> str:
        if self.K == self.V and self.G == self.H:
            return f"B{self.B} T{self.T} H{self.H} D{self.K}"
        return f"B{self.B} T{self.T} H{self.H} K{self.K} V{self.V} G{self.G}"


SIZES = (Size.of(4, 4096, 16, 128), Size.of(1, 32768, 16, 128), Size.of(1, 8192, 16, 128), Size.of(8, 2048, 16, 64))
GROUPED = tuple(Size(B, T, 32, 128, 64, 1) for B, T in ((4, 4096), (1, 32768), (1, 8192), (8, 2048)))
TOKENS = 131072
LENGTHS = tuple(Size.of(TOKENS // T, T, 16, 128) for T in (1024, 4096, 16384, 65536, 131072))
"""Time over T: as many tokens in ever longer words."""


class Target(NamedTuple):
    """What the peer is to be divided by: times are its time over ours, memory is ours over its."""

    forward: float
    both: float
    memory: float


@dataclass(frozen=True)
class Contest:
    """One recurrence.

    Arguments:
        inputs: ``inputs(generator, size, dtype)`` makes the tensors of the definition.
        arguments: from those tensors, what our recurrence is called with; None where it is not ours.
        peers: short name to loader.
        shares_keys: gradients of q and k add over the heads, so a part of the heads has other ones.
        reflectors: R; None is a decay alone.
    """

    title: str
    inputs: Callable[[torch.Generator, Size, torch.dtype], Tensors]
    arguments: Callable[..., Arguments] | None
    peers: Mapping[str, gpu_peers.Load]
    target: Target | None = None
    sizes: tuple[Size, ...] = SIZES
    shares_keys: bool = False
    reflectors: int | None = None

    def ours(self, tensors: Tensors, **options: Any) -> Output:
        """Our recurrence."""
        assert self.arguments is not None
        return recurrence(**self.arguments(**tensors), **options)

    def plan(self, tensors: Tensors) -> str:
        """Which algorithm and backend run."""
        assert self.arguments is not None
        return str(plan(**self.arguments(**tensors))).splitlines()[0]

    def part(self, tensors: Mapping[str, Tensor], heads: int) -> Tensors:
        """The first row and heads alone; their outputs and gradients do not depend on the others."""
        heads = 0 if self.shares_keys else heads
        return {name: x if x.ndim == 1 else (x[:1, :, :heads] if heads else x[:1]) for name, x in tensors.items()}


def normal(g: torch.Generator, *size: int) -> Tensor:
    return torch.randn(size, generator=g, device=g.device)


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _householder_inputs(
    reflectors: int, gated: bool, by_channel: bool = False
) -> Callable[[torch.Generator, Size, torch.dtype], Tensors]:
    """Unit keys, β in (0, 2), q times 1/√K; all rounded, the logarithm of the decay (about -0.1) is not."""

    def make(g: torch.Generator, size: Size, dtype: torch.dtype) -> Tensors:
        B, T, H, K, V, _ = asdict(size).values()
        tensors = {
            "q": (normal(g, B, T, H, K) * K**-0.5).to(dtype),
            "k": unit(normal(g, B, T, H, reflectors, K)).to(dtype),
            "v": normal(g, B, T, H, reflectors, V).to(dtype),
            "beta": (2 * torch.rand(B, T, H, reflectors, generator=g, device=g.device)).to(dtype),
        }
        places = (B, T, H, K) if by_channel else (B, T, H)
        return tensors | ({"log_decay": F.logsigmoid(3 + normal(g, *places))} if gated else {})

    return make


def householder(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    log_decay: Tensor | None = None,
    normalize: bool = False,
) -> Arguments:
    """S_t = H_R … H_1 α S_{t-1} + writes β_j k_j v_jᵀ right after H_j = I - β_j k_j k_jᵀ.

    α is one number per head for log_decay ``[B,T,H]``, one per key channel for ``[B,T,H,K]``.
    """
    decay = None
    if log_decay is not None:
        by_channel = log_decay.shape == q.shape
        decay = Diagonal(log_decay=log_decay) if by_channel else Scalar(log_decay=log_decay, size=k.shape[-1])
    A = Householder(k=k, beta=beta, decay=decay, normalize=normalize)
    return {"A": A, "k": A.k, "v": v, "q": q, "strength": A.beta}


def _rows(g: torch.Generator, size: Size, dtype: torch.dtype) -> Tensors:
    B, T, H, K, V, G = asdict(size).values()
    rows = {"q": normal(g, B, T, G, K) * K**-0.5, "k": normal(g, B, T, G, K), "v": normal(g, B, T, H, V)}
    return {name: x.to(dtype) for name, x in rows.items()}


def _scalar_inputs(g: torch.Generator, size: Size, dtype: torch.dtype) -> Tensors:
    return _rows(g, size, dtype) | {"log_decay": F.logsigmoid(3 + normal(g, size.B, size.T, size.H))}


def scalar(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Arguments:
    """S_t = α S_{t-1} + k vᵀ; with fewer key heads than heads, each group of heads shares one k and one q."""
    return {"A": Scalar(log_decay=log_decay, size=k.shape[-1]), "k": k, "v": v, "q": q}


def _diagonal_inputs(g: torch.Generator, size: Size, dtype: torch.dtype) -> Tensors:
    return _rows(g, size, dtype) | {"log_decay": F.logsigmoid(3 + normal(g, size.B, size.T, size.H, size.K))}


def diagonal(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor) -> Arguments:
    """S_t = diag(α) S_{t-1} + k vᵀ, one α per key channel."""
    return {"A": Diagonal(log_decay=log_decay), "k": k, "v": v, "q": q}


def _dplr_inputs(g: torch.Generator, size: Size, dtype: torch.dtype) -> Tensors:
    """RWKV-7: a unit key is erased at a rate in (0, 1), decays are in (exp(-exp(-1/2)), 1)."""
    B, T, H, K, _, _ = asdict(size).values()
    erased = unit(normal(g, B, T, H, 1, K))
    rate = torch.rand(B, T, H, 1, K, generator=g, device=g.device)
    rows = _rows(g, size, dtype) | {"a": (rate * erased).to(dtype), "b": -erased.to(dtype)}
    return rows | {"log_decay": -math.exp(-0.5) * normal(g, B, T, H, K).sigmoid()}


def dplr(q: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, log_decay: Tensor) -> Arguments:
    """S_t = (diag(α) + a bᵀ) S_{t-1} + k vᵀ."""
    return {"A": DPLR(decay=Diagonal(log_decay=log_decay), a=a, b=b), "k": k, "v": v, "q": q}


def _ssd_inputs(g: torch.Generator, size: Size, dtype: torch.dtype) -> Tensors:
    """Mamba-2: Δ is log-uniform in [0.001, 0.1] and A in [-16, -1], as it starts."""
    uniform = torch.rand(size.B, size.T, size.H, generator=g, device=g.device)
    A = -1 - 15 * torch.rand(size.H, generator=g, device=g.device)
    return _rows(g, size, dtype) | {"beta": 10 ** (2 * uniform - 3), "A": A}


def ssd(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, A: Tensor) -> Arguments:
    """S_t = exp(Δ A) S_{t-1} + Δ k vᵀ; Δ is called beta."""
    return scalar(q, k, v, beta * A) | {"strength": beta}


def _householder(reflectors: int, gated: bool, target: Target | None) -> Contest:
    name = "Householder" if not gated else "Gated DeltaNet" if reflectors == 1 else "gated Householder"
    return Contest(
        title=name if gated and reflectors == 1 else f"{name} n_h = {reflectors}",
        inputs=_householder_inputs(reflectors, gated),
        arguments=householder,
        peers={"fla": gpu_peers.delta_rule(reflectors, gated)},
        target=target,
        reflectors=reflectors,
    )


CONTESTS: dict[str, Contest] = {
    "householder-1": _householder(1, False, Target(2, 1.5, 0.6)),
    "householder-2": _householder(2, False, Target(2, 2.5, 0.5)),
    "householder-3": _householder(3, False, None),
    "householder-4": _householder(4, False, Target(2, 3, 0.5)),
    "gated-1": _householder(1, True, Target(1.5, 1.5, 0.6)),
    "gated-2": _householder(2, True, Target(2, 2.5, 0.5)),
    "scalar": Contest(
        "scalar decay", _scalar_inputs, scalar, {"fla": gpu_peers.decay("simple_gla")}, Target(1.3, 1.5, 1)
    ),
    "diagonal": Contest(
        "diagonal decay (GLA)", _diagonal_inputs, diagonal, {"fla": gpu_peers.decay("gla")}, sizes=SIZES[:1]
    ),
    "diagonal-1": Contest(
        "diagonal decay, Householder n_h = 1 (KDA)",
        _householder_inputs(1, True, by_channel=True),
        householder,
        {"fla": gpu_peers.delta_rule(1, gated=True, by_channel=True)},
        sizes=SIZES[:1],
        reflectors=1,
    ),
    "dplr": Contest(
        "diagonal plus rank one (RWKV-7)",
        _dplr_inputs,
        dplr,
        {"fla": gpu_peers.dplr},
        sizes=SIZES[:1],
        reflectors=1,
    ),
    "ssd": Contest(
        "scalar decay, keys shared (Mamba-2)",
        _ssd_inputs,
        ssd,
        {"mamba_ssm": gpu_peers.ssd},
        Target(1.3, 1.5, 1),
        GROUPED,
        shares_keys=True,
    ),
    "attention": Contest("softmax attention", _rows, None, {"torch": gpu_peers.attention}),
}
"""What ``--ops`` chooses from. Targets stand in the docs with what was measured."""


def sizes_of(ops: Iterable[str], lengths: bool) -> list[tuple[str, Size]]:
    """What is measured: each contest at its sizes, or over T where ``lengths``."""
    if lengths:
        return [(op, size) for op in ops if op in ("householder-2", "attention") for size in LENGTHS]
    return [(op, size) for op in ops for size in CONTESTS[op].sizes[: 1 if op == "householder-3" else None]]
