"""Explain says which transition structures can recognize a language, and by which theorem."""

from lrnn.explain.explanation import Explanation, explain
from lrnn.explain.facts import Facts
from lrnn.explain.householders import householder_realization, min_householders
from lrnn.explain.realization import Realization
from lrnn.explain.theorems import THEOREMS, Theorem
from lrnn.explain.verdict import Answer, Verdict

__all__ = [
    "THEOREMS",
    "Answer",
    "Explanation",
    "Facts",
    "Realization",
    "Theorem",
    "Verdict",
    "explain",
    "householder_realization",
    "min_householders",
]
