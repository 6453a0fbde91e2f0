"""Names of groups: all 74 groups of order ≤ 24, from several presentations, under any numbering of their elements."""

import itertools
import math

import numpy as np
import pytest

from lrnn.automata import Group, center, identify, isomorphic
from lrnn.automata.direct_factors import direct_factors, normal_subgroups, prime_power_orders
from lrnn.automata.group_families import dicyclic, named_groups
from tests.automata.presentations import central_product, matrices, product, relabeled, semidirect

NUMBER_OF_GROUPS = [0, 1, 1, 1, 2, 1, 2, 1, 5, 2, 2, 1, 5, 1, 2, 1, 14, 1, 5, 1, 5, 2, 2, 1, 15]
"""Of order 0 … 24. Source: The OEIS, A000001."""

Q8 = dicyclic(2)
SWAP = [[0, 1], [1, 0]]
TURN = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
UPPER, LOWER = [[1, 1], [0, 1]], [[1, 0], [1, 1]]
CUBE = [[[0, 2, 0], [1, 0, 0], [0, 0, 1]], TURN]  # quarter turn and third of a turn, modulo 3
SL23 = matrices(3, [UPPER, LOWER])
TWO_SQUARES = [[1, 2, 3, 0, 4, 5, 6, 7], [0, 3, 2, 1, 4, 5, 6, 7], [4, 5, 6, 7, 0, 1, 2, 3]]


def involution(group):
    """The first element of order 2."""
    return group.orders.tolist().index(2)


NOT_ABELIAN = {
    "S3": [Group("D3"), semidirect(3, 2), matrices(2, [UPPER, LOWER])],
    "D4": [Group("D4"), semidirect(4, 3), semidirect([2, 2], SWAP), Group.generated([[1, 2, 3, 0], [0, 3, 2, 1]])],
    "Q8": [Q8, matrices(3, [[[0, 2], [1, 0]], [[1, 1], [1, 2]]])],
    "D5": [Group("D5"), semidirect(5, 4)],
    "D6": [Group("D6"), Group("S3xZ2"), semidirect(6, 5)],
    "A4": [Group("A4"), semidirect([2, 2], [[0, 1], [1, 1]])],
    "Dic3": [dicyclic(3), semidirect(3, 2, 4)],
    "D7": [Group("D7"), semidirect(7, 6)],
    "D8": [Group("D8"), semidirect(8, 7)],
    "Q16": [dicyclic(4)],
    "SD16": [semidirect(8, 3), matrices(3, [[[0, 1], [1, 1]], [[1, 0], [1, 2]]])],
    "M16": [semidirect(8, 5)],
    "Z4:Z4": [semidirect(4, 3, 4)],
    "(Z2xZ4):Z2": [semidirect([2, 2], SWAP, 4), semidirect([4, 2], [[1, 0], [1, 1]])],
    "D4oZ4": [central_product(Group("D4"), Group("Z4"), 2, 2), central_product(Q8, Group("Z4"), involution(Q8), 2)],
    "D4xZ2": [Group("Z2xD4"), semidirect([4, 2], [[3, 0], [0, 1]])],
    "Q8xZ2": [product(Q8, Group("Z2"))],
    "D9": [Group("D9"), semidirect(9, 8)],
    "S3xZ3": [Group("Z3xS3"), semidirect([3, 3], [[2, 0], [0, 1]])],
    "(Z3xZ3):Z2": [semidirect([3, 3], [[2, 0], [0, 2]])],
    "D10": [Group("D10"), Group("D5xZ2")],
    "Dic5": [dicyclic(5), semidirect(5, 4, 4)],
    "Z5:Z4": [semidirect(5, 2), semidirect(5, 3), Group.generated([[1, 2, 3, 4, 0], [0, 2, 4, 1, 3]])],
    "Z7:Z3": [semidirect(7, 2), semidirect(7, 4)],
    "D11": [Group("D11")],
    "S4": [Group("S4"), Group.generated([[1, 2, 3, 0], [1, 0, 2, 3]]), matrices(3, CUBE)],
    "SL(2,3)": [SL23],
    "A4xZ2": [Group("A4xZ2"), semidirect([2, 2, 2], TURN)],
    "D12": [Group("D12"), semidirect(12, 11)],
    "Dic6": [dicyclic(6)],
    "S3xZ2xZ2": [Group("D6xZ2"), Group("S3xZ2xZ2")],
    "S3xZ4": [Group("S3xZ4"), semidirect(12, 5)],
    "Dic3xZ2": [product(dicyclic(3), Group("Z2")), semidirect(6, 5, 4)],
    "D4xZ3": [Group("Z3xD4"), semidirect(12, 7)],
    "Q8xZ3": [product(Q8, Group("Z3"))],
    "Z3:Z8": [semidirect(3, 2, 8)],
    "(Z2xZ6):Z2": [semidirect([3, 2, 2], [[2, 0, 0], [0, 0, 1], [0, 1, 0]])],
}  # fmt: skip


