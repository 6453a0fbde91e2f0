"""Finite groups: the axioms over a table of names, and permutations multiplied by hand."""

import itertools
import math

import numpy as np
import pytest

from lrnn.automata import Group
from lrnn.automata.group import MAX_ORDER

ORDERS = {
    **{f"Z{m}": m for m in (1, 2, 3, 7, 60)},
    **{f"D{m}": 2 * m for m in (1, 2, 3, 4, 7)},
    **{f"S{n}": math.factorial(n) for n in (1, 2, 3, 4, 5)},
    **{f"A{n}": max(1, math.factorial(n) // 2) for n in (1, 2, 3, 4, 5)},
    "Z2xZ2": 4,
    "A4xZ5": 60,
    "S3xD3xZ2": 72,
}

every_group = pytest.mark.parametrize("name", ORDERS)


@every_group
def test_axioms(name):
    group = Group(name)
    table, every = group.table, np.arange(group.order)
    assert group.order == ORDERS[name] == len(set(group.elements))
    assert table.shape == (group.order, group.order)
    assert (table[group.identity] == every).all()
    assert (table[:, group.identity] == every).all()
    assert (table[every, group.inverses] == group.identity).all()
    assert (table[group.inverses, every] == group.identity).all()
    left = table[table[:, :, None], every]
    right = table[every[:, None, None], table[None]]
    assert (left == right).all()


@every_group
def test_the_permutations_say_the_same_as_the_table(name):
    """table[g, h] is h first, then g; and no two elements are the same permutation."""
    group = Group(name)
    composed = group.permutations[:, group.permutations]  # [g, h, point]: g at the image of the point under h
    assert (composed == group.permutations[group.table]).all()
    assert len(np.unique(group.permutations, axis=0)) == group.order
    assert (np.sort(group.permutations, axis=1) == np.arange(group.permutations.shape[1])).all()


@every_group
def test_orders_and_commuting(name):
    group = Group(name)
    for element in range(group.order):
        power, order = element, 1
        while power != group.identity:
            power, order = int(group.table[element, power]), order + 1
        assert group.orders[element] == order
    pairs = itertools.product(range(group.order), repeat=2)
    assert group.abelian == all(group.table[g, h] == group.table[h, g] for g, h in pairs)


@every_group
def test_products_are_those_of_a_loop(name):
    group = Group(name)
    words = np.random.default_rng(0).integers(0, group.order, (5, 13))
    for word, products in zip(words, group.products(words)):
        state = group.identity
        for letter, product in zip(word, products):
            state = group.table[letter, state]  # the newest on the left
            assert product == state


def test_facts_about_s5():
    """Histograms of the facts that the theory rests on: orders, and moved points 1, 0, 10, 20, 45, 44."""
    group = Group("S5")
    assert np.bincount(group.moved).tolist() == [1, 0, 10, 20, 45, 44]
    assert np.bincount(group.orders).tolist() == [0, 1, 25, 20, 30, 24, 20]
    assert not group.abelian


def test_names_of_elements():
    assert Group("Z3").elements == ("0", "1", "2")
    assert Group("D2").elements == ("r0", "r1", "s0", "s1")
    assert Group("A4").elements[:3] == ("()", "(2 3 4)", "(2 4 3)")
    assert Group("Z2xS2").elements == ("0,()", "0,(1 2)", "1,()", "1,(1 2)")
    group = Group("D5")
    rotation, mirror = group.element("r2"), group.element("s0")
    assert group.elements[group.table[rotation, mirror]] == "s2"
    assert group.elements[group.table[mirror, rotation]] == "s3"


def test_spans():
    group = Group("S4")
    even = group.span(np.array([group.element("(1 2 3)"), group.element("(2 3 4)")]))
    assert even.sum() == 12
    assert group.span(np.array([], dtype=int)).tolist() == [True] + [False] * 23


def test_equal_names_are_equal_groups():
    assert Group("z_2 × a4") == Group("Z2xA4")
    assert hash(Group("Z6")) == hash(Group("z6"))
    assert Group("Z6") != Group("Z2xZ3")
    assert repr(Group("s3")) == "Group('S3')"


def test_arrays_cannot_be_written():
    group = Group("S3")
    for array in (group.table, group.permutations, group.inverses, group.orders, group.moved):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("name", ["", "S", "5", "S0", "Z-3", "Q8", "S5x", "xS5", "S5+Z2", "S5 Z2", "Z2.5", "S5xfoo"])
def test_names_that_are_no_group(name):
    with pytest.raises(ValueError, match=r"is unknown; legal: Z_m, D_m \(order 2m\), S_n, A_n and direct products"):
        Group(name)


@pytest.mark.parametrize(("name", "order"), [("S8", "40,320"), ("Z5041", "5,041"), ("S5xS5", "14,400")])
def test_groups_that_are_too_large(name, order):
    with pytest.raises(ValueError, match=f"group '{name}' has {order} elements; the most is {MAX_ORDER:,}"):
        Group(name)


def test_the_largest_factor_is_refused_without_being_made():
    with pytest.raises(ValueError, match="the most is 5,040"):
        Group("S999999xZ2")


def test_an_element_that_is_not_there():
    with pytest.raises(ValueError, match=r"'\(1 9\)' is no element of S3; its elements are '\(\)', '\(2 3\)'"):
        Group("S3").element("(1 9)")


def test_generated_groups_have_the_axioms_and_conventions():
    rng = np.random.default_rng(0)
    for points, count in [(1, 1), (3, 1), (4, 2), (5, 2), (6, 1), (6, 2)]:
        generators = np.array([rng.permutation(points) for _ in range(count)])
        group = Group.generated(generators)
        composed = group.permutations[:, group.permutations]
        assert (composed == group.permutations[group.table]).all()
        assert (group.permutations[group.identity] == np.arange(points)).all()
        rows = group.permutations.tolist()
        assert rows == sorted(rows) and len(set(map(tuple, rows))) == group.order
        assert all(generator in rows for generator in generators.tolist())
        found = {tuple(range(points))}  # the closure, one product at a time
        while more := {tuple(g[h[p]] for p in range(points)) for g in generators.tolist() for h in found} - found:
            found |= more
        assert group.order == len(found)


@pytest.mark.parametrize("name", ["Z1", "Z6", "D5", "S4", "A5", "S3xZ4"])
def test_a_group_is_generated_by_its_own_permutations(name):
    group = Group(name)
    again = Group.generated(group.permutations, name=name)
    order = np.lexsort(group.permutations.T[::-1])
    assert (again.permutations == group.permutations[order]).all()
    number = np.argsort(order)
    assert (again.table == number[group.table[np.ix_(order, order)]]).all()
    assert (again == group) == (order == np.arange(group.order)).all()


def test_the_symmetric_group_comes_out_the_same_from_any_generators():
    swaps, cycle = [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]], [[1, 0, 2, 3], [1, 2, 3, 0]]
    group = Group.generated(swaps, name="S4")
    assert group == Group("S4")
    assert group.elements == Group("S4").elements
    assert (group.table == Group("S4").table).all()
    assert Group.generated(swaps) == Group.generated(cycle)
    assert Group.generated(swaps).name == "<(3 4), (2 3), (1 2)>"


def test_equal_names_do_not_make_generated_groups_equal():
    swap, cycle = Group.generated([[1, 0, 2]], name="G"), Group.generated([[1, 2, 0]], name="G")
    assert swap != cycle
    assert repr(swap) == "Group.generated('G')"


def test_no_permutations_generate_the_trivial_group():
    group = Group.generated(np.zeros((0, 3), dtype=int))
    assert (group.order, group.elements, group.name) == (1, ("()",), "<>")


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("rows", [[], [[]], [0, 1], [[0, 1], [0]], [[0.0, 1.0]]])
def test_permutations_that_are_no_table(rows):
    with pytest.raises(ValueError, match="permutations must be a table of integers"):
        Group.generated(rows)


def test_rows_that_are_no_permutation():
    with pytest.raises(ValueError, match=r"permutations\[1\] = \[0, 0, 1\] is no permutation of the points 0 … 2"):
        Group.generated([[1, 2, 0], [0, 0, 1]])


def test_generated_groups_that_are_too_large():
    with pytest.raises(ValueError, match="more than 5,040 elements"):
        Group.generated([[1, 2, 3, 4, 5, 6, 7, 0], [1, 0, 2, 3, 4, 5, 6, 7]])
    assert Group.generated([[1, 2, 3, 4, 5, 6, 0], [1, 0, 2, 3, 4, 5, 6]]).order == 5040
