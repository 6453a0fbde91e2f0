"""Several projections in one kernel are those projections."""

from pathlib import Path

import pytest
import torch

from lrnn.backends.triton import projections
from lrnn.backends.triton.projections import project
from tests.backends import gluon_interpreter

SIZES = (5, 1, 37)


def case(M, D, dtype=torch.float32, sizes=SIZES):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(M, D, generator=g).to(dtype)
    return x, [(torch.randn(size, D, generator=g) / D**0.5).to(dtype) for size in sizes]


@pytest.mark.parametrize("M", [1, 2, 17, 64])
@pytest.mark.parametrize("D", [6, 130])
def test_they_are_products(M, D):
    x, weights = case(M, D)
    for y, weight in zip(project(x, weights), weights, strict=True):
        torch.testing.assert_close(y.double(), x.double() @ weight.double().mT, rtol=1e-5, atol=1e-5)


def test_a_long_vector_is_taken_piece_by_piece():
    x, weights = case(1, 5000)
    for y, weight in zip(project(x, weights), weights, strict=True):
        torch.testing.assert_close(y.double(), x.double() @ weight.double().mT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("M, dtype", [(1, torch.bfloat16), (1, torch.float16), (3, torch.float16)])
def test_sums_are_rounded_once(M, dtype):
    x, weights = case(M, 64, dtype)
    for y, weight in zip(project(x, weights), weights, strict=True):
        assert y.dtype == dtype
        eps = torch.finfo(dtype).eps
        torch.testing.assert_close(y.double(), x.double() @ weight.double().mT, rtol=eps, atol=1e-5)


def test_strides_do_not_matter():
    x, weights = case(2, 8)
    wanted = project(x, weights)
    torch.testing.assert_close(project(x.mT.contiguous().mT, [w.mT.contiguous().mT for w in weights]), wanted)


def test_no_vectors():
    x, weights = case(0, 8)
    assert [tuple(y.shape) for y in project(x, weights)] == [(0, size) for size in SIZES]


@pytest.mark.no_shape_checks
def test_wrong_arguments_are_named():
    x, weights = case(2, 8)
    with pytest.raises(ValueError, match=r"weights are \['\[5, 7\] torch.float32'\]: wanted at most 64 vectors"):
        project(x, [weights[0][:, :7]])
    with pytest.raises(ValueError, match=r"weights are \['torch.float16'\]"):
        project(x, [weights[0].half()])
    with pytest.raises(ValueError, match="weights are 0"):
        project(x, [])
    with pytest.raises(ValueError, match=r"x is \(65, 8\)"):
        project(x.new_zeros(65, 8), weights)


def test_the_op_keeps_what_it_promises_to_torch():
    x, weights = case(2, 8)
    torch.library.opcheck(torch.ops.lrnn.project.default, (x, weights))


@pytest.mark.parametrize("D", [6, 1100])
def test_a_norm_and_what_is_added_come_with_the_product(D):
    x, (weight,) = case(1, D, sizes=(37,))
    norm, residual = x.new_ones(D) + x[0] / 9, torch.linspace(-1, 1, 37)[None]
    (y,) = project(x, [weight], norm=norm, eps=1e-5, residual=residual)
    normed = torch.nn.functional.rms_norm(x.double(), (D,), norm.double(), 1e-5)
    torch.testing.assert_close(y.double(), residual + normed @ weight.double().mT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("M", [1, 3])
def test_a_product_is_the_gate_of_another(M):
    x, weights = case(M, 40, sizes=(37, 37))
    (y,) = project(x, weights, gated=True)
    gate, other = (x.double() @ weight.double().mT for weight in weights)
    torch.testing.assert_close(y.double(), torch.nn.functional.silu(gate) * other, rtol=1e-5, atol=1e-5)


def test_sums_norm_and_residual():
    x, (weight,) = case(3, 64, torch.float16, sizes=(37,))
    parts = projections.project_parts(x, weight, 2)
    residual, norm = torch.linspace(-1, 1, 37).expand(3, -1).half(), torch.linspace(0.5, 1, 37).half()
    torch.testing.assert_close(parts.double().sum(0), x.double() @ weight.double().mT, rtol=1e-3, atol=1e-4)
    y, z = projections.add_norm(parts, residual, norm, 1e-5)
    torch.testing.assert_close(y.double(), residual.double() + parts.double().sum(0), rtol=1e-3, atol=1e-3)
    wanted = torch.nn.functional.rms_norm(y.double(), (37,), norm.double(), 1e-5)
    torch.testing.assert_close(z.double(), wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.no_shape_checks  # what stands in for a launch is none
@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize(
    "M, sizes, D, splits, gated, programs",
    [(5, (200, 40, 3), 576, 1, False, 5), (64, (100, 100), 512, 1, True, 3), (3, (70,), 1024, 2, False, 2)],
)
def test_the_kernel_for_hopper_is_the_same(M, sizes, D, splits, gated, programs, more, monkeypatch):
    monkeypatch.setattr(projections, "processors", lambda device: programs if more else 1)
    files = ("hopper_kernels.py", "projections_hopper_kernels.py")
    kernels = gluon_interpreter.kernels_of(*(Path(projections.__file__).with_name(name) for name in files))
    x, weights = case(M, D, torch.float16, sizes)
    ys = [torch.full((M, size), float("nan"), dtype=torch.float16) for size in sizes][: 1 if gated else None]
    ys = [torch.full((splits, M, sizes[0]), float("nan"))] if splits > 1 else ys
    _, grid, arguments = projections._launch_on_hopper(x, weights, ys, splits, gated, early=False)
    arguments = {name: value for name, value in arguments.items() if name not in ("num_warps", "maxnreg")}
    assert arguments["MORE"] == more
    gluon_interpreter.run(kernels["project_hopper_kernel"], grid, **arguments)
    wanted = [x.double() @ weight.double().mT for weight in weights]
    wanted = [torch.nn.functional.silu(wanted[0]) * wanted[1]] if gated else wanted
    for y, want in zip([ys[0].sum(0)] if splits > 1 else ys, wanted, strict=True):
        torch.testing.assert_close(y.double(), want, rtol=2e-3, atol=2e-3)


def test_few_rows_are_cut_into_sums():
    assert projections.splits_of(64, 2048, 5632, torch.bfloat16) == 4
    assert projections.splits_of(1, 2048, 5632, torch.bfloat16) == 1
    assert projections.splits_of(64, 32768, 2048, torch.bfloat16) == 1


@pytest.mark.no_shape_checks
def test_what_needs_one_vector_or_two_weights_says_so():
    x, weights = case(2, 8)
    with pytest.raises(ValueError, match="norm and residual are for one vector"):
        project(x, weights[:1], norm=x[0])
    with pytest.raises(ValueError, match=r"weights have \[5, 1, 37\] rows: gated is for two"):
        project(x, weights, gated=True)
    with pytest.raises(ValueError, match=r"residual is \(1, 4\)"):
        project(x[:1], weights[:1], residual=x[:1, :4])
