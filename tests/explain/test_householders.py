"""The least number of reflections per letter: known values, every realization multiplied out, every small group."""

import itertools

import numpy as np
import pytest

from lrnn.automata import Group
from lrnn.explain.four_dimensions import chief_series, two_in_four_dimensions
from lrnn.explain.householders import (
    components,
    householder_realization,
    lower_bound_of_heads,
    min_householders,
)
from lrnn.explain.realization import Realization


def assert_realized(made: Realization) -> None:
    """Orthogonal, of the ranks stated, and the matrix of a word decides its product."""
    dimension = made.width
    eye = np.eye(dimension)
    assert made.matrices.shape == (len(made.generators), dimension, dimension)
    assert np.abs(made.matrices @ made.matrices.transpose(0, 2, 1) - eye).max() < 1e-14
    singular = np.linalg.svd(made.matrices - eye, compute_uv=False)
    assert ((singular > 1e-6).sum(1) == made.ranks).all() and ((singular < 1e-12) | (singular > 1e-6)).all()
    assert made.ranks.max() == made.num_householders
    matrices, labels = made.cover_elements()
    known = {(matrix.round(4) + 0.0).tobytes(): label for matrix, label in zip(matrices, labels)}
    assert len(known) == len(matrices)
    for matrix, generator in zip(made.matrices, made.generators):
        for product, label in zip((matrix @ matrices).round(4) + 0.0, made.group.table[generator, labels]):
            assert known[product.tobytes()] == label
    assert set(labels.tolist()) == set(np.flatnonzero(made.group.span(made.generators)).tolist())


def elements(group: Group, *names: str) -> list[int]:
    return [group.element(name) for name in names]


S5, S6, A5, S4 = Group("S5"), Group("S6"), Group("A5"), Group("S4")

KNOWN = {
    # group, letters, least n_h, width
    "S5 swaps": (S5, np.flatnonzero(S5.moved == 2), 1, 4),
    "S5 all": (S5, np.arange(120), 4, 4),
    "S5 swap and five-cycle": (S5, elements(S5, "(1 2)", "(1 2 3 4 5)"), 4, 4),
    "S5 three points": (S5, np.flatnonzero(S5.moved <= 3), 2, 4),
    "S5 involutions": (S5, np.flatnonzero(S5.orders == 2), 2, 4),
    "S5 four-cycles": (S5, np.flatnonzero(S5.orders == 4), 3, 4),
    "S5xZ2 all": (Group("S5xZ2"), np.arange(240), 4, 4),
    "A5 all": (A5, np.arange(60), 2, 3),
    "A5 involutions": (A5, np.flatnonzero(A5.orders == 2), 1, 3),
    "S4 all": (S4, np.arange(24), 2, 3),
    "S4 involutions": (S4, np.flatnonzero(S4.orders == 2), 1, 3),
    "A4 all": (Group("A4"), np.arange(12), 2, 3),
    # an outer automorphism makes of (1 2 3 4 5 6) a product of a swap and a three-cycle
    "S6 swap and six-cycle": (S6, elements(S6, "(1 2)", "(1 2 3 4 5 6)"), 3, 5),
    "S6 neighbors": (S6, elements(S6, "(1 2)", "(2 3)", "(3 4)", "(4 5)", "(5 6)"), 1, 5),
    "A6": (Group("A6"), elements(Group("A6"), "(1 2 3)", "(2 3 4 5 6)"), 4, 5),
    "D7 mirrors": (Group("D7"), np.arange(7, 14), 1, 2),
    "D7 all": (Group("D7"), np.arange(14), 2, 2),
    **{f"Z{m}": (Group(f"Z{m}"), [1], 2, 2) for m in (3, 4, 5, 12, 60)},
    "Z12 all": (Group("Z12"), np.arange(12), 2, 2),
    "Z2": (Group("Z2"), [1], 1, 1),
    "Z2xZ2 basis": (Group("Z2xZ2"), [1, 2], 1, 2),
    "Z2xZ2 all": (Group("Z2xZ2"), [0, 1, 2, 3], 1, 3),
    "Z2xZ2xZ2 all": (Group("Z2xZ2xZ2"), np.arange(8), 1, 7),
    "Z3xZ3": (Group("Z3xZ3"), [1, 3], 2, 4),
    "nothing": (S5, [0, 0], 0, 1),
}


