"""Generating token by token is the same as reading everything again for every token."""

import pytest
import torch
from torch.utils._pytree import tree_leaves

from lrnn.layers import MIXERS, LinearMixer
from lrnn.models import LanguageModel, generate
from lrnn.models.generate import choose
from tests.layers.cases import NAMES
from tests.models.small import small_config, small_model, words


@pytest.mark.parametrize("mixer", NAMES)
def test_greedy_is_repeated_argmax_of_the_whole(mixer):
    model, tokens = small_model(mixer), words(2, 4)
    wanted = tokens
    for _ in range(10):
        wanted = torch.cat([wanted, model(wanted)[0][:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(generate(model, tokens, 10), wanted[:, 4:])


@pytest.mark.parametrize("mixer", [name for name in NAMES if issubclass(MIXERS[name], LinearMixer)])
def test_the_state_does_not_grow_with_the_position(mixer):
    model = small_model(mixer)

    def size(state):
        leaves = tree_leaves(state)
        return sum(leaf.untyped_storage().nbytes() for leaf in leaves if leaf is not None)

    _, state = model(words(2, 1))
    start = size(state)
    for _ in range(20):
        _, state = model(words(2, 1), state)
    assert size(state) == start
    _, long = model(words(2, 50))
    assert size(long) == start  # neither is a long prompt kept alive by a view


def test_draws_are_decided_by_the_seed():
    model, tokens = small_model(), words(3, 4)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, same, other = (generate(model, tokens, 12, temperature=1.5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_draws_follow_the_distribution():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).expand(20000, 4)
    drawn = choose(logits, 0.5, None, torch.Generator().manual_seed(0))
    share = torch.bincount(drawn.flatten(), minlength=4) / 20000
    torch.testing.assert_close(share, (logits[0] / 0.5).softmax(0), rtol=0, atol=0.015)
    drawn = choose(logits, 1.0, 2, torch.Generator().manual_seed(0))
    assert set(drawn.flatten().tolist()) == {1, 2}


def test_top_1_is_greedy():
    model, tokens = small_model(), words(3, 4)
    assert torch.equal(generate(model, tokens, 6, temperature=1.0, top_k=1), generate(model, tokens, 6))


def test_nothing_asked_nothing_given():
    assert generate(small_model(), words(2, 3), 0).shape == (2, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length = -1: must be >= 0"),
        ({"temperature": -0.5}, "temperature = -0.5: must be a number >= 0"),
        ({"temperature": float("nan")}, "temperature = nan: must be a number >= 0"),
        ({"temperature": 1.0, "top_k": 0}, "top_k = 0: must be None or in 1…7"),
        ({"temperature": 1.0, "top_k": 8}, "top_k = 8: must be None or in 1…7"),
        ({"top_k": 3}, "top_k: needs temperature > 0"),
        ({"length": -1, "temperature": -1.0}, "(?s)length = -1.*temperature = -1.0"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        generate(small_model(), words(1, 2), **{"length": 3, **options})


def test_a_classifier_cannot_generate():
    with pytest.raises(ValueError, match="the model has 3 classes for 7 tokens"):
        generate(LanguageModel(small_config(num_classes=3)), words(1, 2), 3)
