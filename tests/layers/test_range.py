"""The eigenvalues of A_t are in the range that the config names, and reach its ends."""

import math

import numpy as np
import pytest
import torch

from lrnn import checked
from lrnn.layers import MIXERS, LinearMixer
from tests.layers.cases import CASES, D, draw, make

RANGED = {case: CASES[case] for case in CASES if "eigenvalues" in MIXERS[CASES[case][0]].Config.__dataclass_fields__}
SLACK = 1e-12


def eigenvalues(name, options, shake=2.0):
    mixer = make(name, options, shake=shake)
    assert isinstance(mixer, LinearMixer)
    with torch.no_grad():
        A = mixer.drive(draw(4, 12, D)).A.dense()
    return torch.from_numpy(np.linalg.eigvals(A.numpy()).astype(complex))


def lowest(name, options):
    if options.get("eigenvalues") == (-1, 1):
        return -1.0
    return math.exp(-math.exp(-0.5)) - 1 if name == "rwkv7" else 0.0  # as its docstring says


PRODUCTS = [case for case in RANGED if "product" in case and "num_householders=1" not in case]


@pytest.mark.parametrize("case", [case for case in RANGED if case not in PRODUCTS])
def test_eigenvalues_are_in_the_range(case):
    name, options = RANGED[case]
    found = eigenvalues(name, options)
    assert found.imag.abs().max() < 1e-6
    assert found.real.max() <= 1 + SLACK
    assert found.real.min() >= lowest(name, options) - SLACK


@pytest.mark.parametrize("case", PRODUCTS)
def test_products_do_not_expand(case):
    """Their eigenvalues are complex."""
    name, options = RANGED[case]
    mixer = make(name, options, shake=2.0)
    assert isinstance(mixer, LinearMixer)
    norms = torch.linalg.matrix_norm(mixer.drive(draw(4, 12, D)).A.dense(), ord=2)
    assert norms.max() <= 1 + SLACK


@pytest.mark.parametrize("name", sorted({name for name, _ in RANGED.values()}))
def test_the_range_makes_a_difference(name):
    """[-1, 1] goes well below zero where [0, 1] does not."""
    assert eigenvalues(name, {"eigenvalues": (-1, 1)}).real.min() < -0.6
    assert eigenvalues(name, {"eigenvalues": (0, 1)}).real.min() >= lowest(name, {}) - 1e-2


FORMS = [
    (name, f"{gate}_form", form)
    for name in sorted({name for name, _ in RANGED.values()})
    for gate in ("beta", "decay")
    for form in ("sharp", "clamp", "pinned")
    if f"{gate}_form" in MIXERS[name].Config.__dataclass_fields__
    and not (gate == "decay" and name.startswith("gated"))  # there the decay is in (0, 1)
    and name not in ("gla", "rwkv7")  # bounded away from 0 at such weights: the forms are tested in test_gates.py
]


@pytest.mark.parametrize(("name", "option", "form"), FORMS)
def test_the_forms_reach_the_end(name, option, form):
    """-1 to float64 rounding somewhere in a few words, at weights of ordinary size."""
    options = {"eigenvalues": (-1, 1), option: form}
    if name.startswith("gated"):
        options["decay_form"] = "clamp"  # so that α is 1 at times
    smallest = eigenvalues(name, options, shake=3.0)
    if "product" in name:  # a product turns: look at its norm, and at the end on the unit circle
        assert (smallest.abs().max() - 1).abs() < 1e-9
    else:
        assert smallest.real.min() < -1 + 1e-9


@pytest.mark.parametrize("case", CASES)
def test_the_recurrence_is_handed_legal_numbers(case):
    """Decays, β and signs in their ranges, in float32 and at large weights too."""
    mixer = make(*CASES[case], shake=3.0).float()
    with checked():
        y, _ = mixer(draw(2, 12, D).float())
    assert y.isfinite().all()
