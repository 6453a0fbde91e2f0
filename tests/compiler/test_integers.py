"""In integer mode nothing is rounded: streams of ±1, states of 0 and ±1, the same bits in any order of operations."""

import numpy as np
import pytest
import torch

from lrnn.automata import Group
from lrnn.compiler import compile
from lrnn.layers import LinearMixer
from lrnn.recurrence import Packing

CASES = [
    ("(aa)*b", {}),
    ("(aa|bbb)*", {}),
    ("a*b*", {}),
    ("(aab|b)*", {"structure": "diagonal"}),
    ("(a|b)*abb", {"structure": "diagonal", "eigenvalues": (0, 1)}),
    (Group("S4"), {}),
    (Group("Z12"), {}),
    (Group("D4"), {"num_householders": 1, "exactness": "integer"}),
    ("(aa)*b", {"structure": "permutation_diagonal"}),
]


@pytest.fixture(params=CASES, ids=str)
def compiled(request):
    language, options = request.param
    return compile(language, verify=False, **options)


def words(compiled, rows=2, length=70):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, len(compiled.machine.alphabet), (rows, length)))


def test_the_stream_is_of_signs_before_every_norm(compiled):
    seen = []
    for block in compiled.model.blocks:
        block.norm.register_forward_hook(lambda _, x, y: seen.extend((x[0], y)))
        block.mlp_norm.register_forward_hook(lambda _, x, y: seen.extend((x[0], y)))
    with torch.no_grad():
        compiled.model(words(compiled))
    for x in seen:
        assert torch.equal(x.abs(), torch.ones_like(x))


def test_states_and_what_moves_them_are_small_integers(compiled):
    with torch.no_grad():
        drives = compiled.model.drives(words(compiled))
        _, state = compiled.model(words(compiled))
    for drive, after in zip(drives, state):
        assert set(after.state.unique().tolist()) <= {-1.0, 0.0, 1.0}
        entries = drive.A.dense()
        assert torch.equal(entries, entries.round()) and entries.abs().max() <= 1
        assert set(drive.k.unique().tolist()) <= {-1.0, 0.0, 1.0}


def test_token_by_token_gives_the_same_bits(compiled):
    tokens, state, pieces = words(compiled, length=40), None, []
    with torch.no_grad():
        whole, last = compiled.model(tokens)
        for t in range(tokens.shape[1]):
            logits, state = compiled.model(tokens[:, t : t + 1], state)
            pieces.append(logits)
    assert torch.equal(torch.cat(pieces, dim=1), whole)
    assert state is not None
    for one, other in zip(state, last):
        assert torch.equal(one.state, other.state)


def test_packed_words_give_the_same_bits(compiled):
    tokens = words(compiled, rows=1, length=60)
    lengths = (25, 1, 34)
    with torch.no_grad():
        packed, _ = compiled.model(tokens, packing=Packing(lengths))
        separate = [compiled.model(part)[0] for part in tokens.split(lengths, dim=1)]
    assert torch.equal(packed, torch.cat(separate, dim=1))


def test_double_precision_gives_the_same(compiled):
    tokens = words(compiled)
    with torch.no_grad():
        single = compiled.model(tokens)[0]
        double = compiled.model.double()(tokens)[0]
    # a decay of 0 in the middle of [-1, 1] is hit by one number of float32
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-5 if compiled.structure == "diagonal" else 0)


def test_a_small_step_of_the_weights_changes_the_logits_little(compiled):
    """As in training: no reflector jumps."""
    tokens = words(compiled, length=8)
    with torch.no_grad():
        before = compiled.model(tokens)[0]
        for parameter in compiled.model.parameters():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
            parameter.add_(1e-6 * noise)
        after = compiled.model(tokens)[0]
    assert (after - before).abs().max() < 1


def test_every_mixer_is_linear(compiled):
    assert all(isinstance(block.mixer, LinearMixer) for block in compiled.model.blocks)
