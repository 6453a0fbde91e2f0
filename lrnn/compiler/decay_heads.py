"""Heads of a diagonal mixer (GLA) that run resets and, with eigenvalues down to -1, exchanges of two states.

A state row holds signs: +1 or -1 for each bit of the state of a part. A reset is a decay of 0 and a write; of a part
with two states, an exchange is a decay of -1. One more head always holds +1.

Shapes: Z letters · H heads (K = 1) · V.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from lrnn.compiler.heads import Heads, delay, delayed_options
from lrnn.compiler.parts import Part
from lrnn.compiler.stream import Signs, Stream, bits, num_bits, signs
from lrnn.layers import GLA
from lrnn.layers.gates import signed_decay
from lrnn.types import Eigenvalues

FAR = 64.0
"""A decay is 1 at this logit and at its negative the lower end of the range, both exactly."""


@dataclass(frozen=True)
class DecayHeads(Heads):
    """One head per part, and one that stays +1."""

    eigenvalues: Eigenvalues
    num_heads: int
    value_dim: int

    @classmethod
    def of(cls, levels: Sequence[Sequence[Part]], eigenvalues: Eigenvalues) -> DecayHeads:
        turns = any(part.rank for level in levels for part in level)
        widths = [num_bits(len(part.table)) * len(part.starts) for level in levels for part in level]
        return cls(
            eigenvalues=eigenvalues if turns else (0, 1),
            num_heads=1 + max(len(level) for level in levels),
            value_dim=max([2, *widths]),  # with one column the recurrence goes step by step on a CPU
        )

    def mixer(self, delayed: bool) -> tuple[str, dict[str, Any]]:
        options: dict[str, Any] = {
            "num_heads": self.num_heads,
            "key_dim": 1,
            "value_dim": self.value_dim,
            "initial_state": "learned",
            "write": True,
            "eigenvalues": self.eigenvalues,
            "decay_form": "clamp",
            "decay_rank": 3 * self.num_heads,
            "key_activation": "none",
            "output_norm": False,
            "output_gate": False,
            **delayed_options(delayed),
        }
        return "gla", options

    @property
    def summary(self) -> str:
        return "resets of signs" if self.eigenvalues == (0, 1) else "signs that are reset or exchanged"

    def code(self, parts: Sequence[Part], num_states: int) -> Signs:
        columns = [bits(position, num_bits(len(part.table))).T for part in parts for position in part.positions]
        return signs(np.concatenate(columns).T) if columns else np.zeros((num_states, 0))

    def weights(
        self, parts: Sequence[Part], num_letters: int, stream: Stream, delayed: bool
    ) -> Mapping[str, np.ndarray]:
        H, V = self.num_heads, self.value_dim
        resets, turns = np.zeros((num_letters, H)), np.zeros((num_letters, H))
        values, start = np.zeros((num_letters, H, V)), np.zeros((H, 1, V))
        start[-1] = 1
        out, place = np.zeros((stream.dim, H * V)), stream.at("state").start
        for h, part in enumerate(parts):
            width, copies = num_bits(len(part.table)), len(part.starts)
            number = signs(bits(np.arange(len(part.table)), width))
            used = width * copies
            start[h, 0, :used] = number[list(part.starts)].ravel()
            resets[:, h] = part.resets
            turns[:, h] = ~part.resets & (part.table[0] != 0)
            values[part.resets, h, :used] = np.tile(number[part.table[0, part.resets]], (1, copies))
            rows = range(place, place + used)
            out[rows, range(h * V, h * V + used)] = 1  # from -1 to the sign: -1 + sign + 1
            out[rows, (H - 1) * V] = 1
            place += used
        acts = [stream.linear("action", one) for one in (turns, resets)]
        holds = stream.constant(np.ones(H)) - acts[0] - acts[1]
        low = reset_logit(self.eigenvalues)
        keys = stream.constant(np.ones(H))
        found = {
            "projs.0.weight": keys,
            "projs.1.weight": keys,
            "projs.2.weight": stream.linear("action", values.reshape(num_letters, -1)),
            "decay_proj.0.weight": np.concatenate([holds, *acts]),
            "decay_proj.1.weight": np.concatenate([level * np.eye(H) for level in (FAR, -FAR, low)], axis=1),
            "out_proj.weight": out,
            "initial_state": start,
        }
        return {**found, **(delay(stream) if delayed else {})}


@cache
def reset_logit(eigenvalues: Eigenvalues) -> float:
    """A float32 logit whose decay is 0. Of (0, 1) it is an end of the range; of (-1, 1) it is one number in the middle,
    which must be hit."""
    if eigenvalues == (0, 1):
        return -FAR
    middle = torch.tensor(-GLA.temperature * float(np.log(2.0)))  # decay e^g = 1/2
    near = [middle]
    for _ in range(64):
        near = [torch.nextafter(near[0], torch.tensor(-100.0)), *near, torch.nextafter(near[-1], torch.tensor(0.0))]
    logits = torch.stack(near)
    decays = signed_decay(F.logsigmoid(logits) / GLA.temperature, "clamp", eigenvalues)
    return float(logits[decays.abs().argmin()])
