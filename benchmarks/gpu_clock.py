"""Times and memory on one device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Run = Callable[[], Any]


@dataclass(frozen=True)
class Clock:
    """How something is timed: events on the device and a cold L2 cache on a GPU, the wall clock elsewhere."""

    device: str = "cuda"
    milliseconds_each: float = 200.0
    """About how long a function is repeated."""

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def synchronize(self) -> None:
        """Wait until the device has done all it was asked."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def milliseconds(self, run: Run) -> dict[str, float]:
        """Median, and the tenth and ninetieth percentile, of at least three repetitions."""
        if self.on_gpu:
            from triton.testing import do_bench

            found: Any = do_bench(run, rep=int(self.milliseconds_each), quantiles=[0.1, 0.5, 0.9])
            low, median, high = found
            return {"median": median, "low": low, "high": high}
        run()
        taken: list[float] = []
        while len(taken) < 3 or (sum(taken) < self.milliseconds_each and len(taken) < 50):
            taken.append(1000 * self.seconds(run))
        return {"median": statistics.median(taken), "low": min(taken), "high": max(taken)}

    def seconds(self, run: Run) -> float:
        """Of one call, everything included: what a first call costs."""
        self.synchronize()
        start = time.perf_counter()
        run()
        self.synchronize()
        return time.perf_counter() - start

    def peak_bytes(self, run: Run, beyond: bool = True) -> int | None:
        """What is held at most during one call; None where it is not counted.

        Arguments:
            beyond: leave out what was allocated before the call. Its results count.
        """
        if not self.on_gpu:
            return None
        self.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        self.synchronize()
        return torch.cuda.max_memory_allocated() - (before if beyond else 0)
