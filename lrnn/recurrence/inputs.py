"""What a recurrence is computed from, on its way from the entry to what computes it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from lrnn.recurrence.packing import Packing
from lrnn.transition import Transition


class Inputs(NamedTuple):
    """As in :func:`lrnn.recurrence`, which says what each of them is."""

    A: Transition
    k: Tensor
    v: Tensor
    q: Tensor | None
    state: Tensor | None
    strength: Tensor | None
    packing: Packing | None

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Those that are there, by name; but for those of A."""
        given = {"k": self.k, "v": self.v, "q": self.q, "state": self.state, "strength": self.strength}
        return {name: x for name, x in given.items() if x is not None}
