"""Every peer that runs on a GPU, brought to our layout; none is required.

Our layout: q ``[B,T,H,K]``, k ``[B,T,H,R,K]``, v ``[B,T,H,R,V]``, beta ``[B,T,H,R]``, log_decay ``[B,T,H]``. A peer
wants its tensors in its own order in memory; `Peer.arrange` makes that order beforehand, so that no peer is charged
for it.

B batch · T time · H heads · G key heads · R reflectors · K key · V value. No code of a peer is copied here.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.peers import Absent, module

GUARDED = "its backward refuses this GPU with this Triton (flash-linear-attention issue 640); lifted for timing only"


class Result(NamedTuple):
    """What a recurrence returns: y ``[B,T,H,V]`` and, where an initial state was given, the last one ``[B,H,K,V]``."""

    y: Tensor
    state: Tensor | None


def _same(name: str, x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Peer:
    """Somebody else's function for the same recurrence."""

    what: str
    """The function, in full."""
    run: Callable[..., Result]
    """``run(**tensors in its order, state=None)``."""
    to_its: Callable[[str, Tensor], Tensor] = _same
    to_ours: Callable[[str, Tensor], Tensor] = _same
    remark: str = ""

    def arrange(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our tensors in the order in memory that it wants."""
        return {name: self.to_its(name, x).contiguous() for name, x in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Its tensors (gradients, say) in our order."""
        return {name: self.to_ours(name, x) for name, x in tensors.items()}


Load = Callable[[], Peer]
"""Raises `Absent` where the peer is not installed or does not import."""

MICRO = ("k", "v", "beta")
"""The tensors that have one row per reflector."""


def _interleave(name: str, x: Tensor) -> Tensor:
    """[B, T, H, R, ...] to [B, T·R, H, ...]: all writes of a token, one after the other."""
    return x.transpose(2, 3).flatten(1, 2) if name in MICRO else x


def _apart(reflectors: int) -> Callable[[str, Tensor], Tensor]:
    def split(name: str, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, reflectors)).transpose(2, 3) if name in MICRO else x

    return split


def _op(path: str, name: str) -> Callable[..., Any]:
    found = getattr(module(path), name, None)
    if found is None:
        raise Absent(f"{path} has no {name}")
    return found


def delta_rule(reflectors: int = 1, gated: bool = False, by_channel: bool = False) -> Load:
    """flash-linear-attention's chunked delta rule, with one decay per head or key channel, or product of such rules."""

    def load() -> Peer:
        if reflectors == 1:
            kind = "kda" if by_channel else "gated_delta_rule" if gated else "delta_rule"
        else:
            kind = "gated_delta_product"
        name, several = f"chunk_{kind}", reflectors > 1
        op = _op(f"fla.ops.{kind}", name)

        def run(
            q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_decay: Tensor | None = None, state: Tensor | None = None
        ) -> Result:
            options: dict[str, Any] = {"initial_state": state, "output_final_state": state is not None}
            if gated or several:
                options["g"] = log_decay
            if several:
                options["num_householder"] = reflectors
            return Result(*op(q=q, k=k, v=v, beta=beta, scale=1.0, **options))

        what = f"fla.{name}" + (f", n_h = {reflectors}" if several else "")
        return Peer(what, run, _interleave, _apart(reflectors), GUARDED if gated and not by_channel else "")

    return load


def decay(kind: str) -> Load:
    """flash-linear-attention's chunked recurrence with one decay per head (simple_gla) or per key channel (gla)."""

    def load() -> Peer:
        op = _op(f"fla.ops.{kind}", f"chunk_{kind}")

        def run(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor | None = None) -> Result:
            options = {"initial_state": state, "output_final_state": state is not None}
            return Result(*op(q=q, k=k, v=v, g=log_decay, scale=1.0, **options))

        return Peer(f"fla.chunk_{kind}", run, remark=GUARDED if kind == "simple_gla" else "")

    return load


def dplr() -> Peer:
    """flash-linear-attention's diagonal plus rank one, told the bound of RWKV-7's decays, for which it is fast.

    Its a reads the state and its b writes, ours the other way round.
    """
    op = _op("fla.ops.generalized_delta_rule", "chunk_dplr_delta_rule")

    def run(
        q: Tensor, k: Tensor, v: Tensor, a: Tensor, b: Tensor, log_decay: Tensor, state: Tensor | None = None
    ) -> Result:
        options = {"initial_state": state, "output_final_state": state is not None, "lower_bound": -(math.exp(-0.5))}
        return Result(*op(q=q, k=k, v=v, a=b, b=a, gk=log_decay, scale=1.0, **options))

    def to_its(name: str, x: Tensor) -> Tensor:
        return x[..., 0, :] if name in ("a", "b") else x

    def to_ours(name: str, x: Tensor) -> Tensor:
        return x[..., None, :] if name in ("a", "b") else x

    return Peer("fla.chunk_dplr_delta_rule", run, to_its, to_ours)


def ssd() -> Peer:
    """mamba_ssm's Triton kernels of Mamba-2; k and q have one row per group, ``[B,T,G,K]``, beta is Δ."""
    with _without_its_own_imports("mamba_ssm"):
        op = _op("mamba_ssm.ops.triton.ssd_combined", "mamba_chunk_scan_combined")

    def run(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, A: Tensor, state: Tensor | None = None) -> Result:
        if state is None:
            return Result(op(v, beta, A, k, q, chunk_size=256), None)
        y, last = op(v, beta, A, k, q, chunk_size=256, initial_states=state.mT, return_final_states=True)
        return Result(y, last.mT)

    return Peer("mamba_ssm.mamba_chunk_scan_combined, chunks of 256", run)


def attention() -> Peer:
    """torch's own causal softmax attention: another function, the yardstick of everybody."""

    def run(q: Tensor, k: Tensor, v: Tensor) -> Result:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
        return Result(y.transpose(1, 2), None)

    return Peer("torch.scaled_dot_product_attention, causal", run)


def deltaproduct_layer(**options: Any) -> torch.nn.Module:
    """flash-linear-attention's layer GatedDeltaProduct; returns (y, None, cache).

    Raises:
        Absent: it is not installed.
    """
    return _op("fla.layers.gated_deltaproduct", "GatedDeltaProduct")(**options)


@contextmanager
def unguarded() -> Iterator[None]:
    """Within, flash-linear-attention's gated backward does not refuse Hopper with Triton 3.4 to 3.7.0.

    It raises there because some of its gradients can be wrong (its issue 640). We want the time that the user of a
    later Triton would see, and print its errors beside it; nobody should train so.
    """
    try:
        chunk_o = importlib.import_module("fla.ops.common.chunk_o")
    except ImportError:
        yield
        return
    before = getattr(chunk_o, "TRITON_ABOVE_3_7_1", None)
    chunk_o.TRITON_ABOVE_3_7_1 = True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        chunk_o.TRITON_ABOVE_3_7_1 = before  # type: ignore[attr-defined]


@contextmanager
def _without_its_own_imports(package: str) -> Iterator[None]:
    """Within, submodules import without the package's ``__init__``, which wants compiled extensions."""
    if package in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Absent(f"{package} is not installed")
    hollow = types.ModuleType(package)
    hollow.__path__ = list(spec.submodule_search_locations)
    sys.modules[package] = hollow
    try:
        yield
    finally:
        del sys.modules[package]
