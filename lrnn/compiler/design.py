"""The pass that chooses: a target and a wish become a draft, or NotRealizable says why not."""

from __future__ import annotations

from collections.abc import Callable

from lrnn.compiler.complex_diagonal import complex_diagonal
from lrnn.compiler.diagonal import diagonal
from lrnn.compiler.draft import Draft
from lrnn.compiler.householder import householder
from lrnn.compiler.read import Target
from lrnn.compiler.states import dense, permutation_diagonal
from lrnn.compiler.wish import Structure, Wish
from lrnn.types import NotRealizable

STRUCTURES: dict[Structure, Callable[[Target, Wish], Draft]] = {
    "householder": householder,
    "complex_diagonal": complex_diagonal,
    "diagonal": diagonal,
    "permutation_diagonal": permutation_diagonal,
    "dense": dense,
}
"""How each structure is done; the order in which they are tried if none is named."""


def design(target: Target, wish: Wish) -> tuple[Structure, Draft]:
    """The structure, and the draft of a model with it.

    Raises NotRealizable with the reason of the structure named, or of all if none was.
    """
    if wish.structure is not None:
        return wish.structure, STRUCTURES[wish.structure](target, wish)
    reasons = []
    ranged = ("householder", "diagonal")
    for structure, make in STRUCTURES.items():
        if wish.eigenvalues == (0, 1) and structure not in ranged:
            continue  # the range would mean nothing
        try:
            return structure, make(target, wish)
        except NotRealizable as reason:
            reasons.append(str(reason))
    raise NotRealizable("; ".join(reasons))
