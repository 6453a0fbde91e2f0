"""A config refuses what is not legal, everything wrong at once, and has no option that would be ignored."""

import dataclasses

import pytest

from lrnn.layers import (
    MIXERS,
    AttentionConfig,
    DeltaNetConfig,
    GLAConfig,
    LRUConfig,
    Mamba2Config,
    MambaConfig,
    MLSTMConfig,
    PDSSMConfig,
    SDSSMConfig,
    SLSTMConfig,
)
from tests.layers.cases import NAMES

pytestmark = pytest.mark.no_shape_checks


def fields(name):
    return {field.name for field in dataclasses.fields(MIXERS[name].Config)}


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_legal_and_frozen(name):
    config = MIXERS[name].Config(dim=64)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.dim = 3  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "8", None])
def test_the_width_is_a_positive_integer(name, wrong):
    with pytest.raises(ValueError, match=r"Config: dim = .*: must be an integer >= 1"):
        MIXERS[name].Config(dim=wrong)


WRONG = {
    "eigenvalues": ((0, 2), r"must be one of \(0, 1\), \(-1, 1\)"),
    "beta_form": ("hard", "must be one of 'sigmoid', 'sharp', 'clamp', 'pinned'"),
    "decay_form": ("hard", "must be one of 'sigmoid', 'sharp', 'clamp', 'pinned'"),
    "initial_state": ("one", "must be one of 'zero', 'learned'"),
    "write": (1, "must be True or False"),
    "token_shift": ("yes", "must be True or False"),
    "conv_size": (-1, "must be an integer >= 0"),
    "key_activation": ("gelu", "must be one of 'silu', 'relu', 'elu', 'none'"),
    "num_angles": (0, "must be an integer >= 1 or None"),
    "diagonal": ("imaginary", "must be one of 'complex', 'real', 'signed', 'identity'"),
    "conv_place": ("output", "must be one of 'qkv', 'input'"),
    "value_activation": ("gelu", "must be one of 'silu', 'relu', 'elu', 'none'"),
    "key_norm": (None, "must be True or False"),
    "output_norm": ("rms", "must be True or False"),
    "output_gate": (0, "must be True or False"),
    "num_householders": (0, "must be an integer >= 1"),
    "num_heads": (0, "must be an integer >= 1"),
    "discretization": ("tustin", "must be one of 'euler', 'zoh'"),
    "key_dim": (0, "must be an integer >= 1"),
    "rope_base": (float("nan"), "must be a finite number"),
    "norm_power": (float("inf"), "must be a finite number"),
}


@pytest.mark.parametrize(("name", "field"), [(name, key) for name in NAMES for key in WRONG if key in fields(name)])
def test_a_wrong_value_names_field_value_and_what_is_legal(name, field):
    value, message = WRONG[field]
    with pytest.raises(ValueError, match=f"{field} = .*: {message}") as caught:
        MIXERS[name].Config(dim=16, **{field: value})
    assert repr(value) in str(caught.value)


def test_all_faults_come_at_once():
    with pytest.raises(ValueError, match=r"(?s)num_heads = 0.*eigenvalues = \(2, 3\).*beta_form = 'x'.*conv_size = -4"):
        DeltaNetConfig(dim=8, num_heads=0, eigenvalues=(2, 3), beta_form="x", conv_size=-4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeltaNetConfig(dim=10, num_heads=4), "num_heads = 4: must divide dim = 10"),
        (lambda: DeltaNetConfig(dim=8, write=False), "write = False: needs initial_state = 'learned'"),
        (lambda: MambaConfig(dim=8, write=False), "write = False: needs initial_state = 'learned'"),
        (lambda: SDSSMConfig(dim=8, write=False), "write = False: needs initial_state = 'learned'"),
        (
            lambda: PDSSMConfig(dim=8, initial_state="zero", write=False),
            "write = False: needs initial_state = 'learned'",
        ),
        (
            lambda: PDSSMConfig(dim=8, diagonal="identity", decay_form="clamp"),
            "decay_form = 'clamp': has no meaning where diagonal = 'identity'",
        ),
        (lambda: SDSSMConfig(dim=8, norm_power=0.5), "norm_power = 0.5: must be a number >= 1"),
        (lambda: SDSSMConfig(dim=8, state_dim=1), "state_dim = 1: must be >= 2"),
        (lambda: GLAConfig(dim=8, conv_place="input"), "conv_place = 'input': needs conv_size >= 1"),
        (lambda: DeltaNetConfig(dim=8, conv_size=0, conv_place="input"), "conv_place = 'input': needs conv_size >= 1"),
        (
            lambda: DeltaNetConfig(dim=8, initial_state="learned", write=False, value_activation="none"),
            "value_activation = 'none': needs write = True",
        ),
        (lambda: LRUConfig(dim=8, min_radius=0.9, max_radius=0.5), "must be 0 <= min_radius < max_radius <= 1"),
        (lambda: LRUConfig(dim=8, max_phase=7.0), "max_phase = 7.0: must be"),
        (lambda: AttentionConfig(dim=12, num_heads=4), "num_heads = 4: must cut dim = 12 into heads of even width"),
        (lambda: AttentionConfig(dim=8, rope_base=1.0), "rope_base = 1.0: must be a number > 1"),
        (lambda: SLSTMConfig(dim=4, num_heads=4), "num_heads = 4: must cut dim = 4 into heads of width >= 2"),
        (lambda: MLSTMConfig(dim=4, num_heads=4), "value_dim = 1: must be >= 2"),
    ],
)
def test_rules_between_fields(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_heads_of_any_size_if_both_sizes_are_given():
    assert DeltaNetConfig(dim=10, num_heads=4, key_dim=3, value_dim=5).state_shape == (4, 3, 5)


def test_published_sizes():
    assert DeltaNetConfig(dim=64).state_shape == (4, 16, 16)
    assert GLAConfig(dim=64).state_shape == (4, 8, 16)
    assert MambaConfig(dim=64).state_shape == (128, 16, 1)
    assert Mamba2Config(dim=64).state_shape == (4, 128, 32)
    assert MLSTMConfig(dim=64).state_shape == (4, 16, 17)


def test_lists_from_json_become_tuples():
    assert DeltaNetConfig(dim=8, eigenvalues=[-1, 1]) == DeltaNetConfig(dim=8, eigenvalues=(-1, 1))  # type: ignore[arg-type]


def test_options_without_meaning_do_not_exist():
    """A fixed A_t has no range to choose and no gate; attention has no state to start from; and so on."""
    nowhere = {
        "lru": {"eigenvalues", "beta_form", "decay_form", "write", "key_activation", "num_heads"},
        "aussm": {"eigenvalues", "beta_form", "decay_form", "key_activation"},
        "pdssm": {"eigenvalues", "beta_form", "key_activation"},
        "sdssm": {"eigenvalues", "beta_form", "decay_form", "key_activation"},
        "mamba": {"beta_form", "key_activation", "num_heads"},
        "mamba2": {"beta_form"},
        "gla": {"beta_form", "key_norm", "value_activation"},
        "deltanet": {"decay_form", "num_householders", "output_gate"},
        "deltaproduct": {"decay_form"},
        "rwkv7": {"decay_form", "conv_size"},
        "attention": {"eigenvalues", "initial_state", "write", "conv_size"},
        "lstm": {"eigenvalues", "num_heads", "write", "conv_size"},
        "slstm": {"eigenvalues", "write"},
    }
    for name, options in nowhere.items():
        assert not fields(name) & options, name
