"""Linear recurrent networks in which the state-transition matrix is an object you choose."""

from lrnn.explain import explain
from lrnn.recurrence import (
    Algorithm,
    Associative,
    Chunked,
    Output,
    Packing,
    Plan,
    Sequential,
    checked,
    plan,
    recurrence,
)
from lrnn.transition import (
    DPLR,
    ComplexDiagonal,
    Dense,
    Diagonal,
    Householder,
    PermutationDiagonal,
    Scalar,
    SteppedDiagonal,
    Transition,
)
from lrnn.types import NoKernel, NotRealizable

__version__ = "0.1.0"

__all__ = [
    "DPLR",
    "Algorithm",
    "Associative",
    "Chunked",
    "ComplexDiagonal",
    "Dense",
    "Diagonal",
    "Householder",
    "NoKernel",
    "NotRealizable",
    "Output",
    "Packing",
    "PermutationDiagonal",
    "Plan",
    "Scalar",
    "Sequential",
    "SteppedDiagonal",
    "Transition",
    "checked",
    "explain",
    "plan",
    "recurrence",
]
