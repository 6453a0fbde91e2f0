"""A recurrence computes every state of S_t = A_t S_{t-1} + W_t in some order of operations."""

from lrnn.recurrence.algorithm import Algorithm, Associative, Chunked, Sequential
from lrnn.recurrence.checks import checked
from lrnn.recurrence.choice import Plan, plan
from lrnn.recurrence.packing import Packing
from lrnn.recurrence.recurrence import Output, recurrence

__all__ = [
    "Algorithm",
    "Associative",
    "Chunked",
    "Output",
    "Packing",
    "Plan",
    "Sequential",
    "checked",
    "plan",
    "recurrence",
]
