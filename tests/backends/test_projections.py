"""Several projections in one kernel are those projections."""

import pytest
import torch

from lrnn.backends.triton.projections import project

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