def abelian_names(order):
    """One name for each chain of numbers > 1, each dividing the next, whose product is the order."""

    def chains(rest, last):
        if rest == 1:
            yield ()
        for m in range(2, rest + 1):
            if rest % m == 0 and m % last == 0:
                for chain in chains(rest // m, m):
                    yield (m, *chain)

    return ["x".join(f"Z{m}" for m in chain) or "Z1" for chain in chains(order, 1)]


SMALL = {name: groups[0] for name, groups in NOT_ABELIAN.items()} | {
    name: Group(name) for order in range(1, 25) for name in abelian_names(order)
}


def test_these_are_all_groups_of_order_up_to_24():
    """As many as there are, no two isomorphic (checked where the orders agree): so every such group is among them."""
    for order, number in enumerate(NUMBER_OF_GROUPS):
        groups = [group for group in SMALL.values() if group.order == order]
        assert len(groups) == number
        assert not any(isomorphic(*pair) for pair in itertools.combinations(groups, 2))


@pytest.mark.parametrize("name", SMALL)
def test_every_group_of_order_up_to_24_has_its_name_from_every_presentation(name):
    rng = np.random.default_rng(0)
    for group in NOT_ABELIAN.get(name, [SMALL[name]]):
        identity = identify(group)
        assert identity.name == name
        assert identify(relabeled(group, rng)) == identity
        assert identity.order == group.order
        assert identity.abelian == all((group.table[g] == group.table[:, g]).all() for g in range(group.order))


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Z2xZ2xZ60", Group("Z4xZ3xZ2xZ10")),
        ("D4xS3xZ5", Group("S3xZ5xD4")),
        ("S3xS3", Group("D3xS3")),
        ("S4xS3xZ2", Group("D6xS4")),
        ("A4xZ5", Group("Z5xA4")),
        ("SL(2,3)xZ4", product(Group("Z4"), SL23)),
        ("(Z7:Z3)xZ2xZ2", product(semidirect(7, 2), Group("Z2xZ2"))),
        ("GL(2,3)", matrices(3, [UPPER, LOWER, [[2, 0], [0, 1]]])),
        ("SL(2,5)", matrices(5, [UPPER, LOWER])),
        ("PSL(2,7)", matrices(2, [[[1, 1, 0], [0, 1, 0], [0, 0, 1]], TURN])),
        ("A5", Group.generated([[1, 2, 3, 4, 0], [1, 2, 0, 3, 4]])),
        ("S5xZ2", Group("Z2xS5")),
        ("Q8xQ8", product(Q8, Q8)),
        ("Z7:Z6", semidirect(7, 3)),
        ("Z13:Z4", semidirect(13, 5)),
        ("Z13:Z8[5]", semidirect(13, 5, 8)),
        ("Dic13", semidirect(13, 12, 4)),
        ("Z9:Z3", semidirect(9, 4)),
        ("SD32", semidirect(16, 7)),
        ("M32", semidirect(16, 9)),
        ("Q32", dicyclic(8)),
        ("Z8:Z4[3]", semidirect(8, 3, 4)),
        ("(Z2xZ2xZ2):Z7", semidirect([2, 2, 2], [[0, 0, 1], [1, 0, 1], [0, 1, 0]])),
        ("(Z3xZ3):Z3", matrices(3, [[[1, 1, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1], [0, 0, 1]]])),
        ("(Z2xZ2xZ2xZ2):D4", Group.generated(TWO_SQUARES)),
    ],
)  # fmt: skip
def test_larger_groups(name, group):
    assert identify(group).name == name
    assert identify(relabeled(group, np.random.default_rng(1))).name == name


