"""The convolution's kernel is the convolution, values and gradients; a layer that calls it gives what it gave."""

import pytest
import torch
import torch.nn.functional as F

from lrnn import Packing
from lrnn.backends.triton.convolution import convolve
from lrnn.layers import convolution as layer
from lrnn.layers.words import positions
from tests.calls import error

LENGTHS = (1, 40, 2, 27)


def given(B, T, C, size, dtype, bias=True, tail=True):
    g = torch.Generator().manual_seed(0)

    def random(*shape, dtype=dtype):
        return torch.randn(*shape, generator=g).to(dtype).requires_grad_()

    x, weight = random(B, T, C), random(C, size, dtype=torch.float32)
    return x, weight, random(C, dtype=torch.float32) if bias else None, random(B, size - 1, C) if tail else None


def wanted(x, weight, bias, tail):
    x, weight, bias = x.double(), weight.double(), None if bias is None else bias.double()
    before = x.new_zeros(x.shape[0], weight.shape[1] - 1, x.shape[2]) if tail is None else tail.double()
    window = torch.cat([before, x], dim=1)
    return F.conv1d(window.mT, weight.flip(-1)[:, None], bias, groups=len(weight)).mT


def gradients(y, leaves):
    weights = torch.rand(y.shape, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((y.double() * weights).sum(), leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize(
    "B, T, C, size, bias, tail", [(2, 70, 130, 4, True, True), (1, 2, 5, 4, False, True), (1, 33, 128, 1, True, False)]
)
def test_it_is_the_convolution(B, T, C, size, bias, tail, dtype):
    inputs = given(B, T, C, size, dtype, bias, tail)
    leaves = [x for x in inputs if x is not None]
    (y, rest), want = convolve(*inputs), wanted(*inputs)
    assert y.dtype == dtype
    limit = 2e-6 if dtype == torch.float32 else 2e-3
    assert error(y, want) < limit
    before = torch.zeros(B, size - 1, C, dtype=dtype) if inputs[3] is None else inputs[3]
    left = torch.cat([before, inputs[0]], dim=1)[:, T:]
    assert torch.equal(rest, left)
    both, exactly = torch.cat([y, rest], dim=1), torch.cat([want, left], dim=1)
    for found, exact in zip(gradients(both, leaves), gradients(exactly, leaves), strict=True):
        assert error(found, exact) < limit


def test_no_packed_word_sees_another():
    packing = Packing(LENGTHS)
    inputs = given(1, packing.total, 6, 4, torch.float32, tail=False)
    x, weight, bias, _ = inputs
    y, _ = convolve(x, weight, bias, position=positions(packing, x.device))
    want = torch.cat([wanted(x[:, span], weight, bias, None) for span in packing.spans], dim=1)
    assert error(y, want) < 2e-6
    for found, exact in zip(gradients(y, inputs[:3]), gradients(want, inputs[:3]), strict=True):
        assert error(found, exact) < 2e-6


def test_views_are_read_where_they_lie():
    wide = torch.randn(2, 9, 12)
    _, weight, *_ = given(2, 9, 4, 3, torch.float32)
    part = wide[..., 4:8]
    turned = wide.mT[:, :9, :4]
    for view in (part, turned):
        assert torch.equal(convolve(view, weight)[0], convolve(view.contiguous(), weight)[0])


@pytest.mark.no_shape_checks
def test_a_tail_of_packed_words_is_refused():
    x, weight, bias, tail = given(1, 3, 4, 2, torch.float32)
    with pytest.raises(ValueError, match="tail and position are both given"):
        convolve(x, weight, bias, tail, torch.zeros(3, dtype=torch.int32))


@pytest.mark.no_shape_checks
def test_a_tail_of_another_mixer_is_refused(monkeypatch):
    monkeypatch.setattr(layer, "kernels_run_on", lambda device: True)
    with pytest.raises(ValueError, match=r"tail in state has shape \(2, 2, 3\), wanted \(2, 3, 3\)"):
        layer.ShortConvolution(3, 4)(torch.zeros(2, 5, 3), torch.zeros(2, 2, 3))


@pytest.mark.parametrize("case", ["whole", "cut", "shorter than the window", "packed"])
def test_a_layer_gives_what_it_gave(case, monkeypatch):
    x, weight, bias, tail = given(1, 2 if case.startswith("shorter") else 70, 10, 4, torch.float32)
    short = layer.ShortConvolution(10, 4, bias=True)
    with torch.no_grad():
        short.weight.copy_(weight)
        assert short.bias is not None
        assert bias is not None
        short.bias.copy_(bias)
    packing = Packing(LENGTHS) if case == "packed" else None
    before = tail if case in ("cut", "shorter than the window") else None
    leaves = [x, *short.parameters(), *([] if before is None else [before])]
    found = {}
    for by_kernel in (False, True):
        called = []
        monkeypatch.setattr(layer, "kernels_run_on", lambda device, here=by_kernel: (called.append(device), here)[1])
        parts, rest = short.over([x[..., :3], x[..., 3:]], before, packing)
        y = torch.cat(parts, dim=-1)
        found[by_kernel] = [y, rest, *torch.autograd.grad(y.pow(2).sum() + rest.sum(), leaves)]
        assert called
        assert [part.shape[-1] for part in parts] == [3, 7]
    for one, other in zip(found[True], found[False], strict=True):
        assert error(one, other) < 2e-6
