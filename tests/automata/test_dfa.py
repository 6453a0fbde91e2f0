"""DFA: checks of the table, running, minimization, and the language as a set of words."""

import itertools
import operator

import numpy as np
import pytest
from automata.fa.dfa import DFA as OtherDFA

from lrnn.automata import DFA, Group, generators
from lrnn.automata.run import moore, reachable

WORDS = ["".join(word) for length in range(7) for word in itertools.product("ab", repeat=length)]
EVEN = {"alphabet": ("a", "b"), "delta": [[1, 0], [0, 1]], "start": 0, "accepting": {0}}


def random_dfa(seed: int, states: int = 7, letters: str = "ab") -> DFA:
    rng = np.random.default_rng(seed)
    delta = rng.integers(0, states, (states, len(letters)))
    return DFA.trimmed(letters, delta, 0, np.flatnonzero(rng.random(states) < 0.4).tolist())


def language(dfa: DFA) -> set[str]:
    return {word for word in WORDS if word in dfa}


@pytest.mark.parametrize("seed", range(12))
def test_running_is_reading_letter_by_letter(seed):
    dfa = random_dfa(seed)
    words = np.random.default_rng(seed).integers(0, 2, (6, 11))
    for word, states in zip(words, dfa.run(words)):
        state = dfa.start
        for letter, found in zip(word, states):
            state = dfa.delta[state, letter]
            assert found == state
        spelled = [dfa.alphabet[letter] for letter in word]
        assert (spelled in dfa) == bool(dfa.accepts_in[state])
        assert dfa.encode(spelled).tolist() == word.tolist()


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (3, 4)])
def test_running_leaves_the_words_alone(shape):
    words = np.random.default_rng(0).integers(0, 2, shape)
    before = words.copy()
    random_dfa(3).run(words)
    assert (words == before).all()


def test_running_nothing():
    dfa = DFA(**EVEN)
    assert dfa.run(np.zeros((3, 0), dtype=int)).shape == (3, 0)
    assert dfa.run(np.zeros((0, 4), dtype=int)).shape == (0, 4)


@pytest.mark.parametrize("seed", range(30))
def test_minimal_automata(seed):
    dfa = random_dfa(seed)
    small = dfa.minimal
    assert language(small) == language(dfa)
    other = OtherDFA(
        states=set(range(dfa.num_states)),
        input_symbols=set(dfa.alphabet),
        transitions={q: dict(zip(dfa.alphabet, row)) for q, row in enumerate(dfa.delta.tolist())},
        initial_state=dfa.start,
        final_states=set(dfa.accepting),
    )
    assert small.num_states == len(other.minify().states)
    assert small.start == 0
    again = small.minimal
    assert (again.delta == small.delta).all()
    assert again.accepting == small.accepting


