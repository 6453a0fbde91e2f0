"""What kernels do to rows is what PyTorch does, values and gradients; layers that call them give what they gave."""

import pytest
import torch
import torch.nn.functional as F

from lrnn.backends.triton import pointwise as kernels
from lrnn.layers import pointwise
from lrnn.layers.gates import activate
from tests.calls import error
from tests.layers.cases import D, draw, make

LIMIT = {torch.float32: 3e-6, torch.float16: 2e-3}


def random(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype).requires_grad_()


def compare(y, want, leaves, dtype):
    weights = torch.rand(y.shape, generator=torch.Generator().manual_seed(9)).double()
    found = [y, *torch.autograd.grad((y.double() * weights).sum(), leaves)]
    exact = [want, *torch.autograd.grad((want * weights).sum(), leaves)]
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == y.dtype or one.dtype == torch.float32
        assert error(one, other) < LIMIT[dtype]


@pytest.mark.parametrize("dtype", LIMIT, ids=str)
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("eps", [None, 1e-6])
@pytest.mark.parametrize("activation", ["silu", "relu", "elu", "none"])
def test_rows_are_activated(activation, eps, scaled, dtype):
    x, scale = random(3, 50, 2, 33, dtype=dtype), random(3, 50, 2, seed=1) if scaled else None
    y = kernels.activate_rows(x, scale, activation, eps)
    assert y.dtype == dtype
    want = activate(x.double(), activation)
    want = want if eps is None else F.normalize(want, dim=-1, eps=eps)
    want = want if scale is None else scale.double()[..., None] * want
    compare(y, want, [x] if scale is None else [x, scale], dtype)


def test_a_row_that_is_too_short_is_divided_by_the_least_length():
    x = (random(4, 8).detach() * torch.tensor([1.0, 1e-3, 1e-9, 0.0])[:, None]).requires_grad_()
    y = kernels.activate_rows(x, None, "none", 1e-6)
    compare(y, F.normalize(x.double(), dim=-1, eps=1e-6), [x], torch.float32)
    assert not y[3].any()


@pytest.mark.parametrize("dtype", LIMIT, ids=str)
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("rows, width", [((2, 3000, 1), 5), ((3, 40, 2), 130), ((1, 1, 1), 3)])
def test_rows_are_normed_and_gated(rows, width, gated, dtype, monkeypatch):
    monkeypatch.setattr(kernels, "PROGRAMS", 3)  # of which each takes several tiles
    x, weight = random(*rows, width, dtype=dtype), random(width, seed=1)
    gate = random(*rows, width, dtype=dtype, seed=2) if gated else None
    y = kernels.gated_norm(x, weight, gate, 1e-5)
    assert y.dtype == dtype
    want = F.rms_norm(x.double(), (width,), weight.double(), 1e-5)
    want = want if gate is None else want * F.silu(gate.double())
    compare(y, want, [x, weight] if gate is None else [x, weight, gate], dtype)


def test_strides_do_not_matter_and_nothing_is_nothing():
    x, gate = random(4, 6, 8).mT, random(6, 8, 4).movedim(0, -1)
    weight = random(6)
    torch.testing.assert_close(kernels.activate_rows(x, None, "silu", 1e-6), F.normalize(F.silu(x), dim=-1))
    wanted = F.rms_norm(x, (6,), weight, 1e-5)
    torch.testing.assert_close(kernels.gated_norm(x, weight, None, 1e-5), wanted)
    torch.testing.assert_close(
        kernels.gated_norm(gate, weight, gate, 1e-5), F.rms_norm(gate, (6,), weight, 1e-5) * F.silu(gate)
    )
    none, scale = random(2, 0, 6), random(2, 0)
    y = kernels.activate_rows(none, scale, "silu", None) + kernels.gated_norm(none, weight, none, 1e-5)
    assert [tuple(g.shape) for g in torch.autograd.grad(y.sum(), [none, scale, weight])] == [(2, 0, 6), (2, 0), (6,)]


def test_the_ops_keep_what_they_promise_to_torch():
    x, scale, weight = random(5, 6), random(5, seed=1), random(6, seed=2)
    torch.library.opcheck(torch.ops.lrnn.activate_forward.default, (x, scale, "silu", 1e-6))
    torch.library.opcheck(torch.ops.lrnn.gated_norm_forward.default, (x, weight, x.detach() + 1, 1e-5))


@pytest.mark.parametrize(
    "name, options",
    [
        ("gated_deltaproduct", {"eigenvalues": (-1, 1)}),
        ("deltaproduct", {"key_activation": "elu", "value_activation": "none"}),
        ("deltanet", {"key_norm": False, "output_norm": False}),
        ("deltanet", {"write": False, "initial_state": "learned"}),
        ("gla", {}),
    ],
)
def test_a_layer_gives_what_it_gave(name, options, monkeypatch):
    mixer, x = make(name, options).float(), draw(2, 20, D).float().requires_grad_()
    found = {}
    for here in (False, True):
        asked = []
        monkeypatch.setattr(pointwise, "kernels_run_on", lambda device, here=here: (asked.append(device), here)[1])
        y, _ = mixer(x)
        found[here] = [y, *torch.autograd.grad(y.pow(2).sum(), [x, *mixer.parameters()])]
        assert asked
    for one, other in zip(found[True], found[False], strict=True):
        assert error(one, other) < 2e-5
