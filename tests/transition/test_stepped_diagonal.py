"""What a step and a rate say without being multiplied, beyond the laws of every structure."""

import pytest
import torch

from lrnn import Diagonal, SteppedDiagonal

step, rate = torch.rand(2, 9, 3), -torch.rand(3, 4)
A = SteppedDiagonal(step=step, rate=rate[None, None])


@pytest.mark.parametrize("index", [0, -1, slice(2, 5), (slice(None), 3), (1, slice(4)), (0, 2, 1)], ids=str)
def test_a_piece_keeps_the_rates_as_they_are(index):
    """No axis of size 1 grows, and what stays shared is no copy."""
    piece = A[index]
    assert torch.equal(piece.value, A.value[index])
    assert piece.rate.numel() <= rate.numel()
    assert piece.rate.untyped_storage().data_ptr() == rate.untyped_storage().data_ptr()


@pytest.mark.parametrize("index", [None, [1, 0], torch.tensor([1, 0]), (slice(None), torch.tensor([2, 2]))], ids=str)
def test_other_indices_are_those_of_the_matrices(index):
    assert torch.equal(A[index].value, A.value[index])


def test_steps_one_by_one():
    for t, A_t in enumerate(A.unbind(1)):
        assert torch.equal(A_t.value, A.value[:, t])


def test_it_widens_to_the_diagonal_of_the_product():
    wide = A.widen()
    assert isinstance(wide, Diagonal)
    assert torch.equal(wide.log_decay, step[..., None] * rate)
    assert isinstance(A @ A, Diagonal)


@pytest.mark.no_shape_checks
def test_faults():
    wanted = r"wanted \(2, 9, 3, 'K'\) \(that of step, or 1 on any axis, and K\)"
    for wrong in (rate, rate[None], torch.zeros(2, 9, 2, 4), torch.zeros(3, 1, 3, 4)):
        with pytest.raises(ValueError, match=rf"rate has shape .* {wanted}"):
            SteppedDiagonal(step=step, rate=wrong)
