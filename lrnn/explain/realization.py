"""Matrices for the letters of a group, products of few reflections, and the finite group that they generate.

Shapes: k number of letters · d dimension · c number of elements of the cover.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from lrnn.automata import Group

MAX_COVER = 20_000
"""Matrices that :meth:`Realization.cover_elements` lists at most."""


@dataclass(frozen=True, eq=False, repr=False)
class Realization:
    """Orthogonal matrices for the letters, all products of ``num_householders`` reflections, that know the group.

    The matrices generate a finite group, the cover, and matrix of a letter ↦ letter extends to a homomorphism of the
    cover onto the group of the letters: so the product of a word's matrices decides the product of the word, and
    S_t = M_{x_t} ⋯ M_{x_1} S_0 with S_0 = I is a state from which it can be read.
    """

    group: Group
    generators: Int64[np.ndarray, "k"]
    matrices: Float64[np.ndarray, "k d d"]
    """One for every generator, in the order given."""
    num_householders: int
    """The largest rank(M_s − I)."""
    cover: str
    """Where the matrices come from."""
    lower_bound: int
    """No one-layer network of fewer reflections per letter does it (one head; eigenvalues in [−1, 1])."""
    lower_bound_theorem: str

    def __repr__(self) -> str:
        number = self.num_householders if self.exact else f"{self.lower_bound}…{self.num_householders}"
        return f"Realization({self.group!r}, num_householders={number}, width={self.width}, {self.cover})"

    @property
    def width(self) -> int:
        """d: rows of the state."""
        return self.matrices.shape[-1]

    @property
    def exact(self) -> bool:
        """Is ``num_householders`` the least possible? If not, the least is not known to us."""
        return self.lower_bound == self.num_householders

    @cached_property
    def ranks(self) -> Int64[np.ndarray, "k"]:
        """rank(M_s − I): the reflections that each letter takes."""
        return ranks(self.matrices)

    def cover_elements(
        self, max_elements: int = MAX_COVER
    ) -> tuple[Float64[np.ndarray, "c d d"], Int64[np.ndarray, "c"]]:
        """All products of the matrices, the identity first, and the element of the group that each stands for.

        The state of the network takes these values and no others. Raises ValueError if they are more than
        ``max_elements``.
        """
        matrices, labels = np.eye(self.width)[None], np.zeros(1, dtype=np.int64)
        number = {_keys(matrices)[0]: 0}
        front = np.array([0])
        while front.size:
            products = (self.matrices[:, None] @ matrices[front]).reshape(-1, self.width, self.width)
            images = self.group.table[self.generators[:, None], labels[front]].ravel()
            fresh = {key: i for i, key in enumerate(_keys(products)) if key not in number}
            number |= {key: len(matrices) + i for i, key in enumerate(fresh)}
            if len(number) > max_elements:
                raise ValueError(f"the cover has more than {max_elements:,} elements; raise max_elements")
            chosen = list(fresh.values())
            front = np.arange(len(chosen)) + len(matrices)
            matrices = np.concatenate([matrices, products[chosen]])
            labels = np.concatenate([labels, images[chosen]])
        return matrices, labels


def ranks(matrices: Float64[np.ndarray, "k d d"]) -> Int64[np.ndarray, "k"]:
    """rank(M − I) of orthogonal matrices of finite order, whose eigenvalues are 1 or far from it."""
    return np.asarray(np.linalg.matrix_rank(matrices - np.eye(matrices.shape[-1]), tol=1e-6), dtype=np.int64)


def _keys(matrices: Float64[np.ndarray, "c d d"]) -> list[bytes]:
    rounded = np.rint(matrices.reshape(len(matrices), -1) * 1e6).astype(np.int64)
    return [row.tobytes() for row in rounded]
