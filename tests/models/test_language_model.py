"""The language model with every mixer: shapes, pieces, packing, seeds, drives, and what it refuses."""

import functools
import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from lrnn import Packing, recurrence
from lrnn.layers import MIXERS, DeltaNetConfig, LinearMixer, MambaConfig
from lrnn.models import LanguageModel, LanguageModelConfig
from tests.layers.cases import NAMES
from tests.models.small import blocks, small_config, small_model, words

assert_close = functools.partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mixer", NAMES)
def test_whole_pieces_and_packed_agree(mixer):
    model, tokens = small_model(mixer), words(1, 12)
    whole, state = model(tokens)
    assert whole.shape == (1, 12, 7)
    assert len(state) == 2
    first, between = model(tokens[:, :5])
    assert_close(torch.cat([first, model(tokens[:, 5:], between)[0]], dim=1), whole)
    packing = Packing((4, 1, 7))
    packed, _ = model(tokens, None, packing)
    for span in packing.spans:
        assert_close(packed[:, span], model(tokens[:, span])[0])


def test_the_definition_of_the_stack():
    model, tokens = small_model(), words(2, 5)
    x = model.embedding(tokens)
    for block in blocks(model):
        assert block.mlp is not None
        assert block.mlp_norm is not None
        x = x + block.mixer(F.rms_norm(x, (16,), block.norm.weight, 1e-5))[0]
        z = F.rms_norm(x, (16,), block.mlp_norm.weight, 1e-5)
        x = x + (F.silu(z @ block.mlp.gate.weight.T) * (z @ block.mlp.up.weight.T)) @ block.mlp.down.weight.T
    x = F.rms_norm(x, (16,), model.norm.weight, 1e-5)
    assert model.head is not None
    assert_close(model(tokens)[0], x @ model.head.weight.T)


def test_classes_ties_and_no_mlp():
    model = small_model(num_classes=3)
    assert model(words(2, 4))[0].shape == (2, 4, 3)
    tied = small_model(tie_weights=True)
    assert tied.head is None
    assert tied(words(2, 4))[0].shape == (2, 4, 7)
    assert "head.weight" not in tied.state_dict()
    bare = small_model(mlp_ratio=0)
    assert not any("mlp" in name for name in bare.state_dict())
    assert bare(words(2, 4))[0].shape == (2, 4, 7)


@pytest.mark.parametrize("mixer", NAMES)
def test_every_parameter_learns(mixer):
    model, tokens = small_model(mixer), words(3, 9)
    F.cross_entropy(model(tokens)[0].flatten(0, 1), tokens.flatten()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("mixer", NAMES)
def test_the_seed_decides_and_layers_differ(mixer):
    before = torch.get_rng_state()
    config = small_config(mixer)
    one, same, other = LanguageModel(config, seed=3), LanguageModel(config, seed=3), LanguageModel(config, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
    assert not torch.equal(one.embedding.weight, other.embedding.weight)
    layers = [dict(block.mixer.named_parameters()) for block in blocks(one)]
    assert any(not torch.equal(layers[0][name], layers[1][name]) for name in layers[0])


def test_the_global_random_state_does_not_matter():
    torch.manual_seed(0)
    one = LanguageModel(small_config())
    torch.manual_seed(1)
    two = LanguageModel(small_config())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))


def test_the_start():
    model = LanguageModel(LanguageModelConfig(vocab_size=500, dim=64, num_layers=2))
    assert model.head is not None
    for weight in (model.embedding.weight, model.head.weight):
        assert math.isclose(float(weight.detach().std()), math.sqrt(2 / (5 * 64)), rel_tol=0.05)
    down = torch.stack([block.mlp.down.weight.detach() for block in blocks(model) if block.mlp])
    assert math.isclose(float(down.std()), math.sqrt(2 / (5 * 64)) / math.sqrt(4), rel_tol=0.05)


def test_what_is_not_decayed():
    model = LanguageModel(small_config("mamba"))
    marked = {name for name, p in model.named_parameters() if getattr(p, "no_weight_decay", False)}
    assert {"norm.weight", "blocks.0.norm.weight", "blocks.1.mixer.A_log", "blocks.0.mixer.dt_proj.bias"} <= marked
    assert not {"embedding.weight", "head.weight", "blocks.0.mlp.down.weight", "blocks.0.mixer.in_proj.weight"} & marked


@pytest.mark.parametrize("mixer", NAMES)
def test_drives_are_what_the_layers_do(mixer):
    model, tokens = small_model(mixer), words(2, 6)
    drives = model.drives(tokens)
    assert len(drives) == 2
    _, state = model(tokens)
    for block, drive, after in zip(model.blocks, drives, state):
        if not issubclass(MIXERS[mixer], LinearMixer):
            assert drive is None
            continue
        assert drive is not None
        assert drive.A.leading[:2] == (2, 6)
        first = block.mixer.initial(2)  # type: ignore[union-attr,operator]
        again = recurrence(drive.A, drive.k, drive.v, drive.q, state=first, strength=drive.strength)
        assert_close(again.state, after.state)