@pytest.mark.parametrize("case", KNOWN)
def test_known_values(case):
    group, letters, number, width = KNOWN[case]
    made = householder_realization(group, letters)
    assert (made.num_householders, made.lower_bound, made.exact) == (number, number, True)
    assert made.width == width
    assert min_householders(group, letters) == number
    assert_realized(made)


def quaternions() -> Group:
    return Group.generated([[1, 2, 3, 0, 7, 4, 5, 6], [4, 5, 6, 7, 2, 3, 0, 1]], name="Q8")


def dicyclic() -> Group:
    """Of order 12: a^6 = 1, b² = a³, b a b⁻¹ = a⁻¹, in S3 × Z4."""
    return Group.generated([[1, 2, 0, 5, 6, 3, 4], [1, 0, 2, 4, 5, 6, 3]], name="Dic3")


SMALL = [Group(f"Z{m}") for m in range(1, 13)]
SMALL += [Group(n) for n in "Z2xZ2 S3 Z4xZ2 Z2xZ2xZ2 D4 Z3xZ3 D5 Z6xZ2 D6 A4".split()]
SMALL += [quaternions(), dicyclic()]


def automorphisms(group: Group) -> list[np.ndarray]:
    """By the images of a few elements that generate the group."""
    chosen: list[int] = []
    while group.span(np.array(chosen, dtype=int)).sum() < group.order:
        chosen.append(int(np.argmin(group.span(np.array(chosen, dtype=int)))))
    found = []
    options = [np.flatnonzero(group.orders == group.orders[g]) for g in chosen]
    for images in itertools.product(*options):
        image = np.full(group.order, -1)
        image[0], front = 0, [0]
        for g in front:
            for s, t in zip(chosen, images):
                product = group.table[s, g]
                if image[product] < 0:
                    image[product] = group.table[t, image[g]]
                    front.append(int(product))
        if len(set(image.tolist())) == group.order and (image[group.table] == group.table[image][:, image]).all():
            found.append(image)
    return found


def generating_sets(group: Group) -> list[tuple[int, ...]]:
    """All with at most three elements, one of those that automorphisms exchange."""
    moves, seen, found = automorphisms(group), set(), []
    for k in (1, 2, 3):
        for letters in itertools.combinations(range(1, group.order), k):
            if letters in seen or not group.span(np.array(letters)).all():
                continue
            seen |= {tuple(sorted(move[list(letters)].tolist())) for move in moves}
            found.append(letters)
    return found


