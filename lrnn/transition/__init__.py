"""A transition is one structured matrix per time step."""

from lrnn.transition.base import Transition
from lrnn.transition.complex_diagonal import ComplexDiagonal
from lrnn.transition.dense import Dense
from lrnn.transition.diagonal import Diagonal
from lrnn.transition.dplr import DPLR
from lrnn.transition.householder import Householder
from lrnn.transition.permutation_diagonal import PermutationDiagonal
from lrnn.transition.scalar import Scalar
from lrnn.transition.stepped_diagonal import SteppedDiagonal

__all__ = [
    "DPLR",
    "ComplexDiagonal",
    "Dense",
    "Diagonal",
    "Householder",
    "PermutationDiagonal",
    "Scalar",
    "SteppedDiagonal",
    "Transition",
]
