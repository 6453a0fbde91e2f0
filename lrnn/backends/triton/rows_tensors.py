"""The tensors that the steps of the chunked kernels hand on to each other."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Inputs(NamedTuple):
    """The tensors of :func:`lrnn.backends.triton.rows.scan_rows` but for the state."""

    q: Tensor
    key: Tensor
    b: Tensor | None
    beta: Tensor | None
    v: Tensor
    log_decay: Tensor | None

    def with_rows(self) -> Inputs:
        """The same, where there was no axis R with one."""
        if self.v.ndim == 5:
            return self
        b = None if self.b is None else self.b.unsqueeze(3)
        return self._replace(key=self.key.unsqueeze(3), b=b, v=self.v.unsqueeze(3))

    def weighed(self) -> Inputs:
        """The same with beta · v."""
        assert self.beta is not None
        return self._replace(v=(self.beta.float()[..., None] * self.v).to(self.v.dtype))


class Prepared(NamedTuple):
    """What happens inside the chunks; what a call does not have is an empty tensor."""

    inverse: Tensor
    """``[1 or 2, B, T, H, R, C]``: (I - N)⁻¹ as one float32 or two numbers of the inputs' dtype."""
    reads: Tensor
    """``[B, T, H, C]``: A, what a read sees of the chunk's rows."""
    factor: Tensor
    """``[H, B, T, R]``: by which a row meets the chunk's first state."""
    decays: Tensor
    """``[planes, H, B, T]``: exp of the log decays from the chunk's start on, and to its end, and their sum from the
    start on; where writes are multiplied by numbers, so is the second, which one more is without; but for bfloat16, the
    second number of the sum."""


Terms = tuple[Tensor | None, Tensor | None]
"""The two numbers of the dtype that say one float32; the second is not looked at where the first is float32."""


class Rows(NamedTuple):
    """The rows that meet the states."""

    query: Tensor
    """``[B, T, heads, K]``"""
    read: Terms
    """``[B, T, heads, R, K]`` where they are not the rows that write."""
    write: tuple[Tensor, Tensor]
    """``[B, T, heads, R, K]``"""
    carry: Tensor | None
    """``[chunks, H, K]``: a decay per state row across a chunk."""


def terms(x: Tensor | None) -> Terms:
    """The two numbers that say one."""
    if x is None or not x.numel():
        return None, None
    parts = x.unbind()
    return parts[0], parts[-1]
