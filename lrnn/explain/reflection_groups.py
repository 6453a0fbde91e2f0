"""Which letters can be lifted to reflections: the case n_h = 1, decided exactly.

Shapes: k number of letters · r rank of a reflection group · R number of its reflections.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64, Int, Int64

from lrnn.automata import Group
from lrnn.automata.permutations import closure


@dataclass(frozen=True, eq=False)
class ReflectionGroup:
    """A finite irreducible reflection group W: its reflections, as matrices and as permutations of its roots."""

    name: str
    order: int
    matrices: Float64[np.ndarray, "R r r"]
    permutations: Int64[np.ndarray, "R _"]
    orders: Int64[np.ndarray, "R R"]
    """The order of t t' for every two reflections."""
    classes: tuple[int, ...]
    """One reflection of each conjugacy class."""

    @property
    def rank(self) -> int:
        """Dimension of the space it acts on."""
        return self.matrices.shape[-1]


@dataclass(frozen=True, eq=False)
class ReflectionLift:
    """A reflection for every letter: t_i ↦ s_i extends to a homomorphism of the group that they generate."""

    name: str
    matrices: Float64[np.ndarray, "k r r"]


def reflection_lift(group: Group, letters: Int[np.ndarray, "k"]) -> ReflectionLift | None:
    """Reflections t_i of a finite reflection group W with t_i ↦ s_i a homomorphism of W, or None: there are none.

    Arguments:
        group: the group of the letters.
        letters: different elements of order 2, connected: any two of them are joined by a chain in which no neighbors
            commute (see :func:`lrnn.explain.householders.components`).

    The answer None is a proof, by exhaustion. Reflections that commute are the same or perpendicular, so connected
    letters need an irreducible W; it acts on the span of the k roots, so its rank is at most k. If the kernel of
    W → G is larger than {1, −1} and rank W ≥ 3, then by the list of normal subgroups either the images of the
    reflections are all the same, or not connected, or one is the identity; or W is A₃, B_r or D_r, and the letters are
    also images of reflections of S₃, S₄ or S_r acting in fewer dimensions. So it is enough to look at those W whose
    order is |G| or 2 |G|, and in rank 2 at the dihedral group of order |G|. In rank ≥ 3 t t' has the same order as
    s s', since t t' fixes a vector and no power of it is −1.

    Source: J. E. Humphreys, "Reflection Groups and Coxeter Groups" (Cambridge 1990), sections 1.14, 2.7–2.13 (that all
    reflections of ⟨t_i⟩ are conjugates of the t_i; the list of the irreducible groups).
    """
    if len(letters) == 1:
        return ReflectionLift("A1", np.full((1, 1, 1), -1.0))
    span = group.span(letters)
    for reflections in _candidates(int(span.sum()), int(group.orders[span].max()), rank=len(letters)):
        for images in _assignments(group, letters, reflections):
            return ReflectionLift(reflections.name, reflections.matrices[images])
    return None


def _candidates(size: int, longest: int, rank: int) -> Iterator[ReflectionGroup]:
    if 2 * longest == size >= 6:  # as in a dihedral group
        yield _made(f"I2({size // 2})")
    for r in range(3, rank + 1):
        orders = {f"A{r}": math.factorial(r + 1), f"B{r}": 2**r * math.factorial(r)}
        if r >= 4:
            orders[f"D{r}"] = 2 ** (r - 1) * math.factorial(r)
        orders |= {3: {"H3": 120}, 4: {"F4": 1152, "H4": 14400}, 6: {"E6": 51840}}.get(r, {})
        # E7 (2,903,040) and E8 are beyond twice the order of any Group.
        yield from (_made(name) for name, order in orders.items() if order in (size, 2 * size))


def _assignments(group: Group, letters: np.ndarray, reflections: ReflectionGroup) -> Iterator[np.ndarray]:
    """All ways to give every letter a reflection, up to conjugation, that extend to a homomorphism."""
    order, num_generators = _generators_first(group, letters)
    s = letters[order]
    products = group.orders[group.table[np.ix_(s, s)]]
    every = np.arange(len(reflections.matrices))

    def extend(images: list[int], known: np.ndarray | None) -> Iterator[np.ndarray]:
        """``known``: the image in G of every reflection of the group generated so far, −1 outside of it."""
        depth = len(images)
        if depth == num_generators:
            known = _extension(group, s[:depth], reflections, images)
            if known is None:
                return
        if depth == len(s):
            yield np.array(images)[np.argsort(order)]
            return
        fits = (reflections.orders[:, images] == products[depth, :depth]).all(1)
        if known is not None:
            for reflection in every[known == s[depth]]:
                yield from extend([*images, int(reflection)], known)
            fits &= known < 0
        for reflection in every[fits] if depth else reflections.classes:
            longer = [*images, int(reflection)]
            if known is None:
                yield from extend(longer, None)
            elif (more := _extension(group, s[: depth + 1], reflections, longer)) is not None:
                yield from extend(longer, more)

    yield from extend([], None)