def test_groups_over_a_center_without_complement():
    """The binary octahedral group, of unit quaternions as matrices modulo 7: (1 + i)/√2 and (−1 + i + j + k)/2."""
    octahedral = matrices(7, [[[5, 5], [2, 5]], [[2, 1], [0, 4]]])
    assert octahedral.order == 48 and (octahedral.orders == 2).sum() == 1
    assert identify(octahedral).name == "Z2.S4"
    both = central_product(SL23, Group("Z4"), involution(SL23), 2)
    assert identify(both).name == identify(relabeled(both, np.random.default_rng(2))).name == "Z4.A4"


@pytest.mark.parametrize(
    ("name", "solvable", "derived_length", "exponent"),
    [
        ("Z1", True, 0, 1),
        ("Z12", True, 1, 12),
        ("S4", True, 3, 12),
        ("A5", False, None, 30),
        ("S5", False, None, 60),
        ("D6", True, 2, 6),
    ],
)
def test_the_numbers(name, solvable, derived_length, exponent):
    identity = identify(Group(name))
    assert (identity.solvable, identity.derived_length, identity.exponent) == (solvable, derived_length, exponent)


def test_the_families_have_the_orders_they_say_and_do_not_repeat():
    for order in (6, 8, 12, 16, 24, 48, 60, 120, 336, 360, 480):
        unlike = dict(named_groups(order, order // 2))
        assert all(group.order == order and not group.abelian for group in unlike.values())
        assert not any(isomorphic(*pair) for pair in itertools.combinations(unlike.values(), 2))


def test_direct_factors_of_products_of_random_small_groups():
    """What comes out is what went in, up to isomorphism (Krull, Remak, Schmidt)."""
    rng = np.random.default_rng(0)
    atoms = [SMALL[name] for name in ("S3", "D4", "Q8", "A4", "Dic3", "Z7:Z3", "D5", "M16", "D4oZ4")]
    for _ in range(12):
        chosen = [atoms[i] for i in rng.choice(len(atoms), 2)]
        powers = rng.choice([2, 3, 4, 5, 8], 2).tolist()
        if math.prod([group.order for group in chosen] + powers) > 2000:
            continue
        whole = product(*chosen, *(Group(f"Z{q}") for q in powers))
        cyclic, others = direct_factors(whole)
        assert cyclic == sorted(powers)
        assert len(others) == 2
        assert any(all(map(isomorphic, others, order)) for order in itertools.permutations(chosen))


def test_prime_power_orders():
    assert prime_power_orders(Group("Z1")) == []
    assert prime_power_orders(Group("Z60xZ6xZ8")) == [2, 3, 3, 4, 5, 8]


def test_groups_with_too_many_normal_subgroups_are_not_guessed():
    with pytest.raises(ValueError, match="more than 10 normal subgroups"):
        normal_subgroups(Group("Z2xZ2xZ2xZ2"), most=10)
    assert len(normal_subgroups(Group("Z2xZ2xZ2"))) == 15  # the subspaces but for 0
    assert len(normal_subgroups(Group("S4"))) == 3
    assert len(normal_subgroups(Group("S4"), abelian=True)) == 1


def test_a_large_group_that_no_name_fits():
    """The extraspecial group of order 512: it has thousands of abelian normal subgroups, too many to choose from."""
    d4 = Group("D4")
    whole = d4
    for _ in range(3):
        whole = central_product(whole, d4, int(np.flatnonzero(center(whole))[1]), 2)
    identity = identify(whole)
    assert identity.name == "group of order 512"
    assert (identity.solvable, identity.derived_length, identity.exponent) == (True, 2, 4)


def test_cyclic_by_cyclic_groups_have_one_name_if_and_only_if_they_are_isomorphic():
    by_order = {}
    for m, k in itertools.product(range(3, 25), range(2, 13)):
        for r in range(2, m):
            if m * k <= 48 and math.gcd(r, m) == 1 and pow(r, k, m) == 1:
                by_order.setdefault(m * k, []).append(semidirect(m, r, k))
    assert sum(map(len, by_order.values())) > 80
    for groups in by_order.values():
        names = [identify(group).name for group in groups]
        for (one, other), (name, another) in zip(itertools.combinations(groups, 2), itertools.combinations(names, 2)):
            assert isomorphic(one, other) == (name == another)
