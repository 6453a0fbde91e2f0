"""In which order of operations the states are computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sequential:
    """One step after the other: the definition, and the fastest way to take a single step."""


@dataclass(frozen=True)
class Chunked:
    """Chunks of ``size`` steps: matrix products inside a chunk, one state handed from chunk to chunk.

    Arguments:
        size: C, at least 1: steps per chunk, or micro-steps where a step has R reflectors, but at least one step.
    """

    size: int = 64

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}, wanted the steps per chunk, at least 1")


@dataclass(frozen=True)
class Associative:
    """A parallel scan over pairs (A, W) in log₂ T levels; keeps every state, T·K·V numbers per head."""


Algorithm = Sequential | Chunked | Associative
