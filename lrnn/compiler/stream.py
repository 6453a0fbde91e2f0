"""The residual stream of a compiled model: named registers of channels that hold +1 or -1 and nothing else.

A vector of ±1 has mean square exactly 1, so every RMSNorm of the model is exactly the identity. A number is kept in a
register as the signs of its bits, or one-hot where a mixer must be linear in it; all -1 is nothing yet.

Shapes: D channels · n numbers · w channels of a register · N units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

Signs = Float[np.ndarray, "n w"]


@dataclass(frozen=True)
class Stream:
    """Registers side by side, then two registers of one channel that always hold +1, then channels of +1 up to a power
    of two.

    ``one`` is there for every projection; ``unit`` is a second one, which a mixer with a delay sees late like the
    registers, so that a linear map of the two is zero before the word.

    >>> stream = Stream({"letter": 3, "label": 1})
    >>> stream.dim, stream.at("label"), stream.at("one")
    (8, slice(3, 4, None), slice(4, 5, None))
    """

    widths: Mapping[str, int]

    @cached_property
    def _slices(self) -> dict[str, slice]:
        found, first = {}, 0
        for name, width in {**self.widths, "one": 1, "unit": 1}.items():
            found[name] = slice(first, first + width)
            first += width
        return found

    @property
    def dim(self) -> int:
        """D, a power of two: then the mean of D squares of ±1 is 1 without rounding."""
        return 1 << max(1, self._slices["unit"].stop - 1).bit_length()

    def at(self, register: str) -> slice:
        """The channels of a register."""
        return self._slices[register]

    @property
    def one(self) -> int:
        """A channel that always holds +1."""
        return self._slices["one"].start

    @property
    def unit(self) -> int:
        """Another one."""
        return self._slices["unit"].start

    def empty(self, rows: int) -> Float[np.ndarray, "n D"]:
        """So many vectors in which every register is all -1."""
        x = np.ones((rows, self.dim))
        x[:, : self.one] = -1
        return x

    def zeros(self, rows: int) -> Float[np.ndarray, "n D"]:
        """So many rows of a weight matrix over the stream."""
        return np.zeros((rows, self.dim))

    def linear(self, register: str, values: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "m D"]:
        """The matrix that maps the one-hot number i in a register to ``values[i]``, and an empty register to 0.

        [i] = (x_i + 1)/2. Where the values are integers (below 2²⁰), so is every sum on the way, doubled.
        """
        W = self.zeros(values.shape[1])
        W[:, self.at(register)][:, : len(values)] = values.T / 2
        W[:, self.unit] = values.sum(0) / 2
        return W

    def constant(self, values: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m D"]:
        """The matrix that gives these values whatever stands in the registers."""
        W = self.zeros(len(values))
        W[:, self.one] = values
        return W


def bits(numbers: Int[np.ndarray, "n"], width: int) -> Bool[np.ndarray, "n w"]:
    """The bits of numbers, lowest first.

    >>> bits(np.array([0, 1, 6]), 3).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [0, 1, 1]]
    """
    return (numbers[:, None] >> np.arange(width) & 1).astype(bool)


def num_bits(count: int) -> int:
    """The bits that tell so many numbers apart, at least 1."""
    return max(1, (count - 1).bit_length())


def signs(values: Bool[np.ndarray, "n w"]) -> Signs:
    """True as +1, False as -1."""
    return np.where(values, 1.0, -1.0)


def code(count: int) -> Signs:
    """The signs of the bits of 0 … count - 1."""
    return signs(bits(np.arange(count), num_bits(count)))


def one_hot(count: int) -> Signs:
    """+1 at its own place, -1 elsewhere."""
    return 2 * np.eye(count) - 1
