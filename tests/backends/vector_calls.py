"""Calls of the vector scan, what must come out of them in float64, and how far off is too far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lrnn import ComplexDiagonal, Diagonal, Sequential, recurrence
from lrnn.backends.triton.vector_scan import vector_scan

DOUBLE = {True: torch.complex128, False: torch.float64}
KINDS = ("stepped", "full", "fixed", "signed")
"""Of a decay: step and rate, one number per token, one for all tokens, one per token with signs and resets."""


@dataclass(frozen=True)
class Call:
    """One row: what the decays are made of, sizes, which numbers are complex."""

    decay: str
    phase: str = "none"
    size: tuple[int, int, int, int, int] = (2, 11, 3, 1, 3)
    """B, T, H, G, K."""
    complex: str = ""
    """Which of q, k, v are."""
    lengths: tuple[int, ...] | None = None
    segment: int | None = None
    dtype: torch.dtype = torch.float32
    leaves: dict[str, Tensor] = field(default_factory=dict)
    sign: Tensor | None = None

    def drawn(self, seed: int = 0) -> Call:
        """With random tensors, of which the first time axis of a fixed one is not there yet."""
        g = torch.Generator().manual_seed(seed)
        B, T, H, G, K = self.size
        rows = B if self.lengths is None else len(self.lengths)

        def normal(*shape: int, complex: bool = False) -> Tensor:
            return torch.randn(*shape, generator=g, dtype=DOUBLE[complex])

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=g, dtype=torch.float64)

        found = {name: normal(B, T, G, K, complex=name in self.complex) / K**0.5 for name in ("q", "k")}
        found["v"] = normal(B, T, H, complex="v" in self.complex)
        found["state"] = normal(rows, H, K, complex=self.phase != "none" or bool(self.complex))
        if self.decay == "stepped":
            found |= {"step": uniform(B, T, H), "rate": -uniform(H, K)}
        else:
            found["log_decay"] = -uniform(*(() if self.decay == "fixed" else (B, T)), H, K)
        if self.phase != "none":
            found["phase"] = 4 * normal(*(() if self.phase == "fixed" else (B, T)), H, K)
        sign = torch.randint(-1, 2, (B, T, H, K), generator=g).float() if self.decay == "signed" else None
        narrow = {
            name: x.to(torch.complex64 if x.is_complex() else self.dtype if name in ("q", "k", "v") else torch.float32)
            for name, x in found.items()
        }
        return replace(self, leaves=narrow, sign=sign)

    def wide(self) -> Call:
        return replace(
            self, leaves={name: x.to(DOUBLE[x.is_complex()]) for name, x in self.leaves.items()}, sign=self.sign
        )

    def arguments(self) -> dict[str, Tensor]:
        """With what is fixed shown at every token."""
        B, T, H, _, K = self.size
        return {
            name: x.expand(B, T, H, K) if name in ("log_decay", "phase") and x.ndim == 2 else x
            for name, x in self.leaves.items()
        }

    def run(self) -> tuple[Tensor, Tensor]:
        given = self.arguments()
        first = [given.pop(name) for name in ("q", "k", "v", "state")]
        return vector_scan(*first, **given, sign=self.sign, lengths=self.lengths, segment=self.segment)

    def truth(self) -> tuple[Tensor, Tensor]:
        """By the reference, word by word."""
        given, heads = self.arguments(), self.size[2]
        log_decay = given["log_decay"] if "log_decay" in given else given["step"][..., None] * given["rate"]
        sign = None if self.sign is None else self.sign.to(log_decay.dtype)
        A = Diagonal(log_decay=log_decay, sign=sign)
        if "phase" in given:
            A = ComplexDiagonal(log_decay=log_decay, phase=given["phase"])
        q, k = (given[name].repeat_interleave(heads // given[name].shape[2], dim=2) for name in ("q", "k"))
        v, state = given["v"][..., None], given["state"][..., None]
        ends = torch.tensor(self.lengths or (v.shape[1],)).cumsum(0).tolist()
        words = [slice(start, end) for start, end in zip([0, *ends], ends)]
        found = [
            recurrence(
                A[:, word], k[:, word], v[:, word], q[:, word],
                state=state if self.lengths is None else state[n : n + 1], algorithm=Sequential(),
            )
            for n, word in enumerate(words)
        ]  # fmt: skip
        ys, states = zip(*found)
        return torch.cat(ys, dim=1).squeeze(-1), torch.cat(states).squeeze(-1)

    def results(self, run: str) -> dict[str, Tensor]:
        """Outputs, last states and all gradients, of `run` or `truth`."""
        fresh = replace(self, leaves={name: x.clone().requires_grad_() for name, x in self.leaves.items()})
        y, final = getattr(fresh, run)()
        g = torch.Generator().manual_seed(1)
        # quarters are exact in every dtype; a complex number is weighed by its two parts
        loss = torch.zeros((), dtype=torch.float64)
        for x in (y, final):
            parts = torch.view_as_real(x) if x.is_complex() else x
            loss = loss + (parts.double() * torch.randint(-4, 5, parts.shape, generator=g) / 4).sum()
        gradients = torch.autograd.grad(loss, list(fresh.leaves.values()))
        named = {f"d {name}": x for name, x in zip(fresh.leaves, gradients)}
        return {"y": y.detach(), "final": final.detach()} | named


def compare(got: dict[str, Tensor], want: dict[str, Tensor], length: int) -> None:
    """Every tensor within the rounding of its own dtype, 64 ulp that grow with the root of the number of steps."""
    faults = []
    for name, x in want.items():
        near = got[name]
        assert near.shape == x.shape and near.is_complex() == x.is_complex(), name
        narrow = torch.finfo(near.dtype).eps if near.dtype in (torch.float16, torch.bfloat16) else 0.0
        allowed = narrow + 64 * torch.finfo(torch.float32).eps * length**0.5
        off = ((near.to(x.dtype) - x).norm() / x.norm().clamp_min(1e-30)).item()
        if not off <= allowed:
            faults.append(f"{name}: {off:.1e} > {allowed:.1e}")
    assert not faults, "; ".join(faults)
