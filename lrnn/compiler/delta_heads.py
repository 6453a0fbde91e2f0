"""Heads of a delta-rule mixer that run permutation–reset automata in integers.

The state of a head holds a one-hot column e_c for each copy of a part, c its state. A permutation is a product of
reflections along e_i - e_j, a reset erases everything and writes e_c'. The head number b reads, with q the sum of the
e_c whose number has bit b, that bit. A part without permutations needs no more than that bit itself as its state.

Shapes: Z letters · H heads · R reflectors · K, V.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from lrnn.compiler.heads import SURE, Heads, delay, delayed_options
from lrnn.compiler.parts import Part, transpositions
from lrnn.compiler.stream import Signs, Stream, bits, num_bits, signs
from lrnn.types import Eigenvalues

RESET_LOGIT = 4000.0
"""Half of it decides: the log decay is -2000 (exp of it is 0, in double precision too) or -softplus(-2000) = 0."""


@dataclass(frozen=True)
class DeltaHeads(Heads):
    """What the mixers of all layers have in common."""

    eigenvalues: Eigenvalues
    num_heads: int
    num_reflectors: int
    key_dim: int
    value_dim: int
    permutes: bool
    """Is there any permutation? Else erasing is a reflector of β = 1 and n_h = 1 does."""
    forgets: bool
    """Are there resets beside permutations? Then the mixer needs its decay."""

    @classmethod
    def of(cls, levels: Sequence[Sequence[Part]], eigenvalues: Eigenvalues) -> DeltaHeads:
        every = [part for level in levels for part in level]
        permutes = any(part.rank for part in every)
        return cls(
            eigenvalues=eigenvalues,
            num_heads=max([1, *(sum(_num_bits(part) for part in level) for level in levels)]),
            num_reflectors=max([1, *(part.rank for part in every)]),
            key_dim=max((len(part.table) for part in every if part.rank), default=1),
            value_dim=max((len(part.starts) for part in every), default=1),
            permutes=permutes,
            forgets=permutes and any(part.resets.any() for part in every),
        )

    def mixer(self, delayed: bool) -> tuple[str, dict[str, Any]]:
        options: dict[str, Any] = {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "initial_state": "learned",
            "write": self.writes,
            "eigenvalues": self.eigenvalues,
            "beta_form": "clamp",
            "key_activation": "none",
            "key_norm": False,
            "output_norm": False,
            **delayed_options(delayed),
        }
        if self.writes:
            options["value_activation"] = "none"
        if self.forgets:
            options["output_gate"] = False
        if self.num_reflectors > 1:
            options["num_householders"] = self.num_reflectors
            return "gated_deltaproduct" if self.forgets else "deltaproduct", options
        return "gated_deltanet" if self.forgets else "deltanet", options

    @property
    def writes(self) -> bool:
        """Permutations alone need nothing that is added to the state."""
        return self.forgets or not self.permutes

    @property
    def summary(self) -> str:
        kind = "permutations and resets" if self.forgets else "permutations" if self.permutes else "resets"
        return f"{kind} of one-hot states, n_h = {self.num_reflectors}"

    def code(self, parts: Sequence[Part], num_states: int) -> Signs:
        columns = [
            bits(position, _num_bits(part))[:, b]
            for part in parts
            for b in range(_num_bits(part))
            for position in part.positions
        ]
        return signs(np.stack(columns, axis=1)) if columns else np.zeros((num_states, 0))

    def weights(
        self, parts: Sequence[Part], num_letters: int, stream: Stream, delayed: bool
    ) -> Mapping[str, np.ndarray]:
        program = _Program.of(self, parts, num_letters)
        out = np.zeros((stream.dim, self.num_heads * self.value_dim))
        first = stream.at("state").start
        out[range(first, first + len(program.places)), program.places] = 2  # -1 becomes +1 where a bit is 1
        found = {
            "projs.0.weight": stream.constant(program.q.ravel()),
            "projs.1.weight": stream.linear("action", program.keys.reshape(num_letters, -1)),
            "beta.proj.weight": self._beta(stream, program),
            "out_proj.weight": out,
            "initial_state": program.start,
        }
        if self.writes:
            found["projs.2.weight"] = stream.linear("action", program.values.reshape(num_letters, -1))
        if self.forgets:
            found["decay_proj.weight"] = stream.linear("action", RESET_LOGIT * program.resets)
            found["dt_bias"] = np.full(self.num_heads, -RESET_LOGIT / 2)
        return {**found, **(delay(stream) if delayed else {})}

    def _beta(self, stream: Stream, program: _Program) -> np.ndarray:
        """0 for a key of 0. Else the end of the range: 2 with eigenvalues (-1, 1), 1 with (0, 1); or without
        permutations 1, which is the middle of (0, 2)."""
        busy = program.keys.any(-1).reshape(len(program.keys), -1)
        busy_logit = 0.0 if not self.permutes and self.eigenvalues == (-1, 1) else SURE
        return stream.constant(np.full(busy.shape[1], -SURE)) + stream.linear("action", (busy_logit + SURE) * busy)


@dataclass(frozen=True)
class _Program:
    """What the heads of one layer do at each letter, read and start from."""

    keys: Float[np.ndarray, "Z H R K"]
    values: Float[np.ndarray, "Z H R V"]
    resets: Bool[np.ndarray, "Z H"]
    q: Float[np.ndarray, "H K"]
    start: Float[np.ndarray, "H K V"]
    places: tuple[int, ...]
    """Which of the H·V numbers that are read are the bits of the code, in its order."""

    @classmethod
    def of(cls, sizes: DeltaHeads, parts: Sequence[Part], num_letters: int) -> _Program:
        """Heads for the parts, one after the other."""
        H, R, K, V = sizes.num_heads, sizes.num_reflectors, sizes.key_dim, sizes.value_dim
        keys, values = np.zeros((num_letters, H, R, K)), np.zeros((num_letters, H, R, V))
        resets = np.zeros((num_letters, H), dtype=bool)
        q, start = np.zeros((H, K)), np.zeros((H, K, V))
        places, first = [], 0
        for part in parts:
            width, copies = _num_bits(part), len(part.starts)
            number = bits(np.arange(len(part.table)), width)  # [m, width]
            for b in range(width):
                h = first + b
                if part.rank:
                    q[h, : len(part.table)] = number[:, b]
                    start[h, list(part.starts), range(copies)] = 1
                else:
                    q[h, 0] = 1
                    start[h, 0, :copies] = number[list(part.starts), b]
                places += [h * V + copy for copy in range(copies)]
            heads = slice(first, first + width)
            for letter, column in enumerate(part.table.T):
                if not part.resets[letter]:
                    for r, (i, j) in enumerate(transpositions(column)):
                        keys[letter, heads, r, i], keys[letter, heads, r, j] = 1, -1
                elif part.rank:
                    resets[letter, heads] = True
                    keys[letter, heads, -1, column[0]] = 1
                    values[letter, heads, -1, :copies] = 0.5  # times β = 2
                else:
                    resets[letter, heads] = sizes.permutes
                    keys[letter, heads, -1, 0] = 1
                    values[letter, heads, -1, :copies] = number[column[0], :, None] / (2 if sizes.permutes else 1)
            first += width
        return cls(keys, values, resets, q, start, tuple(places))


def _num_bits(part: Part) -> int:
    return num_bits(len(part.table))
