"""The few words that every room of the house shares."""

from __future__ import annotations

from typing import Literal

import torch

REAL = {torch.complex32: torch.float16, torch.complex64: torch.float32, torch.complex128: torch.float64}
"""The real dtype of a complex one; a table, because ``torch.compile`` cannot trace ``dtype.to_real``."""

Eigenvalues = tuple[int, int]
"""Range of the real eigenvalues of A_t: ``(0, 1)`` or ``(-1, 1)``."""

InitialState = Literal["zero", "learned"]
"""What S_0 is when the caller hands none in."""


class NotRealizable(ValueError):
    """The language cannot be recognized by the structure that was asked for."""


class NoKernel(RuntimeError):
    """The backend that was asked for by name has no kernel for this call."""
