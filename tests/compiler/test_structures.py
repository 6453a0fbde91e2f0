"""Which structure does what, in how many layers."""

import numpy as np
import pytest

from lrnn.automata import DFA, Group
from lrnn.compiler import Checks, compile
from lrnn.types import NotRealizable

CHECKS = Checks(max_words=500, lengths=(3_000,), bfloat16_length=500)

STAR_FREE = ["a*b*", "(ab)*", "(a|b)*abb", "b*ab*ab*a(a|b)*", "(a|b)*aba(a|b)*"]

CASES = [
    # every star-free language with [0, 1] alone, by either structure
    *((regex, {"structure": "diagonal", "eigenvalues": (0, 1)}, None) for regex in STAR_FREE),
    *((regex, {"structure": "householder", "eigenvalues": (0, 1)}, None) for regex in STAR_FREE),
    *((regex, {"eigenvalues": (0, 1)}, None) for regex in STAR_FREE),
    # signs: powers of Z2 in one layer, all periods that are powers of 2 in several
    (Group("Z2xZ2xZ2"), {"structure": "diagonal"}, 1),
    (Group("Z4"), {"structure": "diagonal"}, 2),
    (Group("D4"), {"structure": "diagonal"}, 3),
    (Group("D8"), {"structure": "diagonal", "generators": "two-random"}, 3),
    ("(aaaa)*b", {"structure": "diagonal"}, None),
    ("((a|b)(a|b))*c|b*", {"structure": "diagonal"}, None),
    ("(aaaa|bb)*", {"structure": "diagonal"}, None),
    # fewer reflectors than one layer of permutations takes
    (Group("D4"), {"num_householders": 1, "exactness": "integer"}, 3),
    (Group("Z9"), {"num_householders": 2, "exactness": "integer"}, 2),
    (Group("S4"), {"num_householders": 2, "exactness": "integer"}, 3),
    ("(aaaaaaaaa)*b", {"num_householders": 2}, None),
    (Group("Z60"), {"num_householders": 4, "exactness": "integer"}, 1),
    # anything in one layer
    ("(aa)*b", {"structure": "permutation_diagonal"}, 1),
    ("(aa)*b", {"structure": "dense"}, 1),
    (Group("S4"), {"structure": "permutation_diagonal", "generators": "two-random"}, 1),
    (Group("S4"), {"structure": "dense", "generators": "two-random"}, 1),
    # languages with few words or none
    ("∅|a∅", {}, None),
    ("a*", {}, 1),
    ("ε|a", {}, None),
]


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(("language", "options", "layers"), CASES)
def test_realized(language, options, layers):
    compiled = compile(language, **options, verify=CHECKS)
    certificate = compiled.certificate
    assert certificate is not None
    assert certificate.holds and certificate.integer and certificate.covers is None
    # a reset in the middle of [-1, 1] takes a weight of float32
    assert certificate.bfloat16 == CHECKS.bfloat16_length or options.get("structure") == "diagonal"
    config = compiled.model.config
    assert layers is None or config.num_layers == layers
    assert getattr(config.mixer_config, "num_householders", 1) <= options.get("num_householders", 100)
    if "eigenvalues" in options:
        assert config.mixer_config.eigenvalues == options["eigenvalues"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("language", "options", "says"),
    [
        (Group("S3"), {"structure": "diagonal"}, r"\(1 2 3\) repeated has period 3"),
        ("(aa)*", {"eigenvalues": (0, 1)}, "householder .* not star-free.*; diagonal .* period 2"),
        (Group("S4"), {"num_householders": 1}, r"by no fewer than 2 \(one reflection has order 2"),
        (Group("A5"), {"num_householders": 3, "exactness": "integer"}, "num_householders=4"),
    ],
)
def test_refused(language, options, says):
    with pytest.raises(NotRealizable, match=says):
        compile(language, verify=False, **options)


@pytest.mark.no_shape_checks
def test_a_machine_whose_cascade_is_too_large_gets_another_structure():
    rng = np.random.default_rng(0)
    dfa = DFA.trimmed("ab", rng.integers(0, 40, (40, 2)), 0, range(20)).minimal
    with pytest.raises(NotRealizable, match=r"max_sets; ask for structure='permutation_diagonal'"):
        compile(dfa, "householder", verify=False)
    compiled = compile(dfa, verify=Checks(max_words=500, lengths=(1_000,)))
    assert compiled.structure == "permutation_diagonal"
    assert compiled.certificate is not None and compiled.certificate.holds
