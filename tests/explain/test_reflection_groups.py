"""Which letters lift to reflections: the reflection groups themselves, and the answer against brute force."""

import itertools

import numpy as np
import pytest

from lrnn.automata import Group
from lrnn.explain.householders import components
from lrnn.explain.reflection_groups import _made, coxeter_matrix, group_order, reflection_lift

NAMES = ["I2(3)", "I2(4)", "I2(7)", "I2(12)", "A3", "B3", "H3", "A4", "B4", "D4", "F4", "A5", "B5", "D5", "A6"]


@pytest.mark.parametrize("name", NAMES)
def test_the_reflections_of_a_reflection_group(name):
    reflections = _made(name)
    matrices, eye = reflections.matrices, np.eye(reflections.rank)
    assert np.abs(matrices @ matrices - eye).max() < 1e-12
    assert np.abs(matrices - matrices.transpose(0, 2, 1)).max() < 1e-12
    assert (np.rint(np.trace(matrices, axis1=1, axis2=2)) == reflections.rank - 2).all()
    products = matrices[:, None] @ matrices
    for t, u in itertools.product(range(0, len(matrices), 3), repeat=2):
        power, order = products[t, u], 1
        while np.abs(power - eye).max() > 1e-6:
            power, order = power @ products[t, u], order + 1
        assert reflections.orders[t, u] == order


@pytest.mark.parametrize("name", [name for name in NAMES if group_order(name) <= 2000])
def test_orders_and_classes_of_reflection_groups(name):
    """The group that they generate has the order of the books, and their classes are its conjugacy classes."""
    reflections = _made(name)
    group = Group.generated(reflections.permutations)
    assert group.order == reflections.order
    number = {row.tobytes(): g for g, row in enumerate(group.permutations)}
    elements = np.array([number[row.tobytes()] for row in reflections.permutations])
    classes = {int(group.table[group.table[:, t], group.inverses].min()) for t in elements}
    chosen = {int(group.table[group.table[:, t], group.inverses].min()) for t in elements[list(reflections.classes)]}
    assert classes == chosen and len(reflections.classes) == len(classes)


def test_numbers_of_reflections():
    """Sums of the exponents, as in the tables of Humphreys."""
    counts = {"I2(7)": 7, "A4": 10, "B4": 16, "D4": 12, "F4": 24, "H3": 15, "H4": 60, "E6": 36}
    assert {name: len(_made(name).matrices) for name in counts} == counts
    assert coxeter_matrix("D4").tolist() == [[1, 3, 2, 2], [3, 1, 3, 3], [2, 3, 1, 2], [2, 3, 2, 1]]


def pauli() -> Group:
    """The group of order 16 that the three Pauli matrices generate, permuting the 16 of them."""
    x, y, z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.array([[1, 0], [0, -1]])
    elements = [phase * matrix for phase in (1, 1j, -1, -1j) for matrix in (np.eye(2), x, y, z)]
    where = lambda matrix: next(i for i, e in enumerate(elements) if np.allclose(e, matrix))  # noqa: E731
    return Group.generated([[where(matrix @ e) for e in elements] for matrix in (x, y, z)], name="Pauli")


def reducible(name: str) -> np.ndarray:
    """I2(m) × A1 and A1 × A1 × A1, which are not in our list, as matrices."""
    if name == "A1^3":
        return np.stack([np.diag(np.where(np.arange(3) == i, -1.0, 1.0)) for i in range(3)])
    plane = _made(name).matrices
    matrices = np.tile(np.eye(3), (len(plane) + 1, 1, 1))
    matrices[:-1, :2, :2] = plane
    matrices[-1, 2, 2] = -1
    return matrices


CATALOGUE = {name: _made(name).matrices for name in ("A3", "B3", "H3")}
CATALOGUE |= {name: reducible(name) for name in ("A1^3", *(f"I2({m})" for m in range(3, 13)))}


def lifts_by_brute_force(group: Group, letters: tuple[int, ...]) -> bool:
    """Is there any choice of at most three reflections in three dimensions, of whatever group, that does it?

    Words are multiplied out, matrix beside element, until nothing new comes; a matrix with two elements is a no.
    """
    for matrices in CATALOGUE.values():
        for choice in itertools.product(range(len(matrices)), repeat=len(letters)):
            if is_homomorphism(group, letters, matrices[list(choice)]):
                return True
    return False


