"""Analysis looks at what A_t and S_t became."""

from lrnn.analysis.eigenvalues import eigenvalues
from lrnn.analysis.norms import distance_from_orthogonal, rank_of_change, running_products, spectral_norm
from lrnn.analysis.portrait import portrait
from lrnn.analysis.study import Outcome, run_study
from lrnn.analysis.trained import beta_by_token, drives, eigenvalues_by_token, singular_values, states

__all__ = [
    "Outcome",
    "beta_by_token",
    "distance_from_orthogonal",
    "drives",
    "eigenvalues",
    "eigenvalues_by_token",
    "portrait",
    "rank_of_change",
    "run_study",
    "running_products",
    "singular_values",
    "spectral_norm",
    "states",
]
