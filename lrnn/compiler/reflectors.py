"""Orthogonal matrices as products of reflections, with keys that float32 holds well.

H(v) = I - 2 v vᵀ/(vᵀv). What a mixer computes is I - s k kᵀ with k rounded to float32 and s = fl(2/fl(kᵀk)): a few 1e-8
away from a reflection. As k may have any length, one is sought at which the roundings nearly cancel.

Shapes: d dimension · r reflectors.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

TRIES = 4096
"""Lengths that are tried; the error falls by about the (d + 1)-th root of their number."""


def reflectors(matrix: Float[np.ndarray, "d d"]) -> list[np.ndarray]:
    """Vectors v_1 … v_r, r = rank(M - I), with M = H(v_r) … H(v_1).

    As long as M moves something, H(v) with v = M e - e, e the unit vector moved most, takes M e back to e, and keeps
    all that M keeps: H(v) M has one dimension more of what it keeps.

    Source: the proof of the theorem of Cartan and Dieudonné.

    >>> [v.tolist() for v in reflectors(np.array([[0.0, 1.0], [1.0, 0.0]]))]
    [[-1.0, 1.0]]
    """
    rank = int(np.linalg.matrix_rank(matrix - np.eye(len(matrix)), tol=1e-6))
    found = []
    for _ in range(rank):
        moved = matrix - np.eye(len(matrix))
        v = moved[:, np.argmax((moved**2).sum(0))]
        found.append(v)
        matrix = matrix - 2 * np.outer(v, v @ matrix) / (v @ v)
    return found[::-1]


def rounded(v: Float[np.ndarray, "d"], rng: np.random.Generator) -> Float[np.ndarray, "d"]:
    """A multiple of v, in float32, whose reflection as a mixer computes it is nearest to H(v)."""
    exact = 2 * np.outer(v, v) / (v @ v)
    lengths = np.exp2(rng.random(TRIES))
    k = torch.from_numpy((lengths[:, None] * v / np.abs(v).max()).astype(np.float32))
    strength = (2 / k.square().sum(-1)).double().numpy()  # as lrnn.transition.Householder does
    k = k.double().numpy()
    error = np.abs(strength[:, None, None] * k[:, :, None] * k[:, None, :] - exact).max((1, 2))
    return k[error.argmin()]


def keys(matrices: Float[np.ndarray, "Z d d"], num_reflectors: int) -> Float[np.ndarray, "Z R d"]:
    """The keys of each matrix, zeros where it needs fewer."""
    rng = np.random.default_rng(0)
    found = np.zeros((len(matrices), num_reflectors, matrices.shape[-1]))
    for number, matrix in enumerate(matrices):
        for r, v in enumerate(reflectors(matrix)):
            found[number, r] = rounded(v, rng)
    return found
