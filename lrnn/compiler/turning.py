"""Heads whose states are turned by orthogonal matrices, and which of them keep the codes far apart.

Shapes: A letters (channels of a register) · d dimension · c elements · H heads · K = V the largest d · R reflectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from lrnn.compiler.codes import Field
from lrnn.compiler.heads import SURE
from lrnn.compiler.reflectors import keys

FAR_APART = 0.6
"""1 - cos of the angle between codes that is enough: drift may use up half of it."""

MAX_HEADS = 8
"""No more heads than this keep codes apart."""


@dataclass(frozen=True, eq=False)
class Head:
    """A representation: the matrix of each letter and of each element, the identity first, and the key that reads."""

    letters: Float[np.ndarray, "A d d"]
    elements: Float[np.ndarray, "c d d"]
    q: Float[np.ndarray, "d"]

    @property
    def overlap(self) -> Float[np.ndarray, "c"]:
        """⟨q, M q⟩ for every element."""
        return np.einsum("i,cij,j->c", self.q, self.elements, self.q)


@dataclass(frozen=True, eq=False)
class TurningHeads:
    """Heads side by side, each of which has an equal share in the length of the code."""

    heads: tuple[Head, ...]

    @classmethod
    def far_apart(cls, first: Head, others: Sequence[Head]) -> TurningHeads:
        """The first one, and those of the others that each time widen the gap most, until it is wide enough."""
        found, rest = cls((first,)), list(others)
        while rest and found.gap < FAR_APART and len(found.heads) < MAX_HEADS:
            wider = max((cls((*found.heads, other)) for other in rest), key=lambda heads: heads.gap)
            if wider.gap <= found.gap:
                break
            rest.remove(wider.heads[-1])
            found = wider
        return found

    @property
    def gap(self) -> float:
        """1 - cos of the angle between the nearest two codes."""
        overlap = sum(head.overlap for head in self.heads) / len(self.heads)
        return float(1 - np.max(np.asarray(overlap)[1:], initial=-1.0))

    @property
    def widths(self) -> list[int]:
        """d of every head."""
        return [len(head.q) for head in self.heads]

    @property
    def codes(self) -> Float[np.ndarray, "c m"]:
        """What is read at each element, of length 1: Mᵀ q of all heads."""
        read = [head.elements.transpose(0, 2, 1) @ head.q for head in self.heads]
        return np.concatenate(read, axis=1) / len(read) ** 0.5

    def mixer(self, num_reflectors: int) -> tuple[str, dict[str, Any]]:
        """Name and options of a mixer for them, which is never written to; β is 2, or 0 where a reflector is idle."""
        options: dict[str, Any] = {
            "num_heads": len(self.heads),
            "key_dim": max(self.widths),
            "value_dim": max(self.widths),
            "initial_state": "learned",
            "write": False,
            "eigenvalues": (-1, 1),
            "beta_form": "clamp",
            "key_activation": "none",
            "key_norm": False,
            "output_norm": False,
            "conv_size": 0,
        }
        if num_reflectors == 1:
            return "deltanet", options
        return "deltaproduct", {**options, "num_householders": num_reflectors}

    def weights(self, field: Field, register: str, num_reflectors: int) -> dict[str, np.ndarray]:
        """The parameters of the mixer, whose letters are the channels of a register and which writes the code."""
        A, H, K = len(self.heads[0].letters), len(self.heads), max(self.widths)
        q, start, k = np.zeros((H, K)), np.zeros((H, K, K)), np.zeros((A, H, num_reflectors, K))
        out, place = np.zeros((field.dim, H, K)), field.at("code").start
        for h, (head, d) in enumerate(zip(self.heads, self.widths)):
            q[h, :d], start[h, :d, :d] = head.q / H**0.5, np.eye(d)
            k[:, h, :, :d] = keys(head.letters, num_reflectors)
            out[range(place, place + d), h, range(d)] = field.code_scale()
            place += d
        return {
            "projs.0.weight": field.columns(np.tile(q.ravel(), (A, 1)), register),
            "projs.1.weight": field.columns(k.reshape(A, -1), register),
            "beta.proj.weight": field.columns(np.where(k.any(-1), SURE, -SURE).reshape(A, -1), register),
            "out_proj.weight": out.reshape(field.dim, -1),
            "initial_state": start,
        }
