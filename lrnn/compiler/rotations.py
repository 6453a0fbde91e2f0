"""One layer for a group, by orthogonal matrices of few reflections (margin mode).

Shapes: A letters · c elements of the cover.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from lrnn.automata import Group, Machine, real_irreps
from lrnn.compiler.codes import Field, head, naming, spread
from lrnn.compiler.draft import Draft, Layer
from lrnn.compiler.stream import code
from lrnn.compiler.turning import FAR_APART, Head, TurningHeads
from lrnn.explain.householders import Realization

MAX_CODES = 5040
"""No more elements of a cover than this get a unit of the MLP."""

MAX_ORDER = 240
"""Of larger groups no further representations are looked at."""


def group_of(machine: Machine) -> tuple[Group, np.ndarray]:
    """The group of what words do to the states, all letters being permutations, and the letters' elements in it.

    Raises ValueError above 5,040 elements.
    """
    group = Group.generated(machine.delta.T, name="group of the letters")
    number = {tuple(row): i for i, row in enumerate(group.permutations.tolist())}
    letters = np.array([number[tuple(column)] for column in machine.delta.T.tolist()])
    names = dict(enumerate(group.elements)) | dict(zip(letters.tolist(), machine.alphabet))
    group.elements = tuple(names[g] for g in range(group.order))  # messages speak of letters
    return group, letters


def rotations(machine: Machine, letters: Int[np.ndarray, "A"], made: Realization) -> Draft:
    """S_t = M_{x_t} … M_{x_1}, read by one key; a unit of the MLP per element of the cover names the label.

    Further heads with other representations of the group, of no more reflections, keep the codes further apart.

    Arguments:
        letters: their elements in the group of ``made``, that of :func:`group_of`.
    """
    matrices, elements = made.cover_elements(MAX_CODES)
    first = Head(made.matrices, matrices, spread(matrices))
    heads = TurningHeads((first,))
    if heads.gap < FAR_APART and made.group.order <= MAX_ORDER:
        heads = TurningHeads.far_apart(first, _others(made, letters, elements))
    states = made.group.permutations[elements, machine.start]
    labels = code(machine.num_labels)
    A, R = len(machine.alphabet), max(1, made.num_householders)
    field = Field({"action": A, "code": sum(heads.widths), "label": labels.shape[1]})
    units = naming(field, heads.codes, heads.gap, labels[machine.labels[states]], present="action")
    mixer, options = heads.mixer(R)
    space = " and ".join(f"R^{d}" for d in heads.widths)
    return Draft(
        field.dim,
        mixer,
        options,
        field.embedding(A),
        (Layer(heads.weights(field, "action", R), units),),
        head(field, labels),
        "margin",
        f"one layer, {len(matrices)} orthogonal matrices in {space} ({made.cover}), n_h = {R}",
    )


def _others(made: Realization, letters: Int[np.ndarray, "A"], elements: Int[np.ndarray, "c"]) -> list[Head]:
    """The irreducible representations in which every letter takes as few reflections."""
    found = []
    for representation in real_irreps(made.group):
        matrices = representation.matrices
        if 0 < representation.fixed_rank[letters].max() <= made.num_householders:
            found.append(Head(matrices[letters], matrices[elements], spread(matrices)))
    return found
