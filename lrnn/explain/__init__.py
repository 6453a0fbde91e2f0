"""Explain says which transition structures can recognize a language, and by which theorem."""

from lrnn.explain.explanation import Explanation, explain
from lrnn.explain.facts import Facts
from lrnn.explain.theorems import THEOREMS, Theorem
from lrnn.explain.verdict import Answer, Verdict

__all__ = ["THEOREMS", "Answer", "Explanation", "Facts", "Theorem", "Verdict", "explain"]
