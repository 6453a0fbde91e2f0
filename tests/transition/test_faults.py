"""A wrong structure is refused where it is made, with what came and what is wanted."""

import pytest
import torch

from lrnn import DPLR, ComplexDiagonal, Dense, Diagonal, Householder, PermutationDiagonal, Scalar

pytestmark = pytest.mark.no_shape_checks  # they would speak first

x = torch.zeros

FAULTS = {
    "scalar sign": (
        lambda: Scalar(log_decay=x(2, 3), sign=x(2), size=4),
        ValueError,
        r"sign has shape \(2,\), wanted \(2, 3\)",
    ),
    "scalar size": (lambda: Scalar(log_decay=x(2, 3), size=0), ValueError, "size is 0, wanted K >= 1"),
    "scalar both": (lambda: Scalar(log_decay=x(2), sign=x(3), size=0), ValueError, r"sign has .*; size is 0"),
    "diagonal sign": (
        lambda: Diagonal(log_decay=x(2, 3), sign=x(3)),
        ValueError,
        r"sign has shape \(3,\), wanted \(2, 3\)",
    ),
    "phase": (lambda: ComplexDiagonal(log_decay=x(2, 3), phase=x(2, 4)), ValueError, r"phase has shape \(2, 4\)"),
    "angles": (
        lambda: ComplexDiagonal(log_decay=x(2, 3), phase=x(2, 3), num_angles=-1),
        ValueError,
        "num_angles is -1, wanted m >= 1, or 0 for radians",
    ),
    "reflectors": (lambda: Householder(k=x(2, 0, 3), beta=x(2, 0)), ValueError, r"wanted \[\.\.\., R, K\] with R >= 1"),
    "vector": (lambda: Householder(k=x(3), beta=x(())), ValueError, r"k has shape \(3,\), wanted \[\.\.\., R, K\]"),
    "beta": (lambda: Householder(k=x(2, 1, 3), beta=x(2)), ValueError, r"beta has shape \(2,\), wanted \(2, 1\)"),
    "householder decay": (
        lambda: Householder(k=x(2, 1, 3), beta=x(2, 1), decay=Diagonal(log_decay=x(2, 4))),
        ValueError,
        r"decay is for leading axes and K \(2, 4\), wanted \(2, 3\)",
    ),
    "decay type": (
        lambda: Householder(k=x(2, 1, 3), beta=x(2, 1), decay=Dense(matrix=x(2, 3, 3))),  # type: ignore[arg-type]
        TypeError,
        "decay is Dense, wanted Scalar, Diagonal or None",
    ),
    "dplr a": (
        lambda: DPLR(decay=Diagonal(log_decay=x(2, 3)), a=x(2, 1, 4), b=x(2, 1, 3)),
        ValueError,
        r"a has shape \(2, 1, 4\), wanted \(2, 1, 3\)",
    ),
    "dplr b": (
        lambda: DPLR(decay=Diagonal(log_decay=x(2, 3)), a=x(2, 1, 3), b=x(2, 2, 3)),
        ValueError,
        r"b has shape \(2, 2, 3\), wanted \(2, 1, 3\)",
    ),
    "dplr decay": (
        lambda: DPLR(decay=x(2, 3), a=x(2, 1, 3), b=x(2, 1, 3)),  # type: ignore[arg-type]
        TypeError,
        "decay is Tensor, wanted Scalar",
    ),
    "index dtype": (
        lambda: PermutationDiagonal(index=x(2, 3), log_decay=x(2, 3)),
        ValueError,
        "index has dtype torch.float32, wanted torch.int64",
    ),
    "index shape": (
        lambda: PermutationDiagonal(index=x(3).long(), log_decay=x(2, 3)),
        ValueError,
        r"index has shape \(3,\), wanted \(2, 3\)",
    ),
    "square": (lambda: Dense(matrix=x(2, 3, 4)), ValueError, r"matrix has shape \(2, 3, 4\), wanted \[\.\.\., K, K\]"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault):
    make, kind, message = FAULTS[fault]
    with pytest.raises(kind, match=message):
        make()


def test_arguments_are_named():
    with pytest.raises(TypeError):
        Diagonal(x(2, 3))  # type: ignore[misc]
    with pytest.raises(TypeError, match="size"):
        Scalar(log_decay=x(2))  # type: ignore[call-arg]


def test_a_structure_does_not_change():
    A = Diagonal(log_decay=x(2, 3))
    with pytest.raises(AttributeError):
        A.log_decay = x(2, 3)  # type: ignore[misc]
