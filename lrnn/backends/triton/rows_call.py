"""One call of the chunked kernels: its sizes, and room for what it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from lrnn.backends.triton.launch import generation, processors
from lrnn.backends.triton.rows_layout import PROCESSORS, TILES, Layout, Piece, Tables, tables, tile
from lrnn.backends.triton.rows_tensors import Inputs, Prepared
from lrnn.backends.triton.tape import Tape
from lrnn.backends.triton.tape_writing import write_down

CALLS = 64
"""Forms of calls that are remembered."""


class Call:
    """All sizes that follow from the shapes of the inputs, of which one call differs in nothing from the next.

    So there is one object for all calls of one form (:func:`call_of`), and what it has is found once: finding it took
    the host longer than the GPU takes for a short word.
    """

    def __init__(
        self,
        q: tuple[int, ...],
        v: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device,
        has_b: bool,
        beta: torch.dtype | None,
        decay_axes: int,
        lengths: Sequence[int],
        group: int,
        sees_own_decay: bool,
        normalize: bool,
        erases: bool,
        writes: bool,
        size: int,
        save: bool,
    ) -> None:
        self.dtype, self.device = dtype, device
        self.tapes: dict[Any, Tape] = {}
        self.group, self.sees_own_decay, self.normalize, self.save = group, sees_own_decay, normalize, save
        self.B, self.T, self.G, self.K = q
        self.H, self.R, self.V = v[2:]
        self.tokens = self.B * self.T
        self.weighs = beta is not None and not erases
        self.solves = has_b or (beta is not None and erases)
        self.delta_rule = writes
        self.diagonal = decay_axes == 4
        self.decays = decay_axes == 3
        self.layout = Layout.of(self.B, self.T, lengths, self.R, self.K, size, dtype.itemsize)
        self.tiles = TILES[dtype.itemsize, tile(self.K)]
        self.columns = min(tile(self.V), self.tiles.value)
        self.slices = -(-self.V // self.columns)
        self.stages = 1 if self.diagonal and self.K > 64 else self.tiles.stages  # its tiles are twice as many
        self.heads = self.H if self.diagonal else self.G  # of the rows that meet the states
        # without a system to solve, and without states to keep, there is room for two programs on a processor
        leads = self.on_hopper and self.solves
        at_once = PROCESSORS if leads or save or not self.on_hopper else 2 * PROCESSORS
        self.layout = self.layout.cut(self.H * self.slices, at_once, leads)
        few, cut = self.few_states, self.layout.is_cut
        if few and not self.solves:
            self.layout = replace(self.layout, smaller=4)
        elif few or cut:
            smaller, most = 4 if cut and self.solves else 2, 8 if few else 3 if self.R < 3 else 2
            self.layout = replace(self.layout, smaller=smaller, most=most)

    @cached_property
    def tables(self) -> Tables:
        """Where each program finds its work."""
        return tables(self.layout, self.device)

    def tape(self, function: Any, *given: Tensor | None, apart: int, kept: Tape | None = None) -> Tape | None:
        """What a function of this call and of given tensors launches.

        None where torch computes between the launches: where every state row has a decay of its own, say.
        """
        if self.diagonal or self.weighs_before:
            return None
        key = (function, apart, kept is None, *[x is not None and x.ndim for x in given])
        if key not in self.tapes:
            _ = self.tables, self.unprepared  # which stay
            runs = partial(function, self)
            self.tapes[key] = write_down(runs, *given, device=self.device, apart=apart, kept=kept)
        return self.tapes[key]

    @cached_property
    def processors(self) -> int:
        """Programs that run at the same time where each needs more than half of a processor's memory."""
        return processors(self.device)

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """What every kernel is compiled for."""
        layout, BK = self.layout, tile(self.K)
        CQ = max(16, layout.tokens)
        full = layout.whole and layout.micro == layout.padded
        return {"R": self.R, "RP": layout.padded, "C": layout.size, "CQ": CQ, "K": self.K, "BK": BK, "FULL": full}

    @cached_property
    def generation(self) -> int:
        """That of the GPU, which the kernels for Hopper ask for."""
        return generation(self.device)

    @cached_property
    def on_hopper(self) -> bool:
        """Does the chain that is written for Hopper serve the call?"""
        return (
            self.generation == 9
            and self.dtype.itemsize == 2
            and not self.diagonal
            and self.layout.whole
            and self.layout.size == 64
            and self.K in (64, 128)
            and self.V % 64 == 0
        )

    @cached_property
    def on_hopper_prepare(self) -> bool:
        """Does what is written for Hopper find what happens inside the chunks?"""
        return self.on_hopper and self.solves and not (self.decays and self.dtype != torch.bfloat16)

    @cached_property
    def prepares_again(self) -> bool:
        """Does the backward prepare again, piece by piece, so that little of it need be kept?

        With few rows or short ones, or keys that heads share, it is most of what would be kept, and soon made.
        """
        few = self.on_hopper_prepare and self.R * self.K <= 128 and not self.layout.is_cut
        shared = self.on_hopper and not self.solves and self.G < self.H
        return (few or shared) and len(self.layout.pieces) > 1

    @property
    def preparing(self) -> int:
        """Programs on a processor at the same time that do so: as many as their memory has room for."""
        return 2 if self.R == 1 else 3

    @cached_property
    def on_hopper_inside(self) -> bool:
        """Does what is written for Hopper find the gradients inside the chunks, too?"""
        narrow = self.decays and self.dtype != torch.bfloat16
        return self.on_hopper and (self.G == self.H or not self.solves) and not narrow

    @cached_property
    def delta(self) -> bool:
        """Do the kernels multiply by beta what is written, as the delta rule does?

        In float16 a small one would leave too few digits to divide by it again.
        """
        kernels = self.on_hopper_prepare and self.on_hopper_inside
        return self.delta_rule and kernels and self.dtype == torch.bfloat16 and not self.normalize

    @property
    def weighs_before(self) -> bool:
        """Is it multiplied before?"""
        return self.delta_rule and not self.delta

    @cached_property
    def together(self) -> int:
        """Heads that share keys and that one program takes: it finds the products of keys and reads once, and adds
        their gradients. One where a system is to be solved."""
        return 1 if self.solves else max(n for n in range(1, 9) if self.H // self.G % n == 0)

    @cached_property
    def repeats(self) -> bool:
        """Does the backward repeat the chain, piece by piece, so that few states need be kept for it?

        Beside one row of a token, or keys that heads share, the states are most of what would be kept.
        """
        return self.few_states and len(self.layout.pieces) > 1

    @property
    def first_kept(self) -> int:
        """The first piece of which that state is kept: before that of a word it is given."""
        return 0 if self.layout.is_cut else 1

    @property
    def few_states(self) -> bool:
        """Would the states between chunks be most of what is kept?"""
        return self.on_hopper and self.R == 1 and (self.solves or self.G < self.H)

    @property
    def hopper_sizes(self) -> dict[str, Any]:
        """What the kernels for Hopper are compiled for."""
        sizes = {name: self.sizes[name] for name in ("R", "RP", "C", "K")}
        return sizes | {"V": self.V, "BV": 64, "STAGES": 2 if self.R == 1 and self.K == 128 else 3}

    def new(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Room on the device of the inputs, in their dtype if no other is named."""
        return torch.empty(shape, dtype=dtype or self.dtype, device=self.device)

    @cached_property
    def unprepared(self) -> Prepared:
        """Nothing: the backward prepares again, or there is none."""
        with torch.inference_mode(False):  # kept, and saved for a backward of another day
            narrow, full = self.new(0), self.new(0, dtype=torch.float32)
        return Prepared(narrow, narrow, full, full)

    def prepared(self, kept: bool = False) -> Prepared:
        """Room for what happens inside the chunks, for decays that are one number per head, or none; ``kept``: for what
        a call keeps that prepares again."""
        if self.diagonal:
            return self.unprepared
        B, T, H, R, C, full = self.B, self.T, self.H, self.R, self.layout.size, torch.float32
        terms, nothing = 1 if self.dtype == full else 2, self.unprepared
        planes = 3 + self.weighs + (self.dtype != torch.bfloat16)
        return Prepared(
            self.new(terms, B, T, H, R, C) if self.solves and not kept else nothing.inverse,
            self.new(B, T, H, C) if not kept else nothing.reads,
            self.new(H, B, T, R, dtype=full) if self.solves else nothing.factor,
            self.new(planes, H, B, T, dtype=full) if self.decays else nothing.decays,
        )

    def with_room(self, kept: Prepared, tokens: int) -> Prepared:
        """The same, and room for what is not kept, of so many tokens."""
        H, R, C = self.H, self.R, self.layout.size
        inverse = self.new(2, tokens, H, R, C) if self.solves else kept.inverse
        return kept._replace(inverse=inverse, reads=self.new(tokens, H, C))

    def held(self, piece: Piece) -> int:
        """Tokens of which what was prepared is there, for this piece."""
        return piece.total * self.layout.tokens if self.prepares_again else self.tokens

    def outputs(self) -> tuple[Tensor, ...]:
        """Room for y, the last states, and what the backward needs: :class:`Prepared`, u, the states between chunks,
        and how segments transform states."""
        B, T, H, R, V, save, nothing = self.B, self.T, self.H, self.R, self.V, self.save, self.unprepared
        return (
            self.new(B, T, H, V),
            self.last(),
            *(self.prepared(kept=self.prepares_again) if save else nothing),
            self.new(B, T, H, R, V) if save and self.solves else nothing.inverse,
            self.starts() if save else nothing.inverse,
            self.products() if save and self.layout.is_cut else nothing.factor,
        )

    def last(self) -> Tensor:
        """Room for a state of every word."""
        return self.new(self.layout.num_words, self.H, self.K, self.V, dtype=torch.float32)

    def between(self) -> Tensor:
        """Room for a state before every segment, or a gradient after it."""
        return self.new(self.layout.num_segments, self.H, self.K, self.V, dtype=torch.float32)

    def starts(self) -> Tensor:
        """Room for the states between chunks, transposed; where the backward repeats the chain, between pieces."""
        H, V, K, layout = self.H, self.V, self.K, self.layout
        if self.repeats:
            return self.new(len(layout.pieces) - self.first_kept, layout.num_segments, H, K, V, dtype=torch.float32)
        return self.new(layout.num_chunks, H, V, K)

    def writes(self) -> Tensor:
        """Room for what segments write, transposed."""
        return self.new(self.summaries, self.H, self.V, self.K, dtype=torch.float32)

    def products(self) -> Tensor:
        """And for how they transform states, transposed; where no system is solved, what multiplies each row."""
        rows = self.K if self.solves else 1
        return self.new(self.summaries, self.H, rows, self.K, dtype=torch.float32)

    @property
    def summaries(self) -> int:
        """Segments of which it is found what they do to any state."""
        return self.layout.num_segments - 2 * self.layout.skipped


known_call = lru_cache(maxsize=CALLS)(Call)
"""The same object for the same form. Tests that change what a call depends on clear it."""


def call_of(given: Inputs, *options: Any, save: bool = True, fake: bool = False) -> Call:
    """The call of a form; of fake tensors, whose sizes may be symbols, one of its own.

    Arguments:
        save: is there a backward?
    """
    q, _, b, beta, v, log_decay = given
    decay_axes = 0 if log_decay is None else log_decay.ndim
    of = Call if fake else known_call
    strengths = None if beta is None else beta.dtype  # kernels are compiled for it
    shape = v.shape if v.ndim == 5 else (*v.shape[:3], 1, v.shape[3])
    return of(q.shape, shape, q.dtype, q.device, b is not None, strengths, decay_axes, *options, save=save)
