"""Every algorithm × structure × dtype is the definition: values, last state and all gradients."""

import pytest
import torch

from tests.calls import ALGORITHMS, SIZES, call, compare, results, truth
from tests.cases import STRUCTURES

WIDE = [torch.float64, torch.float32]
NARROW = [torch.bfloat16, torch.float16]


def check(name, size, dtype, algorithm, state=True, seed=0):
    got = results(call(name, size, seed, state=state).to(dtype), lambda of: of.run(algorithm=ALGORITHMS[algorithm]))
    compare(got, truth(name, size, dtype, seed, state), size[1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_algorithm_is_definition(name, size, dtype, algorithm):
    check(name, size, dtype, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_narrow_inputs(name, dtype, algorithm):
    """bfloat16 and float16 inputs against float64 on the same rounded inputs: nothing but the output is rounded."""
    check(name, (2, 35, 1, 6, 4), dtype, algorithm)
