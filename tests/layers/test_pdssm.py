"""The gradient of PD-SSM is that of its one-hot matrices replaced by softmaxes (straight-through)."""

import pytest
import torch

from lrnn import Dense, Packing, PermutationDiagonal, Sequential, recurrence
from lrnn.layers import PDSSM, MixerState
from tests.layers.cases import D, draw, make

DIAGONALS = ["complex", "real", "signed", "identity"]


def dense_read(mixer, drive, state, packing=None):
    """The states of the dense matrices P D with P = one-hot + softmax - stop(softmax)."""
    soft = drive.skip[1].softmax(-2)
    one_hot = torch.nn.functional.one_hot(drive.A.index[:, :, 0], soft.shape[-1]).mT
    P = one_hot + soft - soft.detach()
    matrix = P[:, :, None] * drive.A.value[..., None, :]
    options = {"state": state, "packing": packing, "algorithm": Sequential()}
    return recurrence(Dense(matrix=matrix), drive.k, drive.v, None, **options)


def gradients(mixer, x, read, packing=None):
    drive = mixer.drive(x, None, packing)
    state = mixer.initial(x.shape[0] if packing is None else packing.num_words)
    y, last = read(drive, state, packing)
    out = mixer.readout(y, x, drive)
    loss = (out * draw(*out.shape, seed=2)).sum() + (last.abs() ** 2).sum()
    return out.detach(), torch.autograd.grad(loss, [x, *mixer.parameters()])


@pytest.mark.parametrize("packing", [None, Packing((4, 1, 6))])
@pytest.mark.parametrize(("initial_state", "write"), [("zero", True), ("learned", True), ("learned", False)])
@pytest.mark.parametrize("diagonal", DIAGONALS)
def test_the_gradient_is_that_of_dense_matrices_with_softmaxed_columns(diagonal, initial_state, write, packing):
    mixer = make("pdssm", {"diagonal": diagonal, "initial_state": initial_state, "write": write})
    assert isinstance(mixer, PDSSM)
    x = draw(2 if packing is None else 1, 11, D).requires_grad_()
    out, found = gradients(mixer, x, mixer.read, packing)
    wanted_out, wanted = gradients(mixer, x, lambda *given: dense_read(mixer, *given), packing)
    torch.testing.assert_close(out, wanted_out, rtol=1e-12, atol=1e-12)
    names = ["x", *(name for name, _ in mixer.named_parameters())]
    for name, got, want in zip(names, found, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")
    dictionary = found[names.index("dictionary")]
    assert dictionary.abs().max() > 0


def test_values_do_not_depend_on_whether_gradients_are_wanted():
    mixer, x = make("pdssm"), draw(2, 9, D)
    with torch.no_grad():
        quiet, state = mixer(x)
    y, last = mixer(x)
    assert torch.equal(y.detach(), quiet)
    assert torch.equal(last.state.detach(), state.state)


@pytest.mark.parametrize("diagonal", DIAGONALS)
def test_every_column_has_one_entry_of_at_most_one(diagonal):
    mixer = make("pdssm", {"diagonal": diagonal}, shake=2.0)
    assert isinstance(mixer, PDSSM)
    A = mixer.drive(draw(3, 9, D)).A
    assert isinstance(A, PermutationDiagonal)
    assert A.complex == (diagonal == "complex")
    dense = A.dense().detach()
    assert ((dense != 0).sum(-2) <= 1).all()
    assert dense.abs().max() <= 1 + 1e-12
    if diagonal == "identity":
        assert (dense.sum(-2) == 1).all()
    elif diagonal == "signed":
        assert dense.min() < 0
    elif diagonal == "real":
        assert dense.min() == 0


def test_the_state_handed_on_is_the_state_before_the_first_token_of_the_next_piece():
    """Also for the gradient of P_t, which is made of the state before it."""
    mixer = make("pdssm")
    x = draw(1, 8, D)
    dictionary = dict(mixer.named_parameters())["dictionary"]
    y, _ = mixer(x)
    (whole,) = torch.autograd.grad(y[:, 5:].sum(), dictionary)
    first, state = mixer(x[:, :5])
    assert isinstance(state, MixerState)
    second, _ = mixer(x[:, 5:], state)
    (pieces,) = torch.autograd.grad(second.sum() + 0 * first.sum(), dictionary)
    torch.testing.assert_close(pieces, whole, rtol=1e-9, atol=1e-9)
