"""Mirrored words and quotients, against writing the words out."""

import itertools

import numpy as np
import pytest

from lrnn.automata import DFA

WORDS = ["".join(word) for length in range(8) for word in itertools.product("ab", repeat=length)]
SHORT = [word for word in WORDS if len(word) <= 4]


def random_dfa(seed: int, states: int = 5) -> DFA:
    rng = np.random.default_rng(seed)
    return DFA.trimmed("ab", rng.integers(0, states, (states, 2)), 0, np.flatnonzero(rng.random(states) < 0.5).tolist())


every_seed = pytest.mark.parametrize("seed", range(12))


@every_seed
def test_mirrored_words(seed):
    dfa = random_dfa(seed)
    mirrored = dfa.reversed()
    assert {word for word in WORDS if word in mirrored} == {word[::-1] for word in WORDS if word in dfa}
    assert mirrored.num_states == mirrored.minimal.num_states
    assert mirrored.reversed() == dfa


def test_a_mirrored_language_may_need_exponentially_many_states():
    """The k-th letter from the end is an a: 2^k states; from the beginning: k + 2."""
    early = DFA.from_regex("(a|b){11}a(a|b)*")
    assert early.num_states == 14
    with pytest.raises(ValueError, match=r"mirrored words has more than 4,000 states; raise max_states"):
        early.reversed(max_states=4000)
    assert early.reversed(max_states=4096).num_states == 4096


@every_seed
@pytest.mark.parametrize("part", ["", "a", "ba", "abb"])
def test_quotients_by_a_word(seed, part):
    dfa = random_dfa(seed)
    left, right = dfa.left_quotient(part), dfa.right_quotient(part)
    for word in SHORT:
        assert (word in left) == (part + word in dfa)
        assert (word in right) == (word + part in dfa)
    assert left.num_states == left.minimal.num_states
    assert right.num_states == right.minimal.num_states


@every_seed
@pytest.mark.parametrize("pattern", ["a*b", "(ab)*", "∅", "ε", "[ab]*", "c|ba"])
def test_quotients_by_a_language(seed, pattern):
    """Five states of one and four of the other: a witness of at most 20 letters, written out here by running both."""
    dfa, parts = random_dfa(seed), DFA.from_regex(pattern, "abc")
    left, right = dfa.left_quotient(parts), dfa.right_quotient(parts)
    assert left.alphabet == right.alphabet == ("a", "b")
    wide = dfa.over("abc")
    for word in SHORT:
        assert (word in right) == meets(wide, after(wide, word), parts, parts.start)
        behind = DFA.from_regex(word or "ε", "abc")
        whole = concatenated(parts, behind)
        assert (word in left) == (not (whole & dfa).is_empty)


def after(dfa: DFA, word: str) -> int:
    state = dfa.start
    for letter in dfa.encode(word):
        state = int(dfa.delta[state, letter])
    return state


def meets(left: DFA, p: int, right: DFA, q: int) -> bool:
    """Does some word lead p and q to acceptance both?"""
    seen, front = {(p, q)}, [(p, q)]
    for p, q in front:
        if p in left.accepting and q in right.accepting:
            return True
        new = set(zip(left.delta[p].tolist(), right.delta[q].tolist())) - seen
        seen |= new
        front += new
    return False


def concatenated(first: DFA, second: DFA) -> DFA:
    """The words u v, by the set of states that either may be in."""

    def closed(states: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
        enters = any(which == 0 and state in first.accepting for which, state in states)
        return states | {(1, second.start)} if enters else states

    def step(states: frozenset[tuple[int, int]], letter: str) -> frozenset[tuple[int, int]]:
        a = first.alphabet.index(letter)
        return closed(frozenset((which, int((first, second)[which].delta[state, a])) for which, state in states))

    start = closed(frozenset({(0, first.start)}))
    return DFA.from_step(
        first.alphabet,
        step,
        start,
        lambda states: any(which == 1 and state in second.accepting for which, state in states),
    )


def test_quotients_of_known_languages():
    language = DFA.from_regex("a*b*c")
    assert language.left_quotient("aab") == DFA.from_regex("b*c")
    assert language.right_quotient("bc") == DFA.from_regex("a*b*")
    assert language.left_quotient("ca").is_empty
    assert language.left_quotient(DFA.from_regex("a*")) == language
    assert language.right_quotient(DFA.from_regex("c|bc")) == DFA.from_regex("a*b*")
    assert language.right_quotient(language) == DFA.from_regex("a*b*")
    assert language.left_quotient(DFA.from_regex("d*", "d")) == language


def test_bad_quotients_are_told():
    language = DFA.from_regex("(a|b)*a(a|b){5}")
    with pytest.raises(ValueError, match=r"outside the alphabet \('a', 'b'\): \['c'\]"):
        language.left_quotient("ac")
    with pytest.raises(ValueError, match=r"outside the alphabet \('a', 'b'\): \['c'\]"):
        language.right_quotient("ca")
    with pytest.raises(ValueError, match="left quotient has more than 3 states; raise max_states"):
        language.left_quotient(DFA.from_regex("a|b"), max_states=3)