def test_a_mixer_config_may_be_whole_or_a_dict():
    whole = LanguageModelConfig(vocab_size=3, dim=8, mixer_config=DeltaNetConfig(dim=8, num_heads=2))
    as_dict = LanguageModelConfig(vocab_size=3, dim=8, mixer_config={"num_heads": 2})
    assert whole == as_dict
    assert hash(whole) == hash(as_dict)
    assert as_dict.mixer_config == DeltaNetConfig(dim=8, num_heads=2)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size = 0: must be an integer >= 1"),
        ({"num_classes": 0}, "num_classes = 0: must be an integer >= 1"),
        ({"num_layers": 2.0}, "num_layers = 2.0: must be an integer >= 1"),
        ({"mixer": "manba"}, "mixer = 'manba': must be one of mamba, mamba2, gla"),
        ({"mixer_config": {"heads": 2}}, "mixer_config.heads is no option of deltanet: must be one of .*num_heads"),
        ({"mixer_config": {"num_heads": 0}}, "DeltaNetConfig: num_heads = 0: must be an integer >= 1"),
        ({"mixer_config": {"dim": 4}}, "mixer_config.dim = 4: must be dim = 8"),
        ({"mixer_config": MambaConfig(dim=8)}, "mixer_config is MambaConfig: mixer 'deltanet' takes DeltaNetConfig"),
        ({"mixer_config": DeltaNetConfig(dim=16)}, "mixer_config.dim = 16: must be dim = 8"),
        ({"mlp_ratio": -1}, "mlp_ratio = -1: must be a number >= 0"),
        ({"mlp_ratio": float("nan")}, "mlp_ratio = nan: must be a number >= 0"),
        ({"norm_eps": 0.0}, r"norm_eps = 0.0: must be a number in \(0, 1\)"),
        ({"tie_weights": "no"}, "tie_weights = 'no': must be True or False"),
        ({"tie_weights": True, "num_classes": 2}, "tie_weights = True: num_classes = 2 must be vocab_size = 3"),
        ({"vocab_size": -3, "mixer": "x", "norm_eps": 2.0}, "(?s)vocab_size = -3.*norm_eps = 2.0.*mixer = 'x'"),
    ],
)
def test_a_wrong_config_is_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        LanguageModelConfig(**{"vocab_size": 3, "dim": 8, **options})


@pytest.mark.no_shape_checks
def test_wrong_tokens_and_states_are_named():
    model = small_model()
    with pytest.raises(ValueError, match=r"tokens are in 0…7, wanted 0…6"):
        model(torch.tensor([[0, 7]]))
    with pytest.raises(ValueError, match=r"tokens are in -1…0"):
        model(torch.tensor([[-1, 0]]))
    with pytest.raises(ValueError, match=r"tokens have dtype torch\.float32"):
        model(torch.zeros(1, 2))
    with pytest.raises(ValueError, match=r"tokens have shape \(3,\), wanted \[B, T\]"):
        model(words(3))
    with pytest.raises(ValueError, match=r"tokens have shape \(1, 0\)"):
        model(words(1, 0))
    with pytest.raises(ValueError, match="state is of 1 layers, wanted 2"):
        model(words(1, 2), model(words(1, 2))[1][:1])
    with pytest.raises(ValueError, match=r"need x of shape"):
        model(words(1, 5), None, Packing((2, 2)))


def test_bfloat16_autocast_trains():
    model = LanguageModel(small_config(mixer_options={"eigenvalues": (-1, 1)}))
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = model(words(2, 20))
    logits.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


DEFAULT_DEVICE = """
import torch
from lrnn.layers import MIXERS
from lrnn.models import LanguageModel, LanguageModelConfig
for name, kind in MIXERS.items():
    learned = {"initial_state": "learned"} if hasattr(kind.Config, "initial_state") else {}
    config = LanguageModelConfig(vocab_size=3, dim=16, num_layers=1, mixer=name, mixer_config=learned)
    with torch.device("meta"):
        model = LanguageModel(config)
    assert {p.device.type for p in model.parameters()} == {"meta"}, name
"""


def test_the_default_device_is_honored():
    """The device without memory stands for any: what is drawn is drawn on the CPU and then moved.

    In a process of its own, for the poisoned torch.empty of the tests does not know the default device.
    """
    done = subprocess.run([sys.executable, "-c", DEFAULT_DEVICE], capture_output=True, text=True)
    assert not done.returncode, done.stderr
