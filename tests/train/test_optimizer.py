"""Every parameter is in one group, the right one; Muon moves matrices orthogonally."""

import pytest
import torch
from torch import nn

from lrnn.layers import MIXERS
from lrnn.models import LanguageModel, LanguageModelConfig
from lrnn.train import Muon, TrainConfig, build_optimizers, orthogonalize
from lrnn.train.optimizer import set_lr


def model_of(mixer, **options):
    return LanguageModel(LanguageModelConfig(vocab_size=3, dim=8, num_layers=2, mixer=mixer, **options))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("mixer", MIXERS)
def test_every_parameter_is_in_exactly_one_group(mixer, optimizer):
    model = model_of(mixer)
    config = TrainConfig(optimizer=optimizer, weight_decay=0.3, lr=0.5, muon_lr=0.7)
    groups = [group for each in build_optimizers(model, config) for group in each.param_groups]
    placed = [parameter for group in groups for parameter in group["params"]]
    assert len(placed) == len(set(placed))
    assert set(placed) == set(model.parameters())
    decayed = {p for group in groups if group["weight_decay"] for p in group["params"]}
    names = {parameter: name for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        if parameter.ndim < 2 or getattr(parameter, "no_weight_decay", False) or "embedding" in names[parameter]:
            assert parameter not in decayed, names[parameter]
    assert model.get_parameter("blocks.0.mlp.up.weight") in decayed
    assert all(group["weight_decay"] in (0.0, 0.3) for group in groups)


def test_the_transition_of_mamba_does_not_decay():
    model = model_of("mamba")
    (adamw,) = build_optimizers(model, TrainConfig(weight_decay=0.1))
    plain = next(group["params"] for group in adamw.param_groups if group["weight_decay"] == 0)
    for name in ("A_log", "D", "dt_proj.bias"):
        parameter = model.get_parameter(f"blocks.0.mixer.{name}")
        assert any(parameter is other for other in plain), name


@pytest.mark.parametrize("tie", [False, True])
def test_muon_gets_hidden_matrices_but_neither_embedding_nor_head(tie):
    model = model_of("deltanet", tie_weights=tie)
    muon, adamw = build_optimizers(model, TrainConfig(optimizer="muon", lr=0.1, muon_lr=0.2))
    assert isinstance(muon, Muon)
    moved = {id(p) for group in muon.param_groups for p in group["params"]}
    assert id(model.get_parameter("blocks.1.mlp.down.weight")) in moved
    assert id(model.embedding.weight) not in moved
    if model.head is not None:
        assert id(model.head.weight) not in moved
    else:  # then the last linear map is a hidden one like the others
        assert all(id(m.weight) in moved for m in model.modules() if isinstance(m, nn.Linear))
    set_lr([muon, adamw], 0.5)
    assert {group["lr"] for group in muon.param_groups} == {0.1}
    assert {group["lr"] for group in adamw.param_groups} == {0.05}


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (20, 5), (1, 7)])
def test_newton_schulz_brings_singular_values_near_one_and_keeps_the_singular_vectors(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    matrix = u @ torch.diag(s.clamp_min(0.1 * s.max())) @ vt
    found = orthogonalize(matrix)
    assert found.dtype == matrix.dtype
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    inside = u.mT @ found @ vt.mT  # diagonal if the singular vectors are kept
    assert (inside - inside.diagonal().diag()).abs().max() < 1e-9
    assert (inside.diagonal() > 0).all()


def test_a_zero_gradient_moves_nothing():
    assert orthogonalize(torch.zeros(3, 4)).abs().max() == 0


@pytest.mark.no_shape_checks
def test_muon_refuses_vectors():
    with pytest.raises(ValueError, match=r"got shapes \[\(3,\)\]"):
        Muon([nn.Parameter(torch.ones(3))])
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        orthogonalize(torch.ones(3))


def test_one_step_of_muon_is_its_equation():
    weight = nn.Parameter(torch.randn(6, 3, generator=torch.Generator().manual_seed(1)))
    before = weight.detach().clone()
    gradient = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    optimizer = Muon([weight], lr=0.1, momentum=0.9, weight_decay=0.5)
    weight.grad = gradient.clone()
    optimizer.step()
    first = orthogonalize(gradient + 0.9 * gradient)
    expected = before * (1 - 0.1 * 0.5) - 0.1 * 2**0.5 * first
    assert torch.allclose(weight, expected, atol=1e-6)
    weight.grad = gradient.clone()
    optimizer.step()
    momentum = 0.9 * gradient + gradient
    expected = expected * 0.95 - 0.1 * 2**0.5 * orthogonalize(gradient + 0.9 * momentum)
    assert torch.allclose(weight, expected, atol=1e-6)
