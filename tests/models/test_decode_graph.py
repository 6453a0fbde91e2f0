"""A decode graph gives the tokens of generate, from memory that stays where it is."""

from functools import partial

import pytest
import torch
from torch.utils._pytree import tree_leaves

from lrnn.models import DecodeGraph, generate
from tests.layers.cases import NAMES
from tests.models.small import small_model, words

STEADY = [name for name in NAMES if name != "attention"]


def after(model, tokens):
    with torch.no_grad():
        return model(tokens)


def addresses(state):
    return [leaf.data_ptr() for leaf in tree_leaves(state) if leaf is not None]


@pytest.mark.parametrize("mixer", STEADY)
def test_the_same_tokens_as_generate(mixer):
    model, tokens = small_model(mixer), words(2, 4)
    assert torch.equal(generate(model, tokens, 8, graph=True), generate(model, tokens, 8))


def test_the_same_draws_as_generate():
    model, tokens = small_model("gated_deltaproduct"), words(3, 4)
    options = {"temperature": 1.2, "top_k": 5, "seed": 3}
    assert torch.equal(generate(model, tokens, 8, graph=True, **options), generate(model, tokens, 8, **options))


@pytest.mark.parametrize("mixer", STEADY)
def test_the_state_stays_where_it_is(mixer):
    model = small_model(mixer)
    _, state = after(model, words(2, 4))
    graph = DecodeGraph(model, state)
    before = addresses(graph.state)
    for token in words(2, 3).split(1, dim=1):
        logits = graph(token)
    assert addresses(graph.state) == before
    whole, last = after(model, torch.cat([words(2, 4), words(2, 3)], dim=1))
    torch.testing.assert_close(logits, whole[:, -1:])
    torch.testing.assert_close(graph.state, last)


def test_a_graph_goes_on_from_other_words():
    model = small_model()
    graph = DecodeGraph(model, after(model, words(2, 4))[1])
    graph(words(2, 1))
    other, token = words(2, 9, seed=1), words(2, 1, seed=2)
    state = after(model, other)[1]
    graph.restart(state)
    wanted = after(model, torch.cat([other, token], dim=1))[0][:, -1:]
    torch.testing.assert_close(graph(token), wanted)
    torch.testing.assert_close(state, after(model, other)[1])  # it was copied


def test_a_state_that_grows_is_refused():
    model = small_model("attention")
    with pytest.raises(ValueError, match="a graph needs a state that does not grow"):
        DecodeGraph(model, after(model, words(2, 4))[1])
    graph = DecodeGraph(small_model(), after(small_model(), words(2, 4))[1])
    with pytest.raises(ValueError, match=r"the state has tensors of shapes \[\(3, "):
        graph.restart(after(small_model(), words(3, 4))[1])
    with pytest.raises(ValueError, match="the state of at least one word"):
        DecodeGraph(model, ())


@pytest.mark.compiled
def test_a_compiled_step_gives_the_same_logits(monkeypatch):
    """Without the code generator, which takes minutes; fullgraph and the states in place are what is looked at."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    for mixer in ("gated_deltaproduct", "mamba2", "rwkv7"):
        torch.compiler.reset()
        model = small_model(mixer)
        plain, compiled = (DecodeGraph(model, after(model, words(2, 4))[1], compiled=c) for c in (False, True))
        before = addresses(compiled.state)
        for token in words(2, 3).split(1, dim=1):
            torch.testing.assert_close(compiled(token), plain(token))
        torch.testing.assert_close(compiled.state, plain.state)
        assert addresses(compiled.state) == before
