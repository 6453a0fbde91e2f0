"""The laws of every mixer: one forward for whole words, pieces, single tokens, packed words and single rows."""

import copy
import functools

import pytest
import torch
from torch.utils._pytree import tree_leaves

from lrnn import Packing
from lrnn.layers import MIXERS, Attention, LinearMixer
from tests.layers.cases import CASES, LINEAR, NAMES, D, draw, make

assert_close = functools.partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
LAWS = {
    case: CASES[case] for case in CASES if not CASES[case][1] or "initial_state" in CASES[case][1] or "conv" in case
}


def pieces(mixer, x, cuts):
    state, ys = None, []
    for piece in x.split(cuts, dim=1):
        y, state = mixer(piece, state)
        ys.append(y)
    return torch.cat(ys, dim=1), state


def tensors(state):
    return [part for part in tree_leaves(state) if part is not None]


@pytest.mark.parametrize("case", LAWS)
def test_a_word_may_be_cut_anywhere(case):
    mixer, x = make(*LAWS[case]), draw(2, 12, D)
    y, state = mixer(x)
    for cuts in ([1] * 12, [5, 7], [1, 10, 1]):
        y_pieces, state_pieces = pieces(mixer, x, cuts)
        assert_close(y_pieces, y)
        assert_close(state_pieces, state)


@pytest.mark.parametrize("case", LAWS)
def test_packed_words_are_separate_words(case):
    mixer, x, packing = make(*LAWS[case]), draw(1, 12, D), Packing((4, 1, 5, 2))
    y, state = mixer(x, None, packing)
    for n, span in enumerate(packing.spans):
        y_word, state_word = mixer(x[:, span])
        assert_close(y[:, span], y_word)
        for packed, alone in zip(tensors(state), tensors(state_word), strict=True):
            got = packed[n : n + 1]
            if isinstance(mixer, Attention) and got.ndim == 4:  # filled from the right
                got = got[:, got.shape[1] - alone.shape[1] :]
            assert_close(got, alone)


@pytest.mark.parametrize("case", LAWS)
def test_packed_words_go_on_from_packed_states(case):
    mixer, x = make(*LAWS[case]), draw(1, 12, D)
    first, second = Packing((2, 1, 3)), Packing((1, 3, 2))
    y_first, state = mixer(x[:, :6], None, first)
    y_second, _ = mixer(x[:, 6:], state, second)
    for one, two in zip(first.spans, second.spans):
        word = torch.cat([x[:, :6][:, one], x[:, 6:][:, two]], dim=1)
        y = torch.cat([y_first[:, one], y_second[:, two]], dim=1)
        assert_close(y, mixer(word)[0])


@pytest.mark.parametrize("name", NAMES)
def test_one_row_of_a_batch_is_the_batch(name):
    mixer, x = make(name), draw(3, 9, D)
    y, state = mixer(x)
    for row in range(3):
        y_row, state_row = mixer(x[row : row + 1])
        assert_close(y[row : row + 1], y_row)
        assert_close([part[row : row + 1] for part in tensors(state)], tensors(state_row))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_future_is_seen(name):
    mixer, x = make(name), draw(2, 9, D)
    changed = x.clone()
    changed[:, 5:] = draw(2, 4, D, seed=1)
    assert_close(mixer(x)[0][:, :5], mixer(changed)[0][:, :5])
    assert (mixer(x)[0][:, 5:] - mixer(changed)[0][:, 5:]).abs().max() > 1e-3


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_has_a_gradient(case):
    mixer, x = make(*CASES[case]), draw(2, 9, D).requires_grad_()
    y, _ = mixer(x)
    (y * draw(*y.shape, seed=2)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


SMOOTH = {
    case: (name, options)
    for case, (name, options) in CASES.items()
    if name != "pdssm"  # its P_t jumps: what gradient it has instead is tested in test_pdssm.py
    and not {"pinned", "clamp", "relu"} & {*options.values()}
}


@pytest.mark.parametrize("case", [case for case in SMOOTH if case in LAWS or "eigenvalues" in case])
def test_gradients_are_the_slope(case):
    """Also through the states of two pieces; where a gate has no kink."""
    mixer, x = make(*SMOOTH[case]), draw(1, 9, D)
    weight, direction = draw(1, 9, D, seed=2), draw(1, 9, D, seed=3)

    def loss(shift):
        return (pieces(mixer, x + shift * direction, [4, 5])[0] * weight).sum()

    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    loss(shift).backward()
    step = 1e-5
    slope = (loss(torch.tensor(step)) - loss(torch.tensor(-step))) / (2 * step)
    torch.testing.assert_close(shift.grad, slope.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_weights_and_leaves_the_global_state_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = make(name, seed=0, shake=0), make(name, seed=0, shake=0), make(name, seed=1, shake=0)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))


