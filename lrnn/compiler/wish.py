"""What was asked for, beside the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lrnn.compiler.draft import Exactness
from lrnn.types import Eigenvalues

Structure = Literal["householder", "complex_diagonal", "diagonal", "permutation_diagonal", "dense"]
"""A transition structure that the compiler can aim at."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Raises ValueError listing every option that is not legal."""

    structure: Structure | None = None
    """None is the first that can do it, in the order above, or householder if n_h or margin is asked for."""
    eigenvalues: Eigenvalues = (-1, 1)
    """Range of the real eigenvalues; only householder and diagonal have one."""
    num_householders: int | None = None
    """n_h, at most so many reflectors per letter; None is as many as the construction takes."""
    exactness: Exactness | None = None
    """None is integer where one layer has it, then margin for a group, then integer in layers."""

    def __post_init__(self) -> None:
        faults = []
        if self.structure not in (None, *get_args(Structure)):
            faults.append(f"structure = {self.structure!r}: must be one of {', '.join(get_args(Structure))}, or None")
        if tuple(self.eigenvalues) not in ((0, 1), (-1, 1)):
            faults.append(f"eigenvalues = {self.eigenvalues!r}: must be (0, 1) or (-1, 1)")
        if self.exactness not in (None, *get_args(Exactness)):
            faults.append(f"exactness = {self.exactness!r}: must be one of {', '.join(get_args(Exactness))}, or None")
        n_h = self.num_householders
        if n_h is not None and (type(n_h) is not int or n_h < 1):
            faults.append(f"num_householders = {n_h!r}: must be an integer >= 1, or None")
        elif n_h is not None and self.structure not in (None, "householder"):
            faults.append(f"num_householders = {n_h}: structure {self.structure!r} has none")
        if self.exactness == "margin" and self.structure in ("diagonal", "permutation_diagonal", "dense"):
            faults.append(f"exactness = 'margin': structure {self.structure!r} is exact in integers")
        if self.eigenvalues == (0, 1) and self.structure in ("complex_diagonal", "permutation_diagonal", "dense"):
            faults.append(f"eigenvalues = (0, 1): structure {self.structure!r} has no such range")
        if faults:
            raise ValueError("compile: " + "; ".join(faults))
        if self.structure is None and (n_h is not None or self.exactness == "margin"):
            object.__setattr__(self, "structure", "householder")
        object.__setattr__(self, "eigenvalues", tuple(self.eigenvalues))