@pytest.mark.parametrize("seed", range(10))
def test_minimal_automata_of_one_language_are_equal(seed):
    """States renamed and letters swapped: the same set of words."""
    dfa = random_dfa(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(dfa.num_states)
    place = np.argsort(order)
    renamed = DFA(
        alphabet=("b", "a"),
        delta=place[dfa.delta[order]][:, ::-1],
        start=int(place[dfa.start]),
        accepting=place[list(dfa.accepting)].tolist(),
    )
    assert renamed == dfa
    assert hash(renamed) == hash(dfa)
    assert (renamed.minimal.over("ab").minimal.delta == dfa.minimal.delta).all()


SETS = [(operator.or_, set.union), (operator.and_, set.intersection), (operator.sub, set.difference)]
SETS += [(operator.xor, set.symmetric_difference)]


@pytest.mark.parametrize(("ours", "theirs"), SETS, ids=["or", "and", "minus", "xor"])
@pytest.mark.parametrize("seed", range(6))
def test_set_operations(ours, theirs, seed):
    left, right = random_dfa(seed), random_dfa(seed + 100)
    assert language(ours(left, right)) == theirs(language(left), language(right))


def test_complement_is_over_the_alphabet():
    assert language(~DFA(**EVEN)) == set(WORDS) - language(DFA(**EVEN))
    assert DFA.from_regex("a*") != DFA.from_regex("(a|b)*")
    assert (~DFA.from_regex("a*")).is_empty
    assert not (~DFA.from_regex("a*", "ab")).is_empty


def test_letters_of_both_take_part():
    both = DFA.from_regex("a*") | DFA.from_regex("b*")
    assert both == DFA.from_regex("a*|b*")
    assert both.alphabet == ("a", "b")
    assert "ab" not in both


def test_equal_means_the_same_words():
    assert DFA.from_regex("a*", "a") == DFA.from_regex("a*", "ba")
    assert DFA.from_regex("∅", "a") == DFA.from_regex("∅", "bc")
    assert DFA.from_regex("ε", "a") == DFA.from_regex("ε", "bc")
    assert DFA.from_regex("ε", "a") != DFA.from_regex("∅", "a")
    assert DFA.from_regex("a*") != DFA.from_regex("b*")
    assert DFA.from_regex("a") != "a"
    languages = [DFA.from_regex(p, "abc") for p in ("a", "a*", "(aa)*", "a|b", "[ab]", "a?", "ε", "∅", "b|a", "a|ε")]
    same = {(i, j) for i, j in itertools.combinations(range(10), 2) if languages[i] == languages[j]}
    assert same == {(3, 4), (3, 8), (4, 8), (5, 9)}


def test_a_wider_alphabet():
    wide = DFA(**EVEN).over("xbay")
    assert wide.alphabet == ("x", "b", "a", "y")
    assert wide == DFA(**EVEN)
    assert "abxa" not in wide
    with pytest.raises(ValueError, match=r"must have all present letters; \['b'\] are missing in \('a', 'c'\)"):
        DFA(**EVEN).over("ac")


def test_trimmed_leaves_out_what_no_word_reaches():
    dfa = DFA.trimmed("a", np.array([[2], [0], [2]]), 0, [1, 2])
    assert dfa.delta.tolist() == [[1], [1]]
    assert dfa.accepting == {1}


def test_nothing_can_be_changed():
    dfa = DFA(**EVEN)
    with pytest.raises(AttributeError):
        dfa.start = 1  # pyright: ignore[reportAttributeAccessIssue]
    for array in (dfa.delta, dfa.accepts_in):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    table = np.array(EVEN["delta"])
    dfa = DFA(**{**EVEN, "delta": table})
    table[0, 0] = 0
    assert dfa.delta[0, 0] == 1


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alphabet": (), "delta": np.zeros((1, 0), dtype=int)}, "the alphabet is empty; it needs at least one letter"),
        ({"alphabet": ("a", "a")}, r"the alphabet has \['a'\] more than once"),
        ({"alphabet": ("a", "")}, "each letter of the alphabet must be a non-empty str"),
        ({"delta": [[0, 2], [-1, 1]]}, r"delta\[0, 'b'\] is 2, which is no state \(0 … 1\); delta\[1, 'a'\] is -1"),
        ({"delta": [[0], [1]]}, r"one row for each state and 2 columns.*got shape \(2, 1\).*incomplete table needs"),
        ({"delta": [[0, 1], [1]]}, "delta must be a table of integers"),
        ({"delta": [[0.5, 1], [1, 0]]}, "delta must be a table of integers.*dtype float64"),
        ({"delta": [[None, 1], [1, 0]]}, "delta must be a table of integers.*dtype object"),
        ({"delta": []}, "delta must be a table of integers"),
        ({"start": 2, "accepting": {0, 5}}, "state 2 .* does not exist .*; state 5 .* does not exist"),
        ({"delta": [[0, 0], [0, 1]]}, r"no word reaches the states \[1\]; remove them, as DFA.trimmed does"),
    ],
)
def test_bad_tables_are_told(change, message):
    with pytest.raises(ValueError, match=message):
        DFA(**{**EVEN, **change})


def test_bad_words_are_told():
    dfa = DFA(**EVEN)
    with pytest.raises(ValueError, match=r"words must hold letter numbers 0 … 1, got 0 … 2"):
        dfa.run(np.array([[0, 2]]))
    with pytest.raises(ValueError, match=r"outside the alphabet \('a', 'b'\): \['c'\]"):
        dfa.encode("abc")
    assert "abc" not in dfa


