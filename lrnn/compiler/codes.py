"""Points on a sphere that stand for states, read out of a state matrix by one key and told apart by a gated MLP.

The columns of S_t = M (an element of a finite group of orthogonal matrices, S_0 = I) are read as y = Mᵀ q. The nearer q
is moved by any element, the less the code of a state differs from the next; q is chosen to be moved far by all.

Here the stream is not of signs. A letter is √D at its channel and 0 elsewhere, D a power of 4, so that RMSNorm is the
identity and a key is a column of a weight matrix as it stands: nothing is rounded on the way to it.

Shapes: D channels · c codes · d dimension · w signs of a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lrnn.compiler.draft import GAIN, Units

SHARPNESS = 32.0
"""The gate of the right code; that of every other is -32 or less, and silu of it -4e-13 or nearer to 0."""


@dataclass(frozen=True)
class Field:
    """The channels of a stream of which one, in the register ``action``, is √D; the code y is written as √(3D) y, which
    makes the length of the stream 2√D."""

    widths: Mapping[str, int]

    @cached_property
    def dim(self) -> int:
        """D, a power of 4."""
        total, dim = sum(self.widths.values()), 4
        while dim < total:
            dim *= 4
        return dim

    @property
    def root(self) -> float:
        """√D, a power of 2."""
        return float(self.dim) ** 0.5

    def at(self, register: str) -> slice:
        """The channels of a register."""
        first = 0
        for name, width in self.widths.items():
            if name == register:
                return slice(first, first + width)
            first += width
        raise KeyError(register)

    def columns(self, values: Float[np.ndarray, "A m"], register: str = "action") -> Float[np.ndarray, "m D"]:
        """The matrix that gives ``values[a]`` where channel a of the register is √D."""
        W = np.zeros((values.shape[1], self.dim))
        W[:, self.at(register)][:, : len(values)] = values.T / self.root
        return W

    def embedding(self, num_letters: int) -> Float[np.ndarray, "A D"]:
        """√D at the channel of each letter."""
        x = np.zeros((num_letters, self.dim))
        x[:, self.at("action")] = self.root * np.eye(num_letters)
        return x

    def code_scale(self) -> float:
        """√(3D)."""
        return (3 * self.dim) ** 0.5


def spread(matrices: Float[np.ndarray, "c d d"], seed: int = 0) -> Float[np.ndarray, "d"]:
    """A unit vector q that every matrix but the identity moves far: the least of 1 - ⟨q, M q⟩ is large.

    The best of some random vectors is improved by random steps that get smaller.
    """
    rng = np.random.default_rng(seed)
    dim = matrices.shape[-1]
    moving = matrices[np.abs(matrices - np.eye(dim)).max((1, 2)) > 1e-6]
    if not len(moving):
        return np.eye(dim)[0]
    flat = moving.reshape(len(moving), -1).T

    def distance(q: np.ndarray) -> np.ndarray:  # [n, d] -> [n]
        return 1 - ((q[:, :, None] * q[:, None, :]).reshape(len(q), -1) @ flat).max(1)

    many = max(16, min(1024, 2**22 // flat.shape[1]))
    best, size = np.zeros(dim), 1.0
    value = -np.inf
    for turn in range(40):
        tries = rng.standard_normal((many, dim)) if turn == 0 else best + size * rng.standard_normal((many, dim))
        tries /= np.linalg.norm(tries, axis=1, keepdims=True)
        values = distance(tries)
        if values.max() > value:
            best, value = tries[values.argmax()], float(values.max())
        else:
            size /= 2
    return best


def naming(
    field: Field, codes: Float[np.ndarray, "c d"], gap: float, labels: Float[np.ndarray, "c w"], present: str
) -> Units:
    """A unit for each code, which adds the signs of its label to the register ``label``, where 0 stands.

    The gate is linear in ⟨y, code⟩: 32 at the code itself, and -32 or less where that is 1 - gap or less. The stream
    has been normalized from length 2√D.

    Arguments:
        present: the register of which one channel is √D.
    """
    slope = 2 * SHARPNESS / gap
    gate, up, down = (np.zeros((len(codes), field.dim)) for _ in range(3))
    gate[:, field.at("code")] = slope * codes * 2 / field.code_scale()
    one = 2 / field.root  # of the one channel, halved by the norm
    gate[:, field.at(present)] = (SHARPNESS - slope) * one
    up[:, field.at(present)] = one / SHARPNESS
    down[:, field.at("label")] = labels
    return Units(gate, up, down)


def head(field: Field, label_code: Float[np.ndarray, "C w"]) -> Float[np.ndarray, "C D"]:
    """Logits from the register ``label``, in a stream of length 2√D."""
    W = np.zeros((len(label_code), field.dim))
    W[:, field.at("label")] = 2 * GAIN * label_code
    return W