@pytest.mark.parametrize("name", NAMES)
def test_one_dimensional_parameters_are_not_decayed(name):
    mixer = make(name, {"initial_state": "learned"} if name in LINEAR else None)
    marked = {key for key, p in mixer.named_parameters() if getattr(p, "no_weight_decay", False)}
    assert marked >= {key for key, p in mixer.named_parameters() if p.ndim < 2}
    assert not any(key.endswith("_proj.weight") and "norm" not in key for key in marked)
    if name in LINEAR:
        assert "initial_state" in marked
    expected = {"mamba": "A_log", "rwkv7": "removal_scale", "sdssm": "dictionary"}
    assert expected.get(name) in {None, *marked}


@pytest.mark.parametrize("name", LINEAR)
def test_a_learned_state_is_used_and_has_full_rank(name):
    mixer = make(name, {"initial_state": "learned"}, shake=0)
    assert isinstance(mixer, LinearMixer)
    H, K, V = mixer.config.state_shape
    S_0 = mixer.initial(2)
    assert S_0 is not None
    assert S_0.shape == (2, H, K, V)
    singular = torch.linalg.svdvals(S_0.detach())
    torch.testing.assert_close(singular, torch.ones_like(singular), rtol=1e-6, atol=1e-6)
    x = draw(2, 5, D)
    drive = mixer.drive(x)
    by_hand, _ = mixer.read(drive, S_0, None)
    assert_close(mixer(x)[0], mixer.readout(by_hand, x, drive))


@pytest.mark.parametrize("name", [name for name in LINEAR if name != "lru"])
def test_without_the_write_the_state_is_the_product_of_the_matrices(name):
    mixer = make(name, {"write": False, "initial_state": "learned"})
    assert isinstance(mixer, LinearMixer)
    x = draw(1, 5, D)
    _, after = mixer(x)
    S = mixer.initial(1)
    assert S is not None
    for A_t in mixer.drive(x).A.dense().unbind(1):
        S = A_t @ S
    assert_close(after.state, S)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision(name, dtype):
    """Outputs in the dtype of the model, states in float32 or better, values near those of float64."""
    mixer, x = make(name, shake=0.1), draw(2, 9, D)
    wanted, _ = mixer(x)
    y, state = copy.deepcopy(mixer).to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    if name in LINEAR:
        assert state.state.dtype in (torch.float32, torch.complex64)
    error = (y.double() - wanted).norm() / wanted.norm()
    assert error < (0.2 if dtype == torch.bfloat16 else 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_autocast(name):
    """Float32 weights and bfloat16 products, as the trainer does it."""
    mixer, x = make(name, shake=0.1), draw(2, 9, D).float()
    wanted, _ = mixer(x.double())
    mixer = copy.deepcopy(mixer).float()
    with torch.autocast("cpu", torch.bfloat16):
        y, state = mixer(x)
        _, _ = mixer(x, state)
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in mixer.parameters())
    assert (y.double() - wanted).norm() / wanted.norm() < 0.2


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_input_is_named(name):
    mixer = make(name)
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 15\), wanted \[B, T, 16\]"):
        mixer(draw(2, 3, 15))
    with pytest.raises(ValueError, match=r"x has shape \(2, 0, 16\)"):
        mixer(draw(2, 0, D))
    with pytest.raises(ValueError, match=r"packing lengths \(2, 2\) need x of shape \[1, 4, 16\]"):
        mixer(draw(1, 5, D), None, Packing((2, 2)))
    with pytest.raises(TypeError, match="wanted " + type(mixer.config).__name__):
        MIXERS[name](None)  # type: ignore[arg-type]


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("name", NAMES)
def test_a_state_of_another_batch_is_refused(name):
    mixer = make(name)
    _, state = mixer(draw(2, 5, D))
    with pytest.raises(ValueError, match=r"state|tail"):
        mixer(draw(3, 5, D), state)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_tells_equation_and_source(name):
    text = MIXERS[name].__doc__ or ""
    assert "Source:" in text
    assert "Start" in text or "start as" in text or "start in" in text
    assert "S_t" in text or "s_t" in text or "C_t" in text or "c_t" in text or "y_t" in text


@pytest.mark.compiled
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, while it traces
def test_compiled_is_eager():
    signed = {"eigenvalues": (-1, 1)}
    for name, options in (("gated_deltaproduct", signed), ("mamba", signed), ("pdssm", {}), ("aussm", {})):
        mixer, x = make(name, options), draw(2, 12, D)
        compiled = torch.compile(mixer, fullgraph=True, backend="aot_eager")
        assert_close(compiled(x)[0], mixer(x)[0])
