"""Transition monoids: against closures by hand, known sizes, and identities checked on every pair."""

import itertools

import numpy as np
import pytest

from lrnn.automata import DFA, Group, Machine, TooLarge, syntactic_monoid, transition_monoid
from tests.automata.maps import each, full


def closure(maps):
    """All maps that words make, by one word after another."""
    found = [tuple(range(len(maps[0])))]
    for x in found:
        for a in maps:
            if (product := tuple(a[q] for q in x)) not in found:
                found.append(product)
    return found


@each
def test_it_is_the_closure_in_the_order_of_shortest_words(maps):
    monoid = transition_monoid(maps)
    assert [tuple(row) for row in monoid.elements.tolist()] == closure(maps)
    assert monoid.num_elements == len(closure(maps))
    lengths = [len(monoid.word(x)) for x in range(monoid.num_elements)]
    assert lengths == sorted(lengths)


@each
def test_words_and_products_are_what_reading_them_does(maps):
    monoid = transition_monoid(maps)
    every = range(monoid.num_elements)
    x, y = map(np.array, zip(*itertools.product(every, repeat=2)))
    products = monoid.products(x, y)
    for i, (p, q) in enumerate(zip(x.tolist(), y.tolist())):
        row = [monoid.elements[q][state] for state in monoid.elements[p]]
        assert monoid.elements[products[i]].tolist() == row
    assert monoid.product(int(x[-1]), int(y[-1])) == products[-1]
    table = products.reshape(len(every), len(every))
    assert (table[:, monoid.generators] == monoid.right).all()
    assert (table[monoid.generators].T == monoid.left).all()
    for element in every:
        state = np.arange(monoid.num_states)
        for letter in monoid.word(element):
            state = np.array(maps[int(letter)])[state]
        assert (state == monoid.elements[element]).all()
        assert monoid.element(monoid.word(element)) == element


@each
def test_properties_are_what_they_say(maps):
    monoid = transition_monoid(maps)
    every = range(monoid.num_elements)
    times = [[monoid.product(x, y) for y in every] for x in every]
    idempotents = [x for x in every if times[x][x] == x]
    assert monoid.idempotents.tolist() == idempotents
    zeros = [z for z in every if all(times[z][x] == z == times[x][z] for x in every)]
    assert monoid.zero == (zeros[0] if zeros else None)
    assert monoid.is_group == all(0 in row for row in times)
    assert monoid.is_commutative == all(times[x][y] == times[y][x] for x in every for y in every)
    pairs = itertools.product(idempotents, repeat=2)
    assert monoid.idempotents_right_regular == all(times[times[e][f]][e] == times[f][e] for e, f in pairs)

    def settles(x):
        powers = [x]
        for _ in range(2 * len(every)):
            powers.append(times[powers[-1]][x])
        return powers[-1] == powers[-2]

    assert monoid.is_aperiodic == all(map(settles, every))


@pytest.mark.parametrize(
    ("n", "size", "idempotents"), [(2, 4, 3), (3, 27, 10), (4, 256, 41), (5, 3125, 196), (6, 46656, 1057)]
)
def test_full_transformation_monoids(n, size, idempotents):
    monoid = transition_monoid(full(n))
    assert monoid.num_elements == size
    assert len(monoid.idempotents) == idempotents
    assert not monoid.is_aperiodic and not monoid.is_group and monoid.zero is None


@pytest.mark.parametrize(
    ("pattern", "size", "aperiodic", "commutative"),
    [
        ("(ab)*", 6, True, False),
        ("(aa)*", 2, False, True),
        ("(aaa)*", 3, False, True),
        ("a*b*", 5, True, False),
        ("(a|b)*a", 3, True, False),  # two resets and the identity
        ("(a|b)*a(a|b)*", 2, True, True),
        ("(aa)*b", 6, False, False),
        ("(b*ab*a)*b*", 2, False, True),
    ],
)
def test_syntactic_monoids_of_known_languages(pattern, size, aperiodic, commutative):
    monoid = syntactic_monoid(DFA.from_regex(pattern))
    assert (monoid.num_elements, monoid.is_aperiodic, monoid.is_commutative) == (size, aperiodic, commutative)


def test_the_syntactic_monoid_belongs_to_the_language_not_to_the_table():
    twice = DFA(alphabet=("a",), delta=[[1], [2], [3], [0]], start=0, accepting={0, 2})
    assert transition_monoid(twice).num_elements == 4
    assert syntactic_monoid(twice).num_elements == 2


def test_machines_with_labels_have_one_too():
    group = Group("S4")
    letters = np.array([group.element("(1 2)"), group.element("(1 2 3 4)")])
    monoid = transition_monoid(Machine.of_group(group, letters))
    assert monoid.num_elements == 24 and monoid.is_group
    assert monoid.alphabet == ("(1 2)", "(1 2 3 4)")


def test_the_order_of_right_regular_bands():
    """Of resets only the last counts: e·f·e = f·e. Of letters that are remembered only the first: there e·f·e = e·f."""
    assert transition_monoid([[0, 0], [1, 1]]).idempotents_right_regular
    first = transition_monoid([[1, 1, 2], [2, 1, 2]])  # where the first letter leads, one stays
    assert first.num_elements == 3 and not first.idempotents_right_regular


def test_long_chains_and_many_letters():
    cycles = [3, 5, 7, 8, 11]  # one letter, 9,240 levels of one element
    starts = np.cumsum([0, *cycles[:-1]])
    turn = np.concatenate([start + (np.arange(m) + 1) % m for start, m in zip(starts, cycles)])
    assert transition_monoid(turn[None]).num_elements == 9240
    group = Group("S5")
    assert transition_monoid(group.table).num_elements == 120


def test_a_monoid_beyond_counting_stops_at_the_caps():
    maps = np.random.default_rng(1).integers(0, 50, (2, 50))
    with pytest.raises(TooLarge, match="more than 5,000 elements; raise max_elements") as error:
        transition_monoid(maps, max_elements=5000)
    assert isinstance(error.value, ValueError) and error.value.found > 5000
    with pytest.raises(TooLarge, match=r"at least [\d,]+ elements, found in 0 seconds; raise max_seconds") as error:
        transition_monoid(maps, max_seconds=0)
    assert error.value.found > 1


def test_the_cap_is_the_largest_size_that_passes():
    assert transition_monoid(full(4), max_elements=256).num_elements == 256
    with pytest.raises(TooLarge, match="more than 255 elements"):
        transition_monoid(full(4), max_elements=255)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("rows", [[], [[]], [[0, 1], [1]], [0, 1], [[0.5, 1]], np.zeros((2, 0), dtype=int)])
def test_rows_that_are_no_table(rows):
    with pytest.raises(ValueError, match="machine must be a DFA, or a table of integers"):
        transition_monoid(rows)


@pytest.mark.parametrize("wrong", [2, -1])
def test_an_entry_that_is_no_state(wrong):
    with pytest.raises(ValueError, match=rf"machine\[1\]\[0\] is {wrong}, which is no state \(0 … 1\)"):
        transition_monoid([[0, 1], [wrong, 0]])


def test_a_word_with_an_unknown_letter():
    monoid = syntactic_monoid(DFA.from_regex("(ab)*"))
    with pytest.raises(ValueError, match="letters outside the alphabet"):
        monoid.element("abc")


def test_arrays_cannot_be_written():
    monoid = transition_monoid(full(3))
    for array in (monoid.elements, monoid.right, monoid.left):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
