"""Numbers that multiply what is written: no kernel loses them, and some round nothing."""

from dataclasses import replace

import pytest
import torch

from lrnn import Packing
from tests.backends.kernel_calls import compare, make, on_kernels
from tests.calls import definition, delta_rule, error, results, tolerance, weighed
from tests.recurrence.test_words import separate


@pytest.mark.parametrize("name", ["scalar", "scalar signs", "diagonal", "householder delta", "complex diagonal"])
def test_strengths_multiply_what_is_written(name):
    """The kernel for scalars takes them as they are."""
    of = weighed(make(name, (1, 37, 2, 6, 5), torch.float32))
    compare(results(of, on_kernels), results(of.to(torch.float64), definition), torch.float32, 37)


@pytest.mark.parametrize(
    "name", ["householder delta", "householder delta R=3 scalar", "householder delta diagonal resets"]
)
def test_the_delta_rule_writes_beta_times_v(name):
    of = make(name, (1, 37, 2, 6, 5), torch.float32)
    got = results(of, lambda of: on_kernels(delta_rule(of)))
    want = results(of.to(torch.float64), lambda of: definition(delta_rule(of)))
    compare(got, want, torch.float32, 37)


def test_beside_keys_that_heads_share():
    of = weighed(make("scalar", (1, 37, 2, 6, 5), torch.float32))
    few = replace(of, k=of.k[:, :, :1], q=of.q[:, :, :1])
    want = results(few.to(torch.float64), lambda of: of.run(backend="reference"))
    compare(results(few, on_kernels), want, torch.float32, 37)


def test_of_packed_words():
    packing = Packing((18, 1, 18))
    of = weighed(make("scalar", (1, 37, 2, 6, 5), torch.float32, rows=3))
    got = results(of, lambda of: on_kernels(of, packing=packing))
    want = results(of.to(torch.float64), lambda of: separate(of, packing, definition))
    compare(got, want, torch.float32, 37)


@pytest.mark.parametrize("name", ["scalar signs", "householder R=2 diagonal resets", "diagonal"])
def test_a_step_does_not_round_what_is_written(name):
    of = weighed(make(name, (2, 3, 2, 6, 5), torch.float16))
    y, state = on_kernels(of)
    want, last = definition(of.to(torch.float64))
    assert y.dtype == torch.float16
    assert error(y, want) <= tolerance(torch.float16, 3)
    assert error(state, last) <= tolerance(torch.float32, 3)
