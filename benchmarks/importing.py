"""How long ``import lrnn`` takes after ``import torch``."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.outcome import Outcome, environment

PROGRAM = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
import lrnn
print(middle - start, time.perf_counter() - middle)
"""


def imports(threads: int = 1, repeats: int = 7) -> Outcome:
    """In fresh processes; the first one, which may have to compile and to read from disk, is left out."""
    times = []
    for _ in range(repeats + 1):
        child = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
        )
        times.append(tuple(map(float, child.stdout.split())))
    columns = {name: sorted(found) for name, found in zip(("import torch", "import lrnn after it"), zip(*times[1:]))}
    seconds = {name: {"median": statistics.median(found), "fastest": found[0]} for name, found in columns.items()}
    rows = [(name, f"{found['median']:.3f}", f"{found['fastest']:.3f}") for name, found in seconds.items()]
    data = {"benchmark": "import", "environment": environment(), "repeats": repeats, "seconds": seconds}
    return Outcome("Importing, in seconds", ("what", "median", "fastest"), rows, data)
