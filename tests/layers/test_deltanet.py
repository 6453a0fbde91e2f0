"""Reflections of the delta-rule mixers are reflections."""

import pytest
import torch

from lrnn import Householder
from lrnn.layers import DeltaNet, DeltaProduct
from tests.layers.cases import D, draw, make


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_pinned_reflections_are_orthogonal_in_every_dtype(dtype):
    """kᵀk is that of the rounded k: without this a bfloat16 key gives 1 % of decay or growth per token."""
    mixer = make("deltaproduct", {"eigenvalues": (-1, 1), "beta_form": "pinned"}).to(dtype)
    assert isinstance(mixer, DeltaProduct)
    A = mixer.drive(draw(2, 9, D).to(dtype)).A.to(torch.float64).dense()
    identity = torch.eye(A.shape[-1], dtype=torch.float64).expand(A.shape)
    slack = 1e-6 if dtype != torch.float64 else 1e-12
    torch.testing.assert_close(A @ A.mT, identity, rtol=0, atol=slack)


def test_the_write_key_is_the_reflector():
    """The recurrence knows the delta rule by that and does half the work."""
    mixer = make("deltanet")
    assert isinstance(mixer, DeltaNet)
    drive = mixer.drive(draw(2, 5, D))
    assert isinstance(drive.A, Householder)
    assert drive.A.k is drive.k


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keys_have_length_one_and_zero_keys_stay_zero(dtype):
    mixer = make("deltanet", {"key_activation": "relu"}).to(dtype)
    assert isinstance(mixer, DeltaNet)
    with torch.no_grad():
        dict(mixer.named_parameters())["projs.1.weight"][:6] = 0  # the keys of the first head
    x = draw(2, 5, D).to(dtype)
    x.requires_grad_()
    drive = mixer.drive(x)
    norms = drive.k.double().norm(dim=-1)
    assert (norms[:, :, 0] == 0).all()
    one = norms[:, :, 1][norms[:, :, 1] > 0]
    torch.testing.assert_close(one, torch.ones_like(one), rtol=1e-2 if dtype == torch.bfloat16 else 1e-9, atol=0)
    y, _ = mixer(x)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in mixer.parameters())
