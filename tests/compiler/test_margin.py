"""Orthogonal matrices: few reflectors, states that drift, and how far they carry."""

import numpy as np
import pytest
import torch

from lrnn.automata import Group
from lrnn.compiler import Checks, compile
from lrnn.compiler.reflectors import keys, reflectors, rounded
from lrnn.types import NotRealizable

CHECKS = Checks(max_words=500, lengths=(1_000, 10_000), bfloat16_length=100)
A5 = Group("A5")

CASES = [
    ("(aaaaa)*", "all", 2, 1),
    (Group("Z24"), [1, 5], 2, 1),
    (Group("Z7"), "all", 1, 2),
    (Group("Z24"), [1], 1, 2),
    (Group("D12"), [1, 12], 2, 1),
    (Group("S4"), "all", 2, 1),
    (A5, "all", 2, 1),
    (A5, np.flatnonzero(A5.orders == 2).tolist(), 1, 1),
    (Group("S5"), "swaps", 1, 1),
    (Group("S5"), "two-random", 4, 1),
    (Group("Z2xZ2xZ2"), "all", 1, 1),
]


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(("language", "generators", "n_h", "layers"), CASES)
def test_least_reflectors(language, generators, n_h, layers):
    compiled = compile(language, generators=generators, num_householders=n_h, exactness="margin", verify=CHECKS)
    certificate = compiled.certificate
    assert certificate is not None
    assert certificate.exactness == "margin" and not certificate.integer
    assert certificate.holds and certificate.margin > 12
    assert certificate.covers == 10_000
    assert certificate.drift_per_letter is not None and certificate.drift_per_letter < 1e-5
    assert compiled.model.config.num_layers == layers
    assert getattr(compiled.model.config.mixer_config, "num_householders", 1) == n_h


def test_a_long_cycle_turns_rather_than_taking_a_reflector_per_state():
    assert compile(Group("Z23"), verify=False).exactness == "integer"
    compiled = compile(Group("Z29"), generators=[1], verify=CHECKS)
    assert compiled.exactness == "margin" and compiled.certificate is not None and compiled.certificate.holds
    assert compile(Group("Z29"), exactness="integer", verify=False).exactness == "integer"


def test_fewer_than_the_least_is_refused():
    with pytest.raises(NotRealizable, match="num_householders=4"):
        compile(Group("S5"), num_householders=3, verify=False)
    with pytest.raises(NotRealizable, match="a is no permutation"):
        compile("(ab)*", exactness="margin", verify=False)


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_reflectors_make_the_matrix(dim):
    rng = np.random.default_rng(dim)
    q, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    found = reflectors(q)
    made = np.eye(dim)
    for v in found:
        made = (np.eye(dim) - 2 * np.outer(v, v) / (v @ v)) @ made
    assert np.abs(made - q).max() < 1e-12
    assert len(found) == np.linalg.matrix_rank(q - np.eye(dim))
    assert not reflectors(np.eye(dim))


def test_rounded_keys_reflect_better_than_keys_that_are_merely_rounded():
    rng = np.random.default_rng(0)
    for _ in range(5):
        v = rng.standard_normal(3)
        exact = 2 * np.outer(v, v) / (v @ v)

        def error(k, exact=exact):
            k = torch.from_numpy(k.astype(np.float32))
            strength = float(2 / k.square().sum())
            return np.abs(strength * np.outer(k.double(), k.double()) - exact).max()

        assert error(rounded(v, rng)) < 1e-8 < error(v / np.linalg.norm(v))


def test_idle_reflectors_are_zero():
    found = keys(np.stack([np.eye(2), np.diag([1.0, -1.0])]), 2)
    assert not found[0].any() and found[1, 0].any() and not found[1, 1].any()
