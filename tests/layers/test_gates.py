"""The forms of gates: their formulas, their ends, and gradients where a form promises one."""

import math

import pytest
import torch

from lrnn.layers.gates import Beta, activate, diagonal_decay, scalar_decay, signed_decay, step_size_bias, unit_gate

RANGES = [(0, 1), (-1, 1)]


ENDS = [("sigmoid", -88.8, 17.4), ("sharp", -8.88, 1.74), ("clamp", -1.2, 1.2)]


@pytest.mark.parametrize(("form", "lower", "upper"), ENDS)
def test_beta_reaches_its_ends_in_float32_where_the_table_says(form, lower, upper):
    assert unit_gate(torch.tensor(upper), form) == 1
    assert unit_gate(torch.tensor(lower), form) == 0
    inside = unit_gate(torch.tensor([lower, upper]) * 0.9, form)
    assert inside[0] > 0
    assert inside[1] < 1


def test_pinned_is_the_end_without_weights():
    beta = Beta(4, 3, "pinned", (-1, 1))
    assert not list(beta.parameters())
    assert torch.equal(beta(torch.randn(2, 5, 4)), torch.full((2, 5, 3), 2.0))


@pytest.mark.parametrize(("eigenvalues", "bound"), [((0, 1), 1.0), ((-1, 1), 2.0)])
def test_beta_is_the_bound_times_the_gate(eigenvalues, bound):
    beta, x = Beta(4, 3, "sigmoid", eigenvalues), torch.randn(2, 5, 4)
    assert beta.proj is not None
    torch.testing.assert_close(beta(x), bound * torch.sigmoid(beta.proj(x)))


def test_beta_is_never_rounded_to_16_bits():
    beta = Beta(4, 3, "sigmoid", (-1, 1)).bfloat16()
    assert beta(torch.randn(1, 2, 4, dtype=torch.bfloat16)).dtype == torch.float32


@pytest.mark.parametrize("eigenvalues", RANGES)
@pytest.mark.parametrize("form", ["sigmoid", "sharp", "clamp", "pinned"])
def test_decays_stay_in_their_range_and_reach_the_ends(form, eigenvalues):
    g = torch.cat([-torch.logspace(-12, 3, 400), torch.zeros(1)])
    a = signed_decay(g, form, eigenvalues)
    assert a.min() == eigenvalues[0]
    assert a.max() == 1
    rising = signed_decay(g.sort().values, form, eigenvalues)
    assert (rising.diff() >= 0).all()


@pytest.mark.parametrize(("form", "g"), [("sigmoid", -17.4), ("sharp", -1.74), ("clamp", math.log(1 / 12) - 1e-6)])
def test_minus_one_is_reached_where_the_table_says(form, g):
    assert signed_decay(torch.tensor(g), form, (-1, 1)) == -1
    assert signed_decay(torch.tensor(g * 0.9), form, (-1, 1)) > -1


def test_a_decay_near_one_keeps_its_distance():
    """1 - a is right to rounding, not lost in 2 e^g - 1."""
    g = torch.tensor(-1e-7)
    a = signed_decay(g.double(), "sigmoid", (-1, 1))
    torch.testing.assert_close(1 - a, 2e-7 * torch.ones((), dtype=torch.float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize("eigenvalues", RANGES)
@pytest.mark.parametrize("form", ["sigmoid", "sharp", "clamp", "pinned"])
def test_both_structures_hold_the_same_number(form, eigenvalues):
    g = -torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) * 3
    a = signed_decay(g, form, eigenvalues)
    torch.testing.assert_close(scalar_decay(g, form, eigenvalues, size=5).value, a, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(diagonal_decay(g[..., None], form, eigenvalues).value[..., 0], a, rtol=1e-6, atol=1e-6)


def test_pinned_decay_has_the_gradient_of_the_published_form():
    g = torch.tensor([-0.1, -3.0], requires_grad=True)
    a = signed_decay(g, "pinned", (-1, 1))
    assert a.tolist() == [1, -1]
    a.sum().backward()
    torch.testing.assert_close(g.grad, 2 * g.detach().exp())


@pytest.mark.parametrize("x", [-0.7, 0.0, 0.3])
def test_the_gradient_of_a_signed_decay_is_right_at_and_near_zero(x):
    """e^g = ½ is a = 0, where a logarithm alone would give 0 · inf."""
    g = torch.full((1, 1, 1, 1), math.log((1 + x) / 2), dtype=torch.float64, requires_grad=True)
    (3 * diagonal_decay(g, "sigmoid", (-1, 1)).value).sum().backward()
    torch.testing.assert_close(g.grad, 3 * 2 * g.detach().exp())


def test_activations():
    x = torch.tensor([-1.0, 0.0, 2.0])
    torch.testing.assert_close(activate(x, "silu"), x * x.sigmoid())
    assert activate(x, "relu").tolist() == [0, 0, 2]
    torch.testing.assert_close(activate(x, "elu"), torch.tensor([math.exp(-1.0), 1.0, 3.0]))
    assert activate(x, "none") is x


def test_step_sizes_are_log_uniform():
    torch.manual_seed(0)
    dt = torch.nn.functional.softplus(step_size_bias(4000))
    assert dt.min() >= 0.999e-3
    assert dt.max() <= 0.1001
    assert abs(dt.log().mean() - math.log(1e-2)) < 0.1
