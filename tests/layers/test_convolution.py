"""The short convolution sees size - 1 tokens back, never forward, never across the start of a word."""

import pytest
import torch

from lrnn import Packing
from lrnn.layers.convolution import ShortConvolution, previous
from tests.layers.cases import draw


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("T", [1, 2, 7])
def test_the_definition(size, bias, T):
    convolution, x = ShortConvolution(5, size, bias).double(), draw(2, T, 5)
    y, tail = convolution(x)
    wanted = torch.zeros_like(x)
    for t in range(T):
        for j in range(min(size, t + 1)):
            wanted[:, t] += convolution.weight[:, j].detach() * x[:, t - j]
    if convolution.bias is not None:
        wanted += convolution.bias.detach()
    torch.testing.assert_close(y.detach(), wanted)
    whole = torch.cat([torch.zeros(2, size - 1, 5), x], dim=1)
    torch.testing.assert_close(tail, whole[:, T:].double())


def test_a_word_longer_than_the_window_depends_on_nothing_older():
    convolution, x = ShortConvolution(3, 3).double(), draw(1, 9, 3)
    changed = x.clone()
    changed[:, 3] += 1
    different = (convolution(x)[0] - convolution(changed)[0]).abs().amax((0, 2)) > 0
    assert different.tolist() == [False] * 3 + [True] * 3 + [False] * 3


@pytest.mark.parametrize("lengths", [(1, 1, 1), (4, 1, 2), (1, 6)])
def test_packed_is_separate_also_the_tails(lengths):
    convolution, packing = ShortConvolution(3, 4).double(), Packing(lengths)
    x, tails = draw(1, packing.total, 3), draw(packing.num_words, 3, 3, seed=1)
    y, after = convolution(x, tails, packing)
    for n, span in enumerate(packing.spans):
        y_word, tail_word = convolution(x[:, span], tails[n : n + 1])
        torch.testing.assert_close(y[:, span], y_word)
        torch.testing.assert_close(after[n : n + 1], tail_word)


def test_token_shift():
    x, packing = draw(1, 6, 2), Packing((1, 3, 2))
    before, tail = previous(x, None, packing)
    zero = torch.zeros(1, 2, dtype=torch.float64)
    torch.testing.assert_close(before[0], torch.cat([zero, zero, x[0, 1:3], zero, x[0, 4:5]]))
    torch.testing.assert_close(tail[:, 0], x[0, [0, 3, 5]])


@pytest.mark.no_shape_checks
def test_a_tail_of_another_mixer_is_refused():
    with pytest.raises(ValueError, match=r"tail in state has shape \(2, 2, 3\), wanted \(2, 3, 3\)"):
        ShortConvolution(3, 4).double()(draw(2, 5, 3), draw(2, 2, 3))
