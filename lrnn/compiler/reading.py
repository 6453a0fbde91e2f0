"""A model reads words beside the machine that it was compiled from.

Shapes: B words · T letters · C labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils import _pytree as pytree

from lrnn.automata import Machine
from lrnn.automata.run import run_table
from lrnn.models import LanguageModel

NUMBERS = 2**22
"""About so many numbers of one tensor are worked on at a time."""

ROWS = 4096
"""Words read side by side when all words are read."""


@dataclass
class Tally:
    """What was seen so far."""

    errors: int = 0
    margin: float = math.inf
    integer: bool = True
    first_error: int | None = None
    least: np.ndarray | None = None
    """The least margin of each word, where the words are read to the end side by side."""

    def answers(self, logits: Float[Tensor, "B T C"], labels: Int64[np.ndarray, "B T"], before: int = 0) -> None:
        """Take in the logits of some letters, of which ``before`` stood before them."""
        right = torch.from_numpy(labels).to(logits.device)[..., None]
        score = logits.gather(-1, right).squeeze(-1)
        if logits.shape[-1] == 1:
            return
        distance = (score - logits.scatter(-1, right, -math.inf).amax(-1)).float()
        # a NaN is no right answer
        wrong = ~(distance > 0)
        self.errors += int(wrong.sum())
        distance = distance.nan_to_num(-math.inf)
        self.margin = min(self.margin, float(distance.min()))
        if self.least is not None:
            self.least = np.minimum(self.least, distance.amin(-1).cpu().numpy())
        if self.first_error is None and bool(wrong.any()):
            self.first_error = before + int(wrong.any(0).nonzero()[0])

    def beside(self, other: Tally) -> Tally:
        """What was seen of these words and others."""
        firsts = [tally.first_error for tally in (self, other) if tally.first_error is not None]
        leasts = [tally.least for tally in (self, other) if tally.least is not None]
        return Tally(
            errors=self.errors + other.errors,
            margin=min(self.margin, other.margin),
            integer=self.integer and other.integer,
            first_error=min(firsts, default=None),
            least=np.concatenate(leasts) if len(leasts) == 2 else None,
        )

    def states(self, state: Any) -> None:
        """Take in the states of all mixers, with what they keep beside."""
        for tensor in pytree.tree_leaves(state):
            if tensor is None:  # a leaf to torch
                continue
            parts = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            self.integer &= bool((parts == parts.round()).all())


@torch.no_grad()
def read_words(
    model: LanguageModel,
    machine: Machine,
    words: Int64[np.ndarray, "B T"],
    watch: Callable[[Any], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Tally:
    """Read long words piece by piece, with the state handed on.

    Arguments:
        watch: called with the model's state after each piece.
        advance: called with the number of letters read.
    """
    tally = Tally(least=np.full(len(words), math.inf))
    state, at = None, np.full(len(words), machine.start)
    device = model.embedding.weight.device
    width = max(model.config.dim, model.config.mlp_dim, model.config.num_classes or model.config.vocab_size)
    width = max(width, getattr(model.config.mixer_config, "state_dim", 1) ** 2)  # a matrix for every letter
    step = min(16_384, max(64, NUMBERS // (width * len(words))))
    for first in range(0, words.shape[1], step):
        piece = words[:, first : first + step]
        logits, state = model(torch.from_numpy(np.ascontiguousarray(piece)).to(device), state)
        states = _states(machine, piece, at)
        at = states[:, -1]
        tally.answers(logits, machine.labels[states], first)
        tally.states(state)
        if watch is not None:
            watch(state)
        if advance is not None:
            advance(piece.size)
    return tally


@torch.no_grad()
def read_all(
    model: LanguageModel, machine: Machine, length: int, advance: Callable[[int], None] | None = None
) -> Tally:
    """Read every word up to a length: a tree, of which each node is one step from its parent's state."""
    tally, num_letters = Tally(), len(machine.alphabet)
    device = model.embedding.weight.device
    letters = torch.arange(num_letters, device=device)
    nodes: list[tuple[int, Any, np.ndarray]] = [(0, None, np.array([machine.start]))]
    while nodes:
        depth, state, at = nodes.pop()
        if depth == length:
            continue
        if len(at) * num_letters > ROWS and len(at) > 1:
            half = len(at) // 2
            for rows in (slice(0, half), slice(half, None)):
                nodes.append((depth, _each(state, lambda x: x[rows]), at[rows]))  # noqa: B023
            continue
        if state is not None:
            state = _each(state, lambda x: x.repeat_interleave(num_letters, dim=0))
        logits, state = model(letters.repeat(len(at))[:, None], state)
        at = machine.delta[at].reshape(-1)
        tally.answers(logits, machine.labels[at][:, None], depth)
        tally.states(state)
        nodes.append((depth + 1, state, at))
        if advance is not None:
            advance(len(at))
    return tally


def _states(machine: Machine, words: Int64[np.ndarray, "B T"], at: Int64[np.ndarray, "B"]) -> Int64[np.ndarray, "B T"]:
    """The states of the machine; for few words, lists are several times faster than a letter of all at a time."""
    if len(words) > 4:
        return run_table(machine.delta, words, at)
    delta, rows = machine.delta.tolist(), []
    for state, word in zip(at.tolist(), words.tolist()):
        row = []
        for letter in word:
            state = delta[state][letter]
            row.append(state)
        rows.append(row)
    return np.array(rows, dtype=np.int64)


def _each(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """A state with the function of each of its tensors."""
    return pytree.tree_map(lambda x: None if x is None else function(x), state)
