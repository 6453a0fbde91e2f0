"""A generator set: the elements of a group that serve as letters.

Shapes: k number of generators · n order of the group.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from lrnn.automata.group import Group

LEGAL_GENERATORS = (
    "all, swaps, 3-permutations, two-random, or names of elements separated by ';', as in '(1 2);(1 2 3 4 5)'"
)


def generators(group: Group, choice: str = "all", seed: int = 0) -> Int64[np.ndarray, "k"]:
    """The elements that ``choice`` names, in ascending order (named ones in the order given).

    Arguments:
        group: the group.
        choice: ``all`` elements; ``swaps``, the identity and the transpositions (11 in S5); ``3-permutations``, those
            that move at most three points (31 in S5); ``two-random``, a random pair that generates the group; or names
            of elements separated by ``;``.
        seed: decides the random pair; not read otherwise.

    Raises ValueError if the choice is unknown or does not generate the group.

    Source: Grazzi et al., "Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues", arXiv 2411.12537,
    section 5.2 (all, swaps, 3-permutations); Terzić et al., "Structured Sparse Transition Matrices to Enable State
    Tracking in State-Space Models", arXiv 2509.22284 (random generators).

    >>> [len(generators(Group("S5"), choice)) for choice in ("all", "swaps", "3-permutations", "two-random")]
    [120, 11, 31, 2]
    """
    every = np.arange(group.order)
    if choice == "two-random":
        return _random_pair(group, seed)
    if choice == "all":
        return every
    if choice in ("swaps", "3-permutations"):
        found = every[group.moved <= (2 if choice == "swaps" else 3)]
    else:
        found = _named(group, choice)
    reached = int(group.span(found).sum())
    if reached < group.order:
        raise ValueError(
            f"generators {choice!r} of {group.name} reach only {reached} of its {group.order} elements; "
            f"legal: {LEGAL_GENERATORS}"
        )
    return found


def _named(group: Group, choice: str) -> np.ndarray:
    names = [name.strip() for name in choice.split(";") if name.strip()]
    if not names or any(name not in group.elements for name in names):
        wrong = [name for name in names if name not in group.elements] or [choice]
        some = ", ".join(repr(element) for element in group.elements[:8])
        raise ValueError(
            f"generators: {', '.join(map(repr, wrong))} unknown in {group.name}; legal: {LEGAL_GENERATORS}; "
            f"elements of {group.name} are {some}{', …' if group.order > 8 else ''}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"generators {choice!r} name an element twice")
    return np.array([group.element(name) for name in names])


def _random_pair(group: Group, seed: int) -> np.ndarray:
    """Uniform over the generating pairs, by rejection.

    Tried in random order, so that a group which no pair generates is found out: all pairs where there are few, else
    ten thousand (in a group that two elements generate, the share of pairs that do is far above 1 / 10,000).
    """
    rng = np.random.default_rng(seed)
    first, second = (
        np.triu_indices(group.order, k=1) if group.order <= 1000 else rng.integers(0, group.order, (2, 10_000))
    )
    for pair in rng.permutation(len(first))[:10_000]:
        found = np.array(sorted((int(first[pair]), int(second[pair]))))
        if found[0] < found[1] and group.span(found).all():
            return found
    raise ValueError(f"generators 'two-random': no two elements generate {group.name}; legal: {LEGAL_GENERATORS}")
