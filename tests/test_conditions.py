"""The conditions that conftest.py promises really hold; each test could fail without them."""

import os

import pytest
import torch
from jaxtyping import TypeCheckError

from lrnn import Householder


def test_one_thread():
    assert torch.get_num_threads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.complex64])
def test_empty_memory_is_nan(dtype):
    seen = torch.zeros(3, dtype=dtype)
    for fresh in (torch.empty(3, dtype=dtype), torch.empty_like(seen), seen.new_empty(3)):
        assert fresh.isnan().all()


def test_empty_integers_are_left_alone():
    assert torch.empty(3, dtype=torch.int64).shape == (3,)


def test_shapes_are_checked():
    with pytest.raises(TypeCheckError):
        Householder(k="no tensor", beta=torch.zeros(2))  # pyright: ignore[reportArgumentType]


@pytest.mark.no_shape_checks
def test_shape_checks_can_be_left_off():
    """What our own code says of a wrong argument is then seen."""
    with pytest.raises(Exception) as caught:
        Householder(k="no tensor", beta=torch.zeros(2))  # pyright: ignore[reportArgumentType]
    assert not isinstance(caught.value, TypeCheckError)


@pytest.mark.compiled
def test_a_compiled_test_runs_without_checks():
    assert not hasattr(Householder.__init__, "__wrapped__")