def test_moore_on_a_chain():
    """Every state of a long chain is told apart only after as many rounds."""
    delta = np.minimum(np.arange(60)[:, None] + 1, 59)
    assert len(np.unique(moore(delta, (np.arange(60) == 59).astype(int)))) == 60
    assert reachable(delta, 50).sum() == 10


def test_from_a_step_function():
    """Binary numbers, most significant digit first, that 7 divides."""
    dfa = DFA.from_step("01", lambda rest, digit: (2 * rest + int(digit)) % 7, 0, lambda rest: rest == 0)
    assert dfa.num_states == 7
    assert dfa.start == 0
    for number in range(300):
        assert (f"{number:b}" in dfa) == (number % 7 == 0)
    pairs = DFA.from_step("ab", lambda s, x: (s[1], x), ("", ""), lambda s: s == ("a", "b"))
    assert pairs == DFA.from_regex("(a|b)*ab")
    assert pairs.num_states > pairs.minimal.num_states


def test_states_of_a_step_function_are_numbered_breadth_first():
    seen = []

    def step(state, letter):
        if state not in seen:
            seen.append(state)
        return {"a": state * 3 % 11, "b": (state + 5) % 11}[letter]

    dfa = DFA.from_step("ab", step, 1, lambda state: state == 1)
    for number, state in enumerate(seen):
        assert [seen[after] for after in dfa.delta[number]] == [state * 3 % 11, (state + 5) % 11]


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("alphabet", "step", "message"),
    [
        ("", lambda s, x: s, "the alphabet is empty"),
        ("aa", lambda s, x: s, r"the alphabet has \['a'\] more than once"),
        ("a", lambda s, x: s + 1, "the automaton of step has more than 10,000 states; raise max_states"),
        ("a", lambda s, x: [s], r"states of step must be hashable, as int or tuple; got \[0\] of type list"),
    ],
)
def test_bad_step_functions_are_told(alphabet, step, message):
    with pytest.raises(ValueError, match=message):
        DFA.from_step(alphabet, step, 0, lambda s: True)


@pytest.mark.no_shape_checks
def test_a_start_that_cannot_be_looked_up():
    with pytest.raises(
        ValueError, match=r"states of step must be hashable, as int or tuple; got \(0, \[\]\) of type tuple"
    ):
        DFA.from_step("a", lambda s, x: s, (0, []), lambda s: True)


def test_errors_of_a_step_function_are_its_own():
    with pytest.raises(TypeError, match="unsupported operand"):
        DFA.from_step("a", lambda s, x: s + x, 0, lambda s: True)  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize(("name", "choice"), [("S3", "all"), ("S4", "swaps"), ("D5", "r1;s0"), ("Z2xZ3", "1,1")])
def test_from_a_group(name, choice):
    group = Group(name)
    letters = generators(group, choice)
    dfa = DFA.from_group(group, letters)
    words = np.random.default_rng(0).integers(0, len(letters), (4, 30))
    products = group.products(letters[words])
    assert (dfa.run(words) == products).all()
    assert (dfa.accepts_in[dfa.run(words)] == (products == group.identity)).all()
    assert [] in dfa
    some = DFA.from_group(group, letters, accepting=[1, 3])
    assert (some.accepts_in[some.run(words)] == np.isin(products, [1, 3])).all()


def test_from_letters_that_generate_a_subgroup():
    group = Group("S4")
    letters = np.array([group.element("(1 2 3)"), group.element("(1 2)(3 4)")])
    dfa = DFA.from_group(group, letters, accepting=np.flatnonzero(group.orders == 3).tolist())
    assert dfa.num_states == 12
    assert len(dfa.accepting) == 8
    assert DFA.from_group(group, letters, accepting=[group.element("(1 2)")]).is_empty


@pytest.mark.parametrize(
    ("letters", "accepting", "message"),
    [
        ([], [0], "the alphabet is empty"),
        ([1, 1], [0], r"the alphabet has \['1'\] more than once"),
        ([3], [0], "generators must be numbers of elements of Z3, 0 … 2, got 3 … 3"),
        ([1], [0, 3, -1], r"accepting elements \[-1, 3\] are none of Z3, 0 … 2"),
    ],
)
def test_bad_groups_are_told(letters, accepting, message):
    with pytest.raises(ValueError, match=message):
        DFA.from_group(Group("Z3"), letters, accepting)