def is_homomorphism(group: Group, letters: tuple[int, ...], matrices: np.ndarray) -> bool:
    for (t, a), (u, b) in itertools.combinations(zip(matrices, letters), 2):
        power = np.eye(3)
        for _ in range(1, int(group.orders[group.table[a, b]])):
            power = power @ t @ u
            if np.abs(power - np.eye(3)).max() < 1e-6:  # too early; only a shortcut, the loop below would find it
                return False
    known = {np.eye(3).tobytes(): 0}
    front = [(np.eye(3), 0)]
    while front:
        later = []
        for matrix, element in front:
            for t, letter in zip(matrices, letters):
                product, label = t @ matrix, int(group.table[letter, element])
                key = (product.round(4) + 0.0).tobytes()  # no −0
                if key not in known:
                    known[key] = label
                    later.append((product, label))
                elif known[key] != label:
                    return False
        front = later
    return True


@pytest.mark.parametrize(
    ("group", "step"),
    [(Group("D4"), 1), (Group("D6"), 2), (Group("Z2xZ2xZ2"), 1), (pauli(), 3), (Group("S4"), 3), (Group("D4xZ2"), 10)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_choice_of_up_to_three_letters_agrees_with_brute_force(group, step):
    """Three reflections act on three dimensions, so the brute force over all groups of those is complete."""
    involutions = np.flatnonzero(group.orders == 2).tolist()
    choices = [letters for k in (1, 2, 3) for letters in itertools.combinations(involutions, k)][::step]
    ours = {
        letters: all(reflection_lift(group, part) is not None for part in components(group, np.array(letters)))
        for letters in choices
    }
    assert ours == {letters: lifts_by_brute_force(group, letters) for letters in choices}
    assert all(ours.values()) == (group.name not in ("Pauli", "D4xZ2"))


def normal_subgroups(group: Group) -> list[np.ndarray]:
    """All of them: the spans of unions of classes."""
    orbits = [np.unique(group.table[group.table[:, g], group.inverses]) for g in range(1, group.order)]
    classes = {int(orbit[0]): orbit for orbit in orbits}
    atoms = {group.span(c).tobytes(): group.span(c) for c in classes.values()}
    found, front = dict(atoms), list(atoms.values())
    while front:
        joins = [group.span(np.flatnonzero(a | b)) for a in front for b in atoms.values()]
        front = [join for key, join in {join.tobytes(): join for join in joins}.items() if key not in found]
        found |= {join.tobytes(): join for join in front}
    return list(found.values())


@pytest.mark.parametrize("name", ["A3", "B3", "H3", "A4", "B4", "D4", "A5", "F4"])
def test_quotients_of_reflection_groups(name):
    """The images of the reflections in every quotient lift, part by part, to reflections: those groups W with |W| equal
    to |G| or 2 |G| are enough, as the docstring says."""
    reflections = _made(name)
    group = Group.generated(reflections.permutations)
    number = {row.tobytes(): g for g, row in enumerate(group.permutations)}
    elements = [number[row.tobytes()] for row in reflections.permutations]
    tried = 0
    for normal in normal_subgroups(group):
        cosets = group.table[:, normal].min(1)  # the smallest element of every g N
        names, points = np.unique(cosets, return_inverse=True)
        actions = [points[group.table[t, names]] for t in elements]
        quotient = Group.generated(np.array(actions))
        place = {row.tobytes(): g for g, row in enumerate(quotient.permutations)}
        letters = np.unique([place[np.asarray(action).tobytes()] for action in actions])
        for part in components(quotient, letters[letters > 0]):
            assert reflection_lift(quotient, part) is not None
            tried += 1
    assert tried >= 1


def test_lifts_are_reflections_that_multiply_as_the_letters():
    s5 = Group("S5")
    lift = reflection_lift(s5, np.flatnonzero(s5.moved == 2))
    assert lift is not None and lift.name == "A4"
    assert np.abs(lift.matrices @ lift.matrices - np.eye(4)).max() < 1e-12
    assert (np.rint(np.trace(lift.matrices, axis1=1, axis2=2)) == 2).all()
    assert reflection_lift(s5, np.flatnonzero(s5.orders == 2)) is None


def test_the_outer_automorphism_of_s6():
    """The products of three disjoint swaps are reflections of another S6; the products of two are not."""
    s6 = Group("S6")
    for moved, name in ((2, "A5"), (4, None), (6, "A5")):
        lift = reflection_lift(s6, np.flatnonzero((s6.orders == 2) & (s6.moved == moved)))
        assert (lift and lift.name) == name
