"""Counters on the unit circle."""

import numpy as np
import pytest

from lrnn.automata import Group
from lrnn.compiler import Checks, compile
from lrnn.compiler.complex_diagonal import steps
from lrnn.types import NotRealizable

CHECKS = Checks(max_words=500, lengths=(1_000, 10_000), bfloat16_length=1_000)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("language", "counters"),
    [
        (Group("Z3"), "3"),
        (Group("Z24"), "8, 3"),
        (Group("Z60"), "5, 4, 3"),
        (Group("Z2xZ4"), "4, 2"),
        (Group("Z1"), "1"),
        ("(aaaaaaa)*", "7"),
        ("((a|b){6})*", "3, 2"),
    ],
)
def test_counters_side_by_side(language, counters):
    compiled = compile(language, "complex_diagonal", verify=CHECKS)
    certificate = compiled.certificate
    assert certificate is not None
    assert certificate.holds and certificate.covers == 10_000 and certificate.bfloat16 == 1_000
    assert certificate.drift_per_letter is not None and certificate.drift_per_letter < 1e-9
    assert compiled.method.endswith(f"modulo {counters}")


@pytest.mark.parametrize(
    ("language", "options", "says"),
    [
        (Group("S3"), {}, r"\(2 3\) and \(1 2\) do not commute"),
        ("a*b", {}, "a joins states"),
        ("(aa)*", {"exactness": "integer"}, "are no integers"),
    ],
)
def test_what_no_counters_do(language, options, says):
    with pytest.raises(NotRealizable, match=says):
        compile(language, "complex_diagonal", verify=False, **options)


def test_steps_of_what_is_no_counter():
    assert steps(np.array([[1], [0], [2]])) is None  # leaves a state in place
    assert steps(np.array([[1, 0], [2, 2], [0, 1]])) is None  # S3
    assert steps(np.array([[0], [0]])) is None  # a reset
