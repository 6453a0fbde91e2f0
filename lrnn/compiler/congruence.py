"""A congruence puts states into classes that every letter respects: the classes are states of a smaller machine.

Shapes: n states · Z letters.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int64

Classes = Int64[np.ndarray, "n"]

MAX_CONGRUENCES = 200
"""No more than so many are looked at; the search is for good ones, not for all."""

MAX_PAIRS = 600
"""No more than so many pairs of states are tried."""


def congruences(table: Int64[np.ndarray, "n Z"], start: int, views: Iterable[Classes] = ()) -> list[Classes]:
    """The trivial congruence, the views that are congruences, those that merging two states makes, and their joins."""
    found = {_key(np.arange(len(table)))} | {_key(view) for view in views if _respected(table, view)}
    pairs = [(start, q) for q in range(len(table)) if q != start]
    if not _is_transitive(table):  # else every class looks like that of the start
        others = [(p, q) for p in range(len(table)) for q in range(p) if start not in (p, q)]
        pairs += others[: max(0, MAX_PAIRS - len(pairs))]
    pairs = pairs if len(pairs) <= MAX_PAIRS else []
    principal = sorted({_key(merge(table, np.array([p]), np.array([q]))) for p, q in pairs})
    found |= set(principal)
    work = list(principal)
    while work and len(found) < MAX_CONGRUENCES:
        classes = np.array(work.pop())
        for other in principal:
            if (joined := _key(join(classes, np.array(other)))) not in found:
                found.add(joined)
                work.append(joined)
    return [np.array(classes) for classes in sorted(found)]


def merge(table: Int64[np.ndarray, "n Z"], left: np.ndarray, right: np.ndarray) -> Classes:
    """The finest congruence in which ``left[i]`` and ``right[i]`` are in one class."""
    classes = _connect(np.arange(len(table)), left, right)
    while True:
        first = np.unique(classes, return_index=True)[1]
        same = table[first[classes]]  # where the first of the class goes, the others of it must go too
        merged = _connect(classes, table.ravel(), same.ravel())
        if (merged == classes).all():
            return classes
        classes = merged


def join(classes: Classes, other: Classes) -> Classes:
    """The finest partition that is coarser than both; a congruence if they are."""
    first = np.unique(other, return_index=True)[1]
    return _connect(classes, np.arange(len(classes)), first[other])


def _connect(classes: Classes, left: np.ndarray, right: np.ndarray) -> Classes:
    """The classes after joining that of ``left[i]`` with that of ``right[i]``, numbered from 0 in order of states."""
    label = classes.copy()
    while True:
        low = np.minimum(label[left], label[right])
        new = np.arange(int(classes.max()) + 1)
        np.minimum.at(new, label[left], low)
        np.minimum.at(new, label[right], low)
        while (new[new] != new).any():
            new = new[new]
        if (new[label] == label).all():
            break
        label = new[label]
    return np.unique(label, return_inverse=True)[1].astype(np.int64)


def quotient(table: Int64[np.ndarray, "n Z"], classes: Classes) -> Int64[np.ndarray, "m Z"]:
    """The table of the classes."""
    first = np.unique(classes, return_index=True)[1]
    return classes[table[first]]


def meet(partitions: Iterable[Classes], size: int) -> Classes:
    """The coarsest partition that is finer than all of them."""
    classes = np.zeros(size, dtype=np.int64)
    for other in partitions:
        classes = np.unique(classes * (int(other.max()) + 1) + other, return_inverse=True)[1].astype(np.int64)
    return classes


def _respected(table: np.ndarray, classes: Classes) -> bool:
    return bool((classes[table] == quotient(table, classes)[classes]).all())


def _is_transitive(table: np.ndarray) -> bool:
    """Are all letters permutations of states that are all reached from one another?"""
    permutes = (np.sort(table, axis=0) == np.arange(len(table))[:, None]).all()
    if not permutes:
        return False
    linked = np.arange(len(table))
    for letter in table.T:
        linked = _connect(linked, np.arange(len(table)), letter)
    return bool((linked == 0).all())


def _key(classes: Classes) -> tuple[int, ...]:
    """The same partition, numbered by the first state of each class."""
    first, inverse = np.unique(classes, return_index=True, return_inverse=True)[1:]
    return tuple(np.argsort(np.argsort(first))[inverse].tolist())
