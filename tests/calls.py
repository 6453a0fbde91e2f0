"""Calls of the recurrence with random arguments, what must come out of them, and how far off is too far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from lrnn import Algorithm, Associative, Chunked, Dense, Householder, Packing, Sequential, Transition, recurrence
from tests.cases import STRUCTURES, normal, uniform

ALGORITHMS: dict[str, Algorithm] = {
    "sequential": Sequential(),
    "chunked": Chunked(),
    "chunked 16": Chunked(16),
    "associative": Associative(),
}

SIZES = [(2, 1, 1, 6, 5), (1, 7, 2, 16, 3), (1, 63, 1, 60, 2), (2, 130, 1, 6, 4)]
"""B, T, H, K, V: odd ones, one step, shorter than a chunk, longer than two."""

PACKINGS = [Packing((130,)), Packing((1, 7, 59, 63)), Packing((64, 1, 1, 64)), Packing((100, 16, 14))]
"""Words of 130 letters together: one, rising, whole chunks and single letters, falling."""

CAP = {torch.float64: 1e-12, torch.float32: 1e-5}
"""The promise at every length; see `tolerance`."""


def tolerance(dtype: torch.dtype, length: int) -> float:
    """The relative error that rounding explains: 32 ulp, growing as the root of the number of steps, never above CAP.

    bfloat16 and float16 are computed in float32 and rounded once at the end, which costs one ulp of theirs more.
    """
    if dtype not in CAP:
        return torch.finfo(dtype).eps + tolerance(torch.float32, length)
    return min(CAP[dtype], 32 * torch.finfo(dtype).eps * max(length, 1) ** 0.5)


def error(got: Tensor, want: Tensor) -> float:
    """Relative in the Frobenius norm; absolute where the truth is exactly 0. NaN counts as infinite."""
    assert got.shape == want.shape, f"shape {tuple(got.shape)}, wanted {tuple(want.shape)}"
    assert got.is_complex() == want.is_complex()
    wide = torch.complex128 if want.is_complex() else torch.float64
    want = want.to(wide)
    size = want.norm().item()
    off = (got.to(wide) - want).norm().item() / (size or 1.0)
    return off if off == off else float("inf")


@dataclass(frozen=True)
class Call:
    """The arguments of one recurrence."""

    name: str
    A: Transition
    k: Tensor
    v: Tensor
    q: Tensor
    state: Tensor | None
    strength: Tensor | None = None

    @property
    def delta(self) -> bool:
        """Is the write key A.k, so that the two are one leaf?"""
        return STRUCTURES[self.name].delta

    def tensors(self) -> dict[str, Tensor]:
        """Everything that has a gradient, by name."""
        found = {f"A.{name}": tensor for name, tensor in self.A.tensors().items()}
        found = {name: x for name, x in found.items() if x.dtype != torch.int64 and not name.endswith("sign")}
        found |= {} if self.delta else {"k": self.k}
        found |= {"v": self.v, "q": self.q, "state": self.state, "strength": self.strength}
        return {name: x for name, x in found.items() if x is not None}

    def map(self, change) -> Call:
        """The same call with every tensor changed."""
        A = self.A._with({name: change(x) for name, x in self.A.tensors().items()})
        k = A.k if self.delta else change(self.k)  # type: ignore[attr-defined]
        state, strength = (None if x is None else change(x) for x in (self.state, self.strength))
        return replace(self, A=A, k=k, v=change(self.v), q=change(self.q), state=state, strength=strength)

    def to(self, dtype: torch.dtype) -> Call:
        """Rounded to a real dtype; index tensors stay."""

        def cast(x: Tensor) -> Tensor:
            if x.is_complex():  # there is no narrow one
                return x.to(torch.promote_types(dtype, torch.float32).to_complex())
            return x.to(dtype) if x.is_floating_point() else x

        return self.map(cast)

    def leaves(self) -> Call:
        """Fresh leaves that ask for gradients."""
        fresh = self.map(lambda x: x.detach().clone())
        for tensor in fresh.tensors().values():
            tensor.requires_grad_()
        return fresh

    def run(self, **options) -> tuple[Tensor, Tensor]:
        return recurrence(self.A, self.k, self.v, self.q, state=self.state, strength=self.strength, **options)

    def rows(self, rows: slice) -> Call:
        """Some rows of the batch."""
        A = self.A[rows]
        k = A.k if self.delta else self.k[rows]  # type: ignore[attr-defined]
        state, strength = (None if x is None else x[rows] for x in (self.state, self.strength))
        return replace(self, A=A, k=k, v=self.v[rows], q=self.q[rows], state=state, strength=strength)

    def steps(self, steps: slice, state: Tensor | None) -> Call:
        """Some steps of the words, from another first state."""
        A = self.A[:, steps]
        k = A.k if self.delta else self.k[:, steps]  # type: ignore[attr-defined]
        strength = None if self.strength is None else self.strength[:, steps]
        return replace(self, A=A, k=k, v=self.v[:, steps], q=self.q[:, steps], state=state, strength=strength)


def call(name: str, size: tuple[int, ...], seed: int = 0, rows: int | None = None, state: bool = True) -> Call:
    """Random arguments in float64; ``rows`` first states (of packed words) in place of B."""
    g = torch.Generator().manual_seed(seed)
    B, T, H, K, V = size
    A = STRUCTURES[name].make(g, (B, T, H), K)
    writes = (A.num_reflectors,) if isinstance(A, Householder) else ()
    k = A.k if STRUCTURES[name].delta else normal(g, B, T, H, *writes, K) / K**0.5  # type: ignore[attr-defined]
    v, q = normal(g, B, T, H, *writes, V), normal(g, B, T, H, K) / K**0.5
    first = normal(g, B if rows is None else rows, H, K, V) if state else None
    return Call(name, A, k, v, q, first)


def weighed(of: Call, seed: int = 0) -> Call:
    """The same call with random strengths of its writes, of both signs, and now and then 0."""
    g = torch.Generator().manual_seed(seed)
    strength = torch.where(uniform(g, *of.v.shape[:-1]) < 0.1, 0.0, normal(g, *of.v.shape[:-1]))
    return replace(of, strength=strength.to(of.v))


def delta_rule(of: Call) -> Call:
    """The same call of reflectors whose β, the very tensor, is the strength of the writes."""
    return replace(of, strength=of.A.beta)  # type: ignore[attr-defined]


def definition(of: Call) -> tuple[Tensor, Tensor]:
    """The recurrence as the textbook has it: dense micro-steps in order, read after the last one of each step."""
    factors = torch.stack(STRUCTURES[of.name].factors(of.A), dim=2).flatten(1, 2)  # [B, T·R, H, K, K]
    R = factors.shape[1] // of.q.shape[1]
    k, v = of.k, of.v if of.strength is None else of.strength[..., None] * of.v
    if k.ndim == 5:
        k, v = (x.transpose(2, 3).flatten(1, 2) for x in (k, v))
    q = of.q.repeat_interleave(R, dim=1)
    y, state = recurrence(Dense(matrix=factors), k, v, q, state=of.state, algorithm=Sequential())
    return y[:, R - 1 :: R], state


def weights(g: torch.Generator, like: Tensor) -> Tensor:
    """Whole numbers from -4 to 4, the same on every device."""
    return torch.randint(-4, 5, like.shape, generator=g).to(like.device)


Results = dict[str, Tensor]


def results(of: Call, compute) -> Results:
    """Outputs, last state and the gradient of everything, of ``compute(call) -> (y, state)``."""
    of = of.leaves()
    y, state = compute(of)
    g = torch.Generator().manual_seed(1)
    # quarters are exact in every dtype, so no rounding of theirs is mistaken for an error of ours
    loss = sum((x.to(torch.promote_types(x.dtype, torch.float64)) * weights(g, x) / 4).real.sum() for x in (y, state))
    names, leaves = zip(*of.tensors().items())
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)  # type: ignore[arg-type]
    return {"y": y.detach(), "last state": state.detach()} | {f"d {n}": d for n, d in zip(names, gradients)}


@lru_cache(maxsize=256)
def truth(name: str, size: tuple[int, ...], dtype: torch.dtype, seed: int = 0, state: bool = True) -> Results:
    """In float64, from arguments rounded to ``dtype``."""
    return results(call(name, size, seed, state=state).to(dtype).to(torch.float64), definition)


def compare(got: Results, want: Results, length: int) -> None:
    """Every tensor within the tolerance of its own dtype; all that are not, in one message."""
    assert got.keys() == want.keys()
    faults = []
    for name, tensor in want.items():
        dtype = got[name].dtype.to_real()
        allowed = tolerance(dtype, length)
        off = error(got[name], tensor)
        if off * tensor.norm() < tensor.numel() ** 0.5 * torch.finfo(dtype).smallest_normal:
            continue  # too small for the dtype, so its relative rounding is unbounded
        if off > allowed:
            faults.append(f"{name}: {off:.1e} > {allowed:.1e}")
    assert not faults, "; ".join(faults)