@pytest.mark.parametrize("group", SMALL, ids=lambda group: group.name)
def test_every_generating_set_of_every_group_of_order_up_to_twelve(group):
    """The matrices are right; what is said to be least is no more than any way we know; and all but Q8 and Dic3, the
    groups with quaternionic representations, are decided."""
    sets = generating_sets(group)
    assert sets or group.order == 1
    for letters in sets[:: 1 + len(sets) // 25]:
        made = householder_realization(group, list(letters))
        assert_realized(made)
        assert made.exact == (group.name not in ("Q8", "Dic3"))
        orders = group.orders[list(letters)]
        assert made.lower_bound >= (2 if orders.max() > 2 else 1)
        if group.abelian:  # every letter turns a plane of its own, or flips a line
            assert made.num_householders == (2 if orders.max() > 2 else 1)


@pytest.mark.parametrize("letters", [[1], [3], [1, 3], [2, 3, 7]], ids=str)
def test_repeated_letters_and_the_identity_change_nothing(letters):
    group = Group("D6")
    plain = householder_realization(group, letters)
    padded = householder_realization(group, [0, *letters, letters[0]])
    assert padded.num_householders == plain.num_householders and padded.width == plain.width
    assert (padded.matrices[0] == np.eye(plain.width)).all()
    assert (padded.matrices[-1] == padded.matrices[1]).all() and (padded.matrices[1:-1] == plain.matrices).all()


@pytest.mark.parametrize("letters", [[2, 3], [1, 2, 16], [5, 23]], ids=str)
def test_the_whole_group_does_not_matter(letters):
    """Letters need what the group that they generate needs."""
    group = Group("S4xZ2")
    inside = Group.generated(group.permutations[letters])
    numbers = [int(np.flatnonzero((inside.permutations == group.permutations[s]).all(1))[0]) for s in letters]
    outer, inner = householder_realization(group, letters), householder_realization(inside, numbers)
    assert (outer.num_householders, outer.lower_bound) == (inner.num_householders, inner.lower_bound)
    assert_realized(outer)


def test_parts_that_commute_are_placed_side_by_side():
    """In A4 × Z5 the generators of Z5 turn a plane of their own, and n_h is 2, not 4."""
    group = Group("A4xZ5")
    letters = elements(group, "(1 2 3),0", "(2 3 4),0", "(),1")
    made = householder_realization(group, letters)
    assert (made.num_householders, made.exact) == (2, True)
    assert_realized(made)
    assert sorted(len(part) for part in components(group, np.array(letters))) == [1, 2]


def test_what_is_not_known_is_not_claimed():
    """One head for S3 × S3 with all letters: 4 reflections do, and nothing we can prove forbids 2."""
    group = Group("S3xS3")
    made = householder_realization(group, range(36))
    assert (made.lower_bound, made.num_householders, made.exact) == (2, 4, False)
    assert repr(made) == "Realization(Group('S3xS3'), num_householders=2…4, width=4, representation of degree 4)"
    assert_realized(made)
    with pytest.raises(ValueError, match="is not known: at least 2, at most 4; see householder_realization"):
        min_householders(group, range(36))


BOUNDS = {
    "S5 all": (S5, range(120), 4),
    "S5 four-cycles": (S5, np.flatnonzero(S5.orders == 4), 3),
    "S5 swaps": (S5, np.flatnonzero(S5.moved == 2), 1),
    "S6": (S6, elements(S6, "(1 2)", "(1 2 3 4 5)", "(2 3 4 5 6)"), 4),
    "A5": (A5, range(60), 2),
    "S4": (S4, range(24), 2),
    "nothing": (S4, [0], 0),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bounds_for_any_number_of_heads(case):
    group, letters, number = BOUNDS[case]
    assert lower_bound_of_heads(group, letters).at_least == number


@pytest.mark.parametrize("name", ["Z12", "Z2xZ2xZ2", "S4", "A5", "S5", "A4xZ5", "D6", "S3xS3"])
def test_chief_series(name):
    """Normal subgroups, each in the next, and the orders of the factors multiply to that of the group."""
    group = Group(name)
    last = 1
    for below, above in chief_series(group):
        assert below.sum() == last and (above | ~below).all()
        inside = np.flatnonzero(above)
        conjugates = group.table[group.table[:, inside], group.inverses[:, None]]
        assert above[conjugates].all() and above[group.table[np.ix_(inside, inside)]].all()
        last = above.sum()
    assert last == group.order


def test_rotations_of_four_dimensions_pass():
    """Groups of rotations in three and four dimensions are not ruled out, and others are, with the reason."""
    for name in ("A5", "S4", "A4", "D7", "Z60", "S3xS3"):
        group = Group(name)
        assert two_in_four_dimensions(group, np.arange(1, group.order)) is None
    seven = Group.generated([[1, 2, 3, 4, 5, 6, 0], [0, 2, 4, 6, 1, 3, 5]], name="Z7:Z3")
    assert seven.order == 21
    assert "of order 7 on which it acts in 3 ways" in str(two_in_four_dimensions(seven, np.arange(1, 21)))
    assert "A5 on which it acts in 120 ways" in str(two_in_four_dimensions(S5, np.flatnonzero(S5.orders == 4)))


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("generators", "message"),
    [
        ([], "must be one or more element numbers; got \\[\\]"),
        ([6], "6 is no element of Group\\('S3'\\); legal: 0 … 5"),
        ([-1, 2], "-1 is no element"),
        ([0.5], "must be one or more element numbers"),
        ([[1, 2]], "must be one or more element numbers"),
    ],
)
def test_generators_that_are_none(generators, message):
    for function in (householder_realization, min_householders, lower_bound_of_heads):
        with pytest.raises(ValueError, match=message):
            function(Group("S3"), generators)


def test_a_cover_beyond_the_cap():
    made = householder_realization(A5, np.flatnonzero(A5.orders == 2))
    assert len(made.cover_elements()[0]) == 120
    with pytest.raises(ValueError, match="the cover has more than 100 elements; raise max_elements"):
        made.cover_elements(max_elements=100)
