"""Attention against PyTorch's own, and its cache."""

import torch
import torch.nn.functional as F

from lrnn import Packing
from lrnn.layers import Attention, AttentionConfig
from lrnn.layers.attention import rotate
from lrnn.layers.mixer import heads
from tests.layers.cases import D, draw, make


def test_against_scaled_dot_product_attention():
    mixer, x = make("attention"), draw(2, 9, D)
    assert isinstance(mixer, Attention)
    q, k, v = heads(mixer.in_proj(x), 3, 2, D // 2).unbind(2)
    place = torch.arange(9).expand(2, 9)
    q, k = rotate(q, place, 10000.0), rotate(k, place, 10000.0)
    y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
    torch.testing.assert_close(mixer(x)[0], mixer.out_proj(y.transpose(1, 2).flatten(-2)))


def test_rotation_makes_scores_depend_on_the_distance():
    q, k = draw(1, 1, 1, 8), draw(1, 1, 1, 8, seed=1)

    def score(t, s):
        return (rotate(q, torch.tensor([[t]]), 100.0) * rotate(k, torch.tensor([[s]]), 100.0)).sum()

    torch.testing.assert_close(score(7, 3), score(104, 100))
    assert (score(7, 3) - score(7, 4)).abs() > 1e-6


def test_the_cache_holds_just_the_words():
    """After packed words of different lengths no place is wasted on the longest one."""
    mixer = Attention(AttentionConfig(dim=D, num_heads=2)).double()
    _, state = mixer(draw(1, 6, D), None, Packing((1, 5)))
    assert state.length.tolist() == [1, 5]
    assert state.k.shape == (2, 5, 2, D // 2)
    _, state = mixer(draw(1, 4, D), state, Packing((3, 1)))
    assert state.length.tolist() == [4, 6]
    assert state.k.shape == (2, 6, 2, D // 2)
