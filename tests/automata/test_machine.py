"""Machine: labels after every prefix, minimization by labels, and the word problem of a group."""

import itertools

import numpy as np
import pytest

from lrnn.automata import DFA, Group, Machine, generators
from lrnn.automata.run import run_table

MOD3 = {"alphabet": ("a",), "delta": [[1], [2], [0]], "start": 0, "labels": [0, 1, 1], "names": ("zero", "other")}


def random_machine(seed: int, states: int = 8, labels: int = 3) -> Machine:
    rng = np.random.default_rng(seed)
    dfa = DFA.trimmed("ab", rng.integers(0, states, (states, 2)), 0, [])
    label = rng.integers(0, labels, dfa.num_states)
    return Machine(alphabet="ab", delta=dfa.delta, start=0, labels=label, names=tuple("xyz"[:labels]))


@pytest.mark.parametrize("seed", range(8))
def test_labels_are_those_of_reading_letter_by_letter(seed):
    machine = random_machine(seed)
    words = np.random.default_rng(seed).integers(0, 2, (5, 9))
    states, labels = machine.states(words), machine.run(words)
    for word, visited, said in zip(words, states, labels):
        state = machine.start
        for letter, after, label in zip(word, visited, said):
            state = machine.delta[state, letter]
            assert after == state
            assert label == machine.labels[state]


@pytest.mark.parametrize("pattern", ["(aa)*", "a*b*", "(ab|ba)*", "∅", "(a|b)*abb"])
def test_of_a_dfa_says_accept_where_it_accepts(pattern):
    dfa = DFA.from_regex(pattern, "ab")
    machine = Machine.of(dfa)
    assert machine.names == ("reject", "accept")
    words = np.array(list(itertools.product(range(2), repeat=6)))
    assert (machine.run(words) == dfa.accepts_in[dfa.run(words)]).all()
    assert machine.encode("abba").tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("name", "choice"), [("S3", "all"), ("S4", "swaps"), ("Z6", "1"), ("D5", "r1;s0"), ("A4xZ2", "two-random")]
)
def test_of_a_group_says_the_product(name, choice):
    group = Group(name)
    letters = generators(group, choice)
    machine = Machine.of_group(group, letters)
    assert machine.num_states == machine.num_labels == group.order
    assert machine.alphabet == tuple(group.elements[x] for x in letters)
    words = np.random.default_rng(0).integers(0, len(letters), (4, 12))
    assert (machine.run(words) == group.products(letters[words])).all()
    assert (machine.states(words) == machine.run(words)).all()
    assert machine.minimal.num_states == group.order


def test_letters_that_generate_a_subgroup():
    group = Group("S4")
    letters = np.array([group.element("(1 2 3)"), group.element("(1 2)(3 4)")])
    machine = Machine.of_group(group, letters)
    assert (machine.num_states, machine.num_labels) == (12, 24)
    words = np.random.default_rng(1).integers(0, 2, (6, 20))
    assert (machine.run(words) == group.products(letters[words])).all()
    assert [group.elements[label] for label in machine.labels] == list(Group("A4").elements)


@pytest.mark.parametrize("seed", range(20))
def test_minimal_says_the_same_with_the_fewest_states(seed):
    machine = random_machine(seed, states=9, labels=1 + seed % 3)
    small = machine.minimal
    words = np.array(list(itertools.product(range(2), repeat=8)))
    assert (small.run(words) == machine.run(words)).all()
    assert small.labels[small.start] == machine.labels[machine.start]
    # as many states as there are ways to label every word of up to 8 letters, which tell 9 states apart
    ways = {
        (int(machine.labels[state]), machine.labels[run_table(machine.delta, words, state)].tobytes())
        for state in range(machine.num_states)
    }
    assert small.num_states == len(ways)
    again = small.minimal
    assert (again.delta == small.delta).all() and (again.labels == small.labels).all()


def test_running_nothing():
    assert Machine(**MOD3).run(np.zeros((3, 0), dtype=int)).shape == (3, 0)


def test_nothing_can_be_changed():
    machine = Machine(**MOD3)
    with pytest.raises(AttributeError):
        machine.start = 1  # pyright: ignore[reportAttributeAccessIssue]
    for array in (machine.delta, machine.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphabet": (), "delta": np.zeros((3, 0), dtype=int)}, "the alphabet is empty"),
        ({"delta": [[1], [0], [2]]}, r"no word reaches the states \[2\]"),
        ({"delta": [[1], [2], [3]]}, r"delta\[2, 'a'\] is 3, which is no state \(0 … 2\)"),
        ({"start": 7}, "state 7 .* does not exist"),
        ({"labels": [0, 1]}, r"labels must be one integer for each of the 3 states, got shape \(2,\)"),
        ({"labels": [0.0, 1.0, 1.0]}, "labels must be one integer .*dtype float64"),
        ({"labels": [0, 1, 2]}, "labels must be numbers of the 2 names, 0 … 1, got 0 … 2"),
        ({"labels": [0, 1, -1]}, "got -1 … 1"),
        ({"names": ("x", "x")}, r"names must differ, got \('x', 'x'\)"),
    ],
)
def test_bad_machines_are_told(change, message):
    with pytest.raises(ValueError, match=message):
        Machine(**{**MOD3, **change})


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([], "the alphabet is empty"),
        ([1, 1], r"the alphabet has \['\(2 3\)'\] more than once"),
        ([1, 6], "generators must be numbers of elements of S3, 0 … 5, got 1 … 6"),
    ],
)
def test_bad_letters_of_a_group_are_told(elements, message):
    with pytest.raises(ValueError, match=message):
        Machine.of_group(Group("S3"), elements)


def test_bad_words_are_told():
    with pytest.raises(ValueError, match="words must hold letter numbers 0 … 0, got 0 … 1"):
        Machine(**MOD3).run(np.array([[0, 1]]))
    with pytest.raises(ValueError, match=r"outside the alphabet \('a',\): \['b'\]"):
        Machine(**MOD3).encode("ab")
