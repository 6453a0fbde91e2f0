"""Character tables: the laws every table obeys, and tables known from books."""

import itertools

import numpy as np
import pytest

from lrnn.automata import Group
from lrnn.automata.characters import CharacterTable, character_table, conjugacy_classes

NAMES = """Z1 Z2 Z3 Z4 Z5 Z12 Z60 Z2xZ2xZ2xZ2 Z4xZ6 D3 D4 D5 D6 D12 D50 S3 S4 S5 A4 A5
S3xS3 A4xZ5 S4xZ2 D4xZ3 A4xA4 S5xZ2 A5xZ3 S6 A6""".split()

every_group = pytest.mark.parametrize("name", NAMES)


@every_group
def test_rows_and_columns_are_orthogonal(name):
    table = character_table(Group(name))
    values, order = table.values, table.group.order
    rows = (values * table.sizes) @ values.conj().T / order
    columns = values.T @ values.conj()
    assert np.abs(rows - np.eye(len(values))).max() < 1e-12
    assert np.abs(columns / order * table.sizes - np.eye(len(values))).max() < 1e-12


@every_group
def test_degrees(name):
    table = character_table(Group(name))
    order = table.group.order
    assert (table.degrees**2).sum() == order
    assert (order % table.degrees == 0).all()
    assert (np.diff(table.degrees) >= 0).all()
    assert (table.values[0] == 1).all()
    assert (table.degrees == np.real(table.values[:, 0])).all()


@every_group
def test_multiplicities_are_those_of_matrices(name):
    """A representation of degree d has d eigenvalues, and those of g² are the squares of those of g."""
    table = character_table(Group(name))
    group = table.group
    for element in table.representatives:
        order, square = int(group.orders[element]), int(group.table[element, element])
        factor = order // int(group.orders[square])  # e^{2πi s/m} of g² is e^{2πi s·factor/m'} of g
        for i, degree in enumerate(table.degrees):
            counts = table.eigenvalues(i, element)
            assert counts.shape == (order,) and counts.min() >= 0 and counts.sum() == degree
            squared = np.bincount(2 * np.arange(order) % order, counts, order)[::factor]
            assert (squared == table.eigenvalues(i, square)).all()


@every_group
def test_indicators_count_the_square_roots_of_the_identity(name):
    """Σ_χ ν(χ) χ(1) is the number of elements whose square is 1."""
    table = character_table(Group(name))
    roots = int((np.diagonal(table.group.table) == 0).sum())
    assert (table.indicators * table.degrees).sum() == roots
    real = table.conjugates == np.arange(len(table.degrees))
    assert (real == (table.indicators != 0)).all()
    assert np.abs(table.values[table.conjugates] - table.values.conj()).max() < 1e-12


@every_group
def test_classes(name):
    group = Group(name)
    classes = conjugacy_classes(group)
    table, every = group.table, np.arange(group.order)
    for element in every[:: max(1, group.order // 40)]:
        orbit = {int(table[table[g, element], group.inverses[g]]) for g in every}
        assert orbit == set(np.flatnonzero(classes == classes[element]).tolist())


def test_products_of_characters_are_sums_of_characters():
    table = character_table(Group("S5"))
    for i in range(7):
        inner = (table.values * table.values[i] * table.sizes) @ table.values.conj().T / 120
        assert np.abs(inner - inner.real.round()).max() < 1e-12 and inner.real.round().min() == 0


GOLDEN = (1 + 5**0.5) / 2
BOOKS = {
    "S3": [[1, 1, 1], [1, -1, 1], [2, 0, -1]],
    "S4": [[1, 1, 1, 1, 1], [1, -1, 1, 1, -1], [2, 0, -1, 2, 0], [3, 1, 0, -1, -1], [3, -1, 0, -1, 1]],
    "A5": [
        [1, 1, 1, 1, 1],
        [3, 0, -1, GOLDEN, 1 - GOLDEN],
        [3, 0, -1, 1 - GOLDEN, GOLDEN],
        [4, 1, 0, -1, -1],
        [5, -1, 1, 0, 0],
    ],
}


@pytest.mark.parametrize("name", BOOKS)
def test_tables_of_the_books(name):
    """As sets of rows and of columns: the numbering of both is ours."""
    ours, book = character_table(Group(name)).values, np.array(BOOKS[name])
    assert np.abs(np.imag(ours)).max() == 0
    columns = [[0, *order] for order in itertools.permutations(range(1, len(book)))]
    assert any(_rows(np.real(ours)) == _rows(book[:, order]) for order in columns)


def _rows(table: np.ndarray) -> list[tuple[float, ...]]:
    return sorted(tuple(row) for row in np.round(table, 9).tolist())


def test_characters_of_a_cyclic_group_are_powers_of_a_root_of_unity():
    values = character_table(Group("Z12")).values
    powers = np.exp(2j * np.pi * np.outer(np.arange(12), np.arange(12)) / 12)
    for row in powers:
        assert np.isclose(values, row, atol=1e-12).all(1).sum() == 1


def test_integers_are_integers():
    values = character_table(Group("S6")).values
    assert (values == np.real(values).round()).all()
    assert repr(character_table(Group("S3"))) == "CharacterTable(Group('S3'), degrees=[1, 1, 2])"
    assert isinstance(character_table(Group("S3")), CharacterTable)


def test_a_group_with_too_many_classes():
    with pytest.raises(ValueError, match="has 513 conjugacy classes; the character table is made for at most 512"):
        character_table(Group("Z513"))
