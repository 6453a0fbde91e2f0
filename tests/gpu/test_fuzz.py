"""Random calls on a GPU; see `fuzz.py`."""

import pytest

from tests.gpu.fuzz import fuzz


@pytest.mark.timeout(900)
def test_random_calls():
    found = fuzz()
    assert not found["failures"]
    assert found["cases"] >= 500
