"""Generator sets: which elements, and that they generate."""

import itertools

import numpy as np
import pytest

from lrnn.automata import Group, generators


def closure(group: Group, letters: list[int]) -> set[int]:
    """All products, one multiplication at a time."""
    found, front = {group.identity}, [group.identity]
    while front:
        front = [p for p in {int(group.table[a, b]) for a in letters for b in front} if p not in found]
        found.update(front)
    return found


@pytest.mark.parametrize("name", ["S3", "S4", "S5"])
def test_swaps_and_three_permutations(name):
    group = Group(name)
    points = group.permutations.shape[1]
    swaps = generators(group, "swaps")
    pairs = {f"({i} {j})" for i, j in itertools.combinations(range(1, points + 1), 2)}
    assert {group.elements[g] for g in swaps} == {"()"} | pairs
    three = generators(group, "3-permutations")
    cycles = points * (points - 1) * (points - 2) // 3
    assert len(three) == 1 + len(pairs) + cycles
    assert (group.moved[three] <= 3).all()


@pytest.mark.parametrize("name", ["Z2", "Z60", "D4", "S3", "S5", "A5", "A4xZ5", "Z2xZ2", "S6"])
@pytest.mark.parametrize("seed", range(3))
def test_a_random_pair_generates(name, seed):
    group = Group(name)
    pair = generators(group, "two-random", seed)
    assert len(set(pair.tolist())) == 2
    assert len(closure(group, pair.tolist())) == group.order
    assert (pair == generators(group, "two-random", seed)).all()


def test_random_pairs_are_uniform_among_those_that_generate():
    group = Group("S3")
    legal = {pair for pair in itertools.combinations(range(6), 2) if len(closure(group, list(pair))) == 6}
    seen = [tuple(generators(group, "two-random", seed).tolist()) for seed in range(60 * len(legal))]
    counts = {pair: seen.count(pair) for pair in set(seen)}
    assert set(counts) == legal
    assert max(abs(count - 60) for count in counts.values()) < 5 * 60**0.5


def test_all_and_named():
    group = Group("S5")
    assert generators(group).tolist() == list(range(120))
    assert generators(group, "(1 2 3 4 5); (1 2)").tolist() == [group.element("(1 2 3 4 5)"), group.element("(1 2)")]
    product = Group("Z2xZ3")
    assert [product.elements[g] for g in generators(product, "1,0;0,1")] == ["1,0", "0,1"]


@pytest.mark.parametrize(
    ("name", "choice", "message"),
    [
        ("A5", "swaps", r"generators 'swaps' of A5 reach only 1 of its 60 elements; legal: all, swaps, 3-permutations"),
        ("Z60", "3-permutations", "reach only 1 of its 60"),
        ("S4", "(1 2);(3 4)", r"generators '\(1 2\);\(3 4\)' of S4 reach only 4 of its 24 elements"),
        ("S3", "everything", "generators: 'everything' unknown in S3; legal: all, swaps"),
        ("S3", "(1 2);(1 4)", r"generators: '\(1 4\)' unknown in S3"),
        ("S3", "", "generators: '' unknown in S3"),
        ("S3", " ; ", "generators: ' ; ' unknown in S3"),
        ("S3", "(1 2);(1 3);(1 2)", r"generators '\(1 2\);\(1 3\);\(1 2\)' name an element twice"),
        ("Z2xZ2xZ2", "two-random", "no two elements generate Z2xZ2xZ2; legal: all"),
    ],
)
def test_wrong_choices_are_told(name, choice, message):
    with pytest.raises(ValueError, match=message):
        generators(Group(name), choice)


def test_every_set_is_an_array_of_elements():
    for choice in ("all", "swaps", "3-permutations", "two-random"):
        found = generators(Group("S4"), choice)
        assert found.dtype == np.int64
        assert (np.diff(found) > 0).all()
