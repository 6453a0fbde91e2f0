"""One registry of measurements; each compares within one run and prints the error beside the time."""

from collections.abc import Callable

from benchmarks.compiling import compiler
from benchmarks.contest import cpu
from benchmarks.decoding import decode
from benchmarks.gpu import gpu
from benchmarks.importing import imports
from benchmarks.outcome import Outcome

BENCHMARKS: dict[str, Callable[..., Outcome]] = {
    "cpu": cpu,
    "gpu": gpu,
    "decode": decode,
    "import": imports,
    "compiler": compiler,
}
"""Name to ``measure(threads=...) -> Outcome``; ``lrnn bench NAME`` prints the table and writes the numbers."""

__all__ = ["BENCHMARKS", "Outcome"]
