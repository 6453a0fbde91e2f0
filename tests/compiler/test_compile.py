"""What is compiled is right, and says how it knows."""

import numpy as np
import pytest
import torch

from lrnn.automata import DFA, Group, Machine
from lrnn.compiler import QUICK, Checks, compile, load_compiled, verify
from lrnn.types import NotRealizable

SHORT = Checks(max_words=200, lengths=(500,), bfloat16_length=200)


def test_a_compiled_model_is_the_machine():
    compiled = compile("(aa)*b", verify=SHORT)
    dfa = DFA.from_regex("(aa)*b")
    for word in ("b", "aab", "ab", "aaab", "aaaab", "bb"):
        assert (compiled.label(word) == "accept") == (word in dfa)
    assert compiled.empty_label == compiled.label("") == "reject"
    assert compiled.vocabulary.alphabet == ("a", "b")
    assert compiled.certificate is not None
    assert compiled.certificate.holds and compiled.certificate.covers is None


def test_one_layer_where_permutations_and_resets_lie_side_by_side():
    # parity of the a since the last c, beside the last letter seen of b and c
    delta = [[1, 0, 2], [0, 1, 2], [3, 0, 2], [2, 1, 2]]
    machine = Machine(alphabet="abc", delta=delta, start=0, labels=[0, 1, 2, 3], names="wxyz")
    assert compile(machine, verify=SHORT).model.config.num_layers == 1
    assert compile("(a|b)*b", verify=False).model.config.num_layers == 1


@pytest.mark.parametrize("structure", ["householder", "diagonal", "permutation_diagonal", "dense"])
def test_save_load_verify(structure, tmp_path):
    compiled = compile("(ab)*", structure, verify=SHORT)
    compiled.save(tmp_path / "model")
    again = load_compiled(tmp_path / "model")
    assert again.certificate == compiled.certificate
    assert again.vocabulary == compiled.vocabulary
    for name, weight in again.model.state_dict().items():
        assert torch.equal(weight, compiled.model.state_dict()[name])
    certificate = verify(tmp_path / "model", SHORT)
    assert certificate == compiled.certificate


def test_a_wrong_weight_is_seen():
    compiled = compile("(aa)*", verify=False)
    with torch.no_grad():
        compiled.model.head.weight.neg_()  # type: ignore[union-attr]
    certificate = verify(compiled, SHORT)
    assert not certificate.holds and certificate.errors and certificate.margin < 0
    assert "FAILS" in str(certificate)


def test_pieces_and_batches_give_the_same():
    compiled = compile("(a|bb)*ab*", verify=False)
    words = np.random.default_rng(0).integers(0, 2, (3, 100))
    whole = compiled.run(words)
    assert np.array_equal(whole, compiled.machine.run(words))
    state, pieces = None, []
    with torch.no_grad():
        for first in range(0, 100, 7):
            logits, state = compiled.model(torch.from_numpy(words[:, first : first + 7].copy()), state)
            pieces.append(logits.argmax(-1))
    assert np.array_equal(torch.cat(pieces, dim=1).numpy(), whole)


def test_weights_can_be_trained_on():
    compiled = compile(Group("S3"), verify=False)
    tokens = torch.randint(6, (2, 12), generator=torch.Generator().manual_seed(0))
    logits, _ = compiled.model(tokens)
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in compiled.model.parameters())
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in compiled.model.parameters())


@pytest.mark.parametrize(
    ("language", "options", "says"),
    [
        ("(aa)*", {"structure": "diagonal", "eigenvalues": (0, 1)}, "a repeated has period 2"),
        ("(aa)*", {"structure": "householder", "eigenvalues": (0, 1)}, r"eigenvalues=\(-1, 1\)"),
        ("(aaa)*", {"structure": "diagonal"}, "a repeated has period 3"),
        ("(aaa)*b", {"structure": "householder", "num_householders": 1}, "num_householders=2"),
    ],
)
def test_not_realizable_says_what_stands_against_it(language, options, says):
    with pytest.raises(NotRealizable, match=says):
        compile(language, verify=False, **options)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("language", "options", "says"),
    [
        ("(a", {}, "position|closed"),
        ("a", {"structure": "tridiagonal"}, "structure = 'tridiagonal': must be one of householder"),
        ("a", {"generators": "swaps"}, "only a Group has generators, and this is of type str"),
        ("a", {"num_householders": 0}, "num_householders = 0: must be an integer >= 1"),
        ("a", {"structure": "dense", "num_householders": 1}, "'dense' has none"),
        ("a", {"structure": "dense", "eigenvalues": (0, 1)}, "has no such range"),
        ("a", {"structure": "dense", "exactness": "margin"}, "exact in integers"),
        ("a", {"exactness": "rational"}, "must be one of integer, margin"),
    ],
)
def test_faults_of_a_call(language, options, says):
    with pytest.raises(ValueError, match=says):
        compile(language, verify=False, **options)


def test_quick_checks_and_their_faults():
    with pytest.raises(ValueError, match="max_words = -1"):
        Checks(max_words=-1)
    certificate = compile("a*", verify=QUICK).certificate
    assert certificate is not None
    assert certificate.longest == 100


def test_a_folder_without_a_compiled_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no"):
        verify(tmp_path)
