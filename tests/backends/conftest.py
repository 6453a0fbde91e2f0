"""Kernels in Triton's interpreter, on the CPU."""

import pytest

from lrnn.recurrence import kernels

ANYWHERE = ("test_aot", "test_dispatch")
"""Files that bring what they need."""


def pytest_runtest_setup(item):
    if item.path.stem in ANYWHERE:
        return
    if not kernels.INSTALLED:
        pytest.skip("Triton is not installed")
    if not kernels.INTERPRETED:
        pytest.skip("with a GPU the kernels are compiled, and tests/gpu has their laws")
