"""What the device can do, and what a recurrence asks of it, counted by formula."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.gpu_clock import Clock
from benchmarks.gpu_contests import Size

CHUNK = 64
"""Rows of a chunk for which products are counted: one row per reflector and token."""


def ceilings(
    clock: Clock, copied_bytes: int = 2**32, width: int = 8192
) -> Iterator[tuple[str, dict[str, dict[str, float] | float]]]:
    """A copy within the memory of the device (bytes read and written), and a matrix product of random bfloat16."""
    source = torch.zeros(copied_bytes, dtype=torch.uint8, device=clock.device)
    target = torch.empty_like(source)
    times = clock.milliseconds(lambda: target.copy_(source))
    yield "copy", {"milliseconds": times, "bytes_per_second": 2 * copied_bytes / times["median"] * 1e3}
    del source, target
    g = torch.Generator(clock.device).manual_seed(0)
    a, b = (torch.randn(width, width, generator=g, device=clock.device).bfloat16() for _ in range(2))
    times = clock.milliseconds(lambda: a @ b)
    yield "matmul", {"milliseconds": times, "flops_per_second": 2 * width**3 / times["median"] * 1e3}


def forward_work(size: Size, reflectors: int | None, element: int = 2) -> dict[str, float]:
    """Flops of the chunked forward and the bytes that any forward must move: inputs once, output once.

    With C = 64 rows in a chunk of C/R tokens, per chunk and head: the matrix of the triangular system 2C²K (not there
    without reflectors), weights of the reads 2(C/R)CK, W S and Kᵀu 2CKV each, T r 2C²V, q S 2(C/R)KV, A u 2(C/R)CV. The
    inverse, the split products and the backward are not counted, so the flops are what is asked, not what is spent.

    Arguments:
        reflectors: R, or None for a decay alone, which solves nothing.
        element: bytes of a number of q, k, v and y.
    """
    R = reflectors or 1
    K, V, C = size.K, size.V, CHUNK
    tokens = C / R
    per_chunk = 2 * tokens * C * K + 2 * C * K * V + 2 * tokens * K * V + 2 * tokens * C * V
    if reflectors:
        per_chunk += 2 * C * C * K + 2 * C * K * V + 2 * C * C * V
    chunks = size.B * size.H * size.T / tokens
    places = size.B * size.T
    numbers = places * (size.G * K * (1 + R) + size.H * V * (R + 1) + (size.H * R if reflectors else 2 * size.H))
    return {"flops": chunks * per_chunk, "bytes": element * numbers}
