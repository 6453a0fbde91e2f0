"""Kernels in Triton's interpreter, on the CPU."""

import pytest
import torch

from lrnn.backends.triton.launch import Launch
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


@pytest.fixture(autouse=True)
def one_form_each(monkeypatch):
    """A launch that is kept is for one form of arguments; on a GPU it would hand on another one without looking."""
    start = Launch.start

    def look(self, grid, *args):
        form = [x.dtype if isinstance(x, torch.Tensor) else type(x) for x in args]
        assert vars(self).setdefault("seen", form) == form
        return start(self, grid, *args)

    monkeypatch.setattr(Launch, "start", look)