def _extension(group: Group, s: np.ndarray, reflections: ReflectionGroup, images: list[int]) -> np.ndarray | None:
    """What t_i ↦ s_i makes of every reflection in ⟨t_i⟩ (−1 for the others), or None if it is no homomorphism.

    It is one if ⟨(t_i, s_i)⟩ has no more elements than ⟨t_i⟩.
    """
    t, points = reflections.permutations[images], reflections.permutations.shape[1]
    try:
        size = len(closure(t, reflections.order))
        pairs = closure(np.concatenate([t, points + group.permutations[s]], axis=1), max_order=size)
    except ValueError:  # more than that
        return None
    image = {row[:points].tobytes(): row[points:] - points for row in pairs}
    number = {row.tobytes(): g for g, row in enumerate(group.permutations)}
    found = [image.get(row.tobytes()) for row in reflections.permutations]
    return np.array([-1 if row is None else number[row.tobytes()] for row in found])


def _generators_first(group: Group, letters: np.ndarray) -> tuple[np.ndarray, int]:
    """An order of the letters in which the first few generate the rest, each not commuting with one before it."""
    commute = group.table[np.ix_(letters, letters)] == group.table[np.ix_(letters, letters)].T
    order, rest = [0], list(range(1, len(letters)))
    num_generators = 1
    span = group.span(letters[order])
    while rest:
        new = [i for i in rest if not span[letters[i]]]
        joined = [i for i in new or rest if not commute[i, order].all()]
        order.append((joined or new or rest)[0])
        rest.remove(order[-1])
        if new:
            num_generators = len(order)
            span = group.span(letters[order])
    return np.array(order), num_generators


@cache
def _made(name: str) -> ReflectionGroup:
    """A group by its Coxeter diagram: simple roots with −cos(π/m) between them, closed under their reflections."""
    gram = -np.cos(np.pi / coxeter_matrix(name))
    simple = np.linalg.cholesky(gram)
    roots = {_key(root): root for root in simple}
    front = list(simple)
    while front:
        images = [root - 2 * (root @ mirror) * mirror for root in front for mirror in simple]
        fresh = {_key(image): image for image in images if _key(image) not in roots}
        roots |= fresh
        front = list(fresh.values())
    number = {key: i for i, key in enumerate(roots)}
    vectors = np.stack(list(roots.values()))
    mirrors = [i for i, root in enumerate(vectors) if i < number[_key(-root)]]
    eye = np.eye(len(simple))
    matrices = np.stack([eye - 2 * np.outer(vectors[i], vectors[i]) for i in mirrors])
    permutations = np.array([[number[_key(image)] for image in vectors @ matrix] for matrix in matrices])
    # t t' turns a plane by twice the angle between the roots, which is a multiple of π/m if its order is m.
    half_turns = np.arccos(np.clip(vectors[mirrors] @ vectors[mirrors].T, -1, 1)) / np.pi
    orders = np.zeros((len(mirrors), len(mirrors)), dtype=np.int64)
    for m in range(len(vectors), 0, -1):
        turns = m * half_turns
        orders[np.abs(turns - np.rint(turns)) < 1e-6] = m
    # Reflections are conjugate if their roots, up to sign, are in one orbit: t maps root p to permutations[t, p].
    mirror_of = np.empty(len(vectors), dtype=np.int64)
    for i, root in enumerate(mirrors):
        mirror_of[[root, number[_key(-vectors[root])]]] = i
    moved = mirror_of[permutations[:, mirrors]]
    classes = np.arange(len(mirrors))
    for _ in mirrors:
        classes = classes[moved].min(0)
    representatives = tuple(int(i) for i in np.unique(classes))
    return ReflectionGroup(name, group_order(name), matrices, permutations, orders, representatives)


def _key(vector: Float64[np.ndarray, "r"]) -> tuple[float, ...]:
    return tuple((vector.round(6) + 0.0).tolist())


def group_order(name: str) -> int:
    """The number of elements of an irreducible reflection group.

    >>> [group_order(name) for name in ("I2(5)", "A4", "B3", "D4", "H3", "F4")]
    [10, 120, 48, 192, 120, 1152]
    """
    if name.startswith("I2"):
        return 2 * int(name[3:-1])
    r = int(name[1:])
    orders = {"A": math.factorial(r + 1), "B": 2**r * math.factorial(r), "D": 2 ** (r - 1) * math.factorial(r)}
    return orders.get(name[0]) or {"H3": 120, "H4": 14400, "F4": 1152, "E6": 51840}[name]


def coxeter_matrix(name: str) -> Int64[np.ndarray, "r r"]:
    """The orders of s_i s_j for the simple reflections of A_r, B_r, D_r, E6, F4, H3, H4, I2(m).

    >>> coxeter_matrix("H3").tolist()
    [[1, 3, 2], [3, 1, 5], [2, 5, 1]]
    """
    kind, r = (name[0], 2) if name.startswith("I2") else (name[0], int(name[1:]))
    edges = {(i, i + 1): 3 for i in range(r - 1)}
    if kind == "I":
        edges[0, 1] = int(name[3:-1])
    elif kind in "BH":
        edges[r - 2, r - 1] = 4 if kind == "B" else 5
    elif kind == "F":
        edges[1, 2] = 4
    elif kind in "DE":
        del edges[r - 2, r - 1]
        edges[r - 3 if kind == "D" else 2, r - 1] = 3
    matrix = np.full((r, r), 2, dtype=np.int64)
    np.fill_diagonal(matrix, 1)
    for (i, j), order in edges.items():
        matrix[i, j] = matrix[j, i] = order
    return matrix
