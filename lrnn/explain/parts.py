"""Smaller machines that together know the state of a machine: each may be done by heads of its own.

Shapes: Q states · A letters · P pairs of states.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64

from lrnn.automata import Machine

Classes = Int64[np.ndarray, "Q"]

MOST_STATES = 30
"""States of a machine up to which its quotients are looked at."""

MOST_LETTERS = 6
"""Letters up to which every choice of those that shall permute is tried."""


def quotients(machine: Machine) -> Iterator[tuple[Classes, Machine]]:
    """Machines of fewer states to which the machine is mapped, with the class of each state.

    For every set of letters the finest one in which these letters permute and the others are constant, then those that
    identify two states. None above the caps.
    """
    delta, num_states, num_letters = machine.delta, machine.num_states, len(machine.alphabet)
    if num_states > MOST_STATES:
        return
    seen = {np.arange(num_states).tobytes(), np.zeros(num_states, dtype=np.int64).tobytes()}
    choices = itertools.product((True, False), repeat=num_letters) if num_letters <= MOST_LETTERS else ()
    candidates = itertools.chain(
        (permutation_reset(delta, np.array(permute)) for permute in choices),
        (identified(delta, np.array([pair])) for pair in itertools.combinations(range(num_states), 2)),
    )
    for classes in candidates:
        if classes.tobytes() not in seen:
            seen.add(classes.tobytes())
            first = np.unique(classes, return_index=True)[1]
            names = tuple(map(str, range(len(first))))
            yield (
                classes,
                Machine(
                    alphabet=machine.alphabet,
                    delta=classes[delta[first]],
                    start=int(classes[machine.start]),
                    labels=np.arange(len(first)),
                    names=names,
                ),
            )


def permutation_reset(delta: Int64[np.ndarray, "Q A"], permute: np.ndarray) -> Classes:
    """The finest quotient in which some letters permute the classes and all others are constant.

    >>> swap_or_reset = np.array([[1, 0], [0, 0], [3, 0], [2, 0]])
    >>> permutation_reset(swap_or_reset, np.array([True, False])).tolist()
    [0, 1, 2, 3]
    """
    images = delta[:, ~permute]
    pairs = np.stack([images[1:].ravel(), np.broadcast_to(images[:1], images[1:].shape).ravel()], axis=1)
    classes = identified(delta, pairs)
    while True:
        after = classes[delta[:, permute]]
        found = []
        for column in after.T:  # two states with images of one class must be of one class
            first = np.unique(column, return_index=True, return_inverse=True)
            found.append(np.stack([np.arange(len(column)), first[1][first[2]]], axis=1))
        merged = identified(delta, np.concatenate([*found, _pairs(classes)]))
        if (merged == classes).all():
            return classes
        classes = merged


def identified(delta: Int64[np.ndarray, "Q A"], pairs: Int64[np.ndarray, "P 2"]) -> Classes:
    """The finest quotient in which the states of each pair are one, classes numbered by their first states."""
    label = np.arange(len(delta))
    while True:
        before = label
        for p, q in pairs:
            low, high = sorted((label[p], label[q]))
            label = np.where(label == high, low, label)
        pairs = np.concatenate([np.stack([delta[:, a], delta[label, a]], axis=1) for a in range(delta.shape[1])])
        if (label == before).all() and (label[pairs[:, 0]] == label[pairs[:, 1]]).all():
            return np.unique(label, return_inverse=True)[1].astype(np.int64)


def meet(one: Classes, other: Classes) -> Classes:
    """States are in one class if they are in both."""
    return np.unique(one * (int(other.max()) + 1) + other, return_inverse=True)[1].astype(np.int64)


def _pairs(classes: Classes) -> Int64[np.ndarray, "P 2"]:
    """Each state with the first of its class."""
    first = np.unique(classes, return_index=True)[1]
    return np.stack([np.arange(len(classes)), first[classes]], axis=1)
