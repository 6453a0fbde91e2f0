"""The structures ``permutation_diagonal`` and ``dense``: any machine in one layer, its states one-hot.

A letter moves state q to δ(q, a), which is a matrix with one 1 in every column; the mixer has a matrix per letter. Both
keep 0 and 1 exactly.

Source: Terzić et al., arXiv 2509.22284, Proposition 1 (permutation_diagonal); arXiv 2412.19350 (dense).

Shapes: Q states · A letters · K = max(Q, 2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lrnn.automata import Machine
from lrnn.compiler.draft import Draft, Layer, Units, head
from lrnn.compiler.read import Target
from lrnn.compiler.stream import Stream, code, one_hot
from lrnn.compiler.wish import Wish

CHOSEN = 400.0
"""A logit so far above the others that softmax is exactly one-hot: exp(-400) is 0 in float32."""

LAYER_NORM_EPS = 1e-5
"""That of the LayerNorm of :class:`lrnn.layers.SDSSM`."""


def permutation_diagonal(target: Target, wish: Wish) -> Draft:
    """A draft with the mixer ``pdssm``, whose diagonal stays 1."""
    machine, stream, mixer = _common(target)
    K = mixer["initial_state"].shape[1]
    out = stream.zeros(K).T
    out[stream.at("state")] = 2 * np.eye(K)  # from -1 to +1 where the state is
    options: dict[str, Any] = {"state_dim": K, "num_matrices": len(machine.alphabet), "diagonal": "identity"}
    return _draft(machine, stream, "pdssm", options, {**mixer, "out_proj.weight": out})


def dense(target: Target, wish: Wish) -> Draft:
    """A draft with the mixer ``sdssm``, whose matrices are those of the letters.

    What it reads goes through a LayerNorm of K numbers, which maps 0 and 1 to two other numbers; they are mapped back.
    """
    machine, stream, mixer = _common(target)
    K = mixer["initial_state"].shape[1]
    std = ((1 - 1 / K) / K + LAYER_NORM_EPS) ** 0.5  # of a one-hot vector
    out, bias = stream.zeros(K).T, np.zeros(stream.dim)
    out[stream.at("state")] = 2 * std * np.eye(K)
    bias[stream.at("state")] = 2 / K
    options: dict[str, Any] = {"state_dim": K, "num_matrices": len(machine.alphabet), "norm_power": 1.0}
    return _draft(machine, stream, "sdssm", options, {**mixer, "out_proj.weight": out, "out_proj.bias": bias})


def _common(target: Target) -> tuple[Machine, Stream, dict[str, np.ndarray]]:
    """The machine, the stream, and what both mixers have: a choice of matrix, the matrices, and the first state."""
    machine = target.machine
    Q, A = machine.delta.shape
    K = max(Q, 2)
    stream = Stream({"action": A, "state": K, "label": code(machine.num_labels).shape[1]})
    matrices = np.tile(np.eye(K), (A, 1, 1))
    matrices[:, :, :Q] = machine.delta.T[:, None, :] == np.arange(K)[None, :, None]
    start = np.zeros((1, K, 1))
    start[0, machine.start] = 1
    select = stream.linear("action", CHOSEN * np.eye(A))
    return machine, stream, {"select_proj.weight": select, "dictionary": matrices, "initial_state": start}


def _draft(
    machine: Machine, stream: Stream, mixer: str, options: dict[str, Any], weights: dict[str, np.ndarray]
) -> Draft:
    Q, A = machine.delta.shape
    labels = code(machine.num_labels)
    embedding = stream.empty(A)
    embedding[:, stream.at("action")] = one_hot(A)
    wanted, change = stream.zeros(Q), stream.zeros(Q)
    wanted[:, stream.at("state")][:, :Q] = np.eye(Q)
    change[:, stream.at("label")] = labels[machine.labels] + 1
    layer = Layer(weights, Units.when(stream, wanted, change))
    options = {**options, "initial_state": "learned", "write": False}
    method = f"one layer, {Q} one-hot states, a matrix for each letter"
    return Draft(stream.dim, mixer, options, embedding, (layer,), head(stream, labels), "integer", method)
