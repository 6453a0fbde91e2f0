"""Isomorphism: found maps keep products, relabeled groups are found, groups that look alike are told apart."""

import itertools

import numpy as np
import pytest

from lrnn.automata import Group, isomorphic
from lrnn.automata.group_families import dicyclic
from lrnn.automata.isomorphism import isomorphism
from tests.automata.presentations import central_product, matrices, product, relabeled, semidirect

RNG = np.random.default_rng(0)
HEISENBERG = matrices(3, [[[1, 1, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1], [0, 0, 1]]])


@pytest.mark.parametrize(
    "group",
    [
        *map(Group, ("Z1", "Z7", "Z2xZ2xZ2xZ2", "Z2xZ4xZ8", "D8", "S4", "A5", "S3xS3", "D4xZ4", "S5", "A6")),
        dicyclic(6),
        semidirect(9, 2),
        HEISENBERG,
        central_product(Group("D4"), Group("D4"), 2, 2),
    ],
    ids=lambda group: f"{group.name} {group.order}",
)
def test_a_relabeled_group_is_isomorphic_by_a_map_that_keeps_products(group):
    other = relabeled(group, RNG)
    image = isomorphism(group, other)
    assert image is not None
    assert sorted(image) == list(range(group.order))
    assert (image[group.table] == other.table[np.ix_(image, image)]).all()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Group("Z4"), Group("Z2xZ2")),
        (Group("D4"), dicyclic(2)),
        (Group("Z3xZ3xZ3"), HEISENBERG),  # as many elements of each order
        (semidirect(8, 5), Group("Z2xZ8")),  # M16: as many elements of each order
        (semidirect(4, 3, 4), product(dicyclic(2), Group("Z2"))),  # again
        (semidirect([2, 2], [[0, 1], [1, 0]], 4), Group("Z2xZ2xZ4")),
        (Group("D12"), product(dicyclic(3), Group("Z2"))),
        (central_product(Group("D4"), Group("D4"), 2, 2), central_product(Group("D4"), dicyclic(2), 2, 2)),
        (Group("Z6"), Group("Z7")),
        (Group("S5"), product(Group("A5"), Group("Z2"))),
        (matrices(5, [[[1, 1], [0, 1]], [[1, 0], [1, 1]]]), Group("S5")),
    ],
    ids=str,
)
def test_groups_that_are_not_isomorphic(left, right):
    assert not isomorphic(left, right)
    assert not isomorphic(right, left)


def test_it_agrees_with_trying_all_maps_of_generators():
    """Groups of order 8 and 12, against every pair of images of two elements that generate the first."""
    groups = [*map(Group, ("Z8", "Z2xZ4", "D4", "Z12", "Z2xZ6", "D6", "A4")), dicyclic(2), dicyclic(3)]
    for left, right in itertools.combinations_with_replacement(groups, 2):
        assert isomorphic(left, right) == (left.order == right.order and by_trying(left, right)) == (left is right)


def by_trying(left, right):
    pair = next([g, h] for g, h in itertools.product(range(left.order), repeat=2) if left.span(np.array([g, h])).all())
    for images in itertools.product(range(right.order), repeat=2):
        graph, queue = {0: 0}, [0]
        for g in queue:
            for s, t in zip(pair, images):
                target = graph.setdefault(int(left.table[s, g]), int(right.table[t, graph[g]]))
                if target != right.table[t, graph[g]]:
                    queue.clear()
                    break
                if len(graph) > len(queue):
                    queue.append(int(left.table[s, g]))
            if not queue:
                break
        if len(set(graph.values())) == left.order and all(
            graph[int(left.table[s, g])] == right.table[t, graph[g]] for g in graph for s, t in zip(pair, images)
        ):
            return True
    return False
