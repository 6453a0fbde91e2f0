"""Counting and drawing words, against writing all of them out."""

import itertools

import numpy as np
import pytest
from automata.fa.dfa import DFA as OtherDFA
from automata.fa.nfa import NFA as OtherNFA

from lrnn.automata import DFA, WordSampler, count_words

PATTERNS = ["(ab|ba)*", "a*b*", "(a|b)*abb", "ab|ba", "a", "(aa)*", "[abc]*c[abc]"]

every_pattern = pytest.mark.parametrize("pattern", PATTERNS)


def written_out(dfa: DFA, length: int, accepted: bool) -> list[tuple[int, ...]]:
    every = itertools.product(range(len(dfa.alphabet)), repeat=length)
    return [word for word in every if ([dfa.alphabet[x] for x in word] in dfa) == accepted]


@every_pattern
@pytest.mark.parametrize("accepted", [True, False])
def test_counts(pattern, accepted):
    dfa = DFA.from_regex(pattern)
    sampler = WordSampler(dfa)
    for length in range(7):
        words = written_out(dfa, length, accepted)
        assert count_words(dfa, length, accepted) == len(words)
        assert sampler.exists(np.array([length]), accepted).tolist() == [bool(words)]


def test_counts_agree_with_automata_lib():
    dfa = DFA.from_regex("(a|b)*abb(a|b)*")
    other = OtherDFA.from_nfa(OtherNFA.from_regex("(a|b)*abb(a|b)*"))
    assert [count_words(dfa, n) for n in range(25)] == [other.count_words_of_length(n) for n in range(25)]


def test_counts_beyond_any_machine_word():
    dfa = DFA.from_regex("(a|b)*a")
    assert count_words(dfa, 200) == 2**199
    assert count_words(dfa, 200, accepted=False) == 2**199
    with pytest.raises(ValueError, match="length must be at least 0, got -1"):
        count_words(dfa, -1)


@every_pattern
@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("length", [0, 1, 3, 5])
def test_draws_are_uniform(pattern, accepted, length):
    dfa = DFA.from_regex(pattern)
    legal = written_out(dfa, length, accepted)
    sampler = WordSampler(dfa)
    count = 200 * max(1, len(legal))
    lengths, verdicts = np.full(count, length), np.full(count, accepted)
    if not legal:
        with pytest.raises(ValueError, match=f"no word of length {length} is {'accept' if accepted else 'reject'}ed"):
            sampler.sample(lengths, verdicts, np.random.default_rng(0))
        return
    words, states = sampler.sample(lengths, verdicts, np.random.default_rng(0))
    assert words.shape == states.shape == (count, length)
    assert (states == dfa.run(words)).all()
    seen = dict.fromkeys(legal, 0)
    for word in map(tuple, words.tolist()):
        seen[word] += 1  # a KeyError is a word of the wrong verdict
    assert max(abs(times - 200) for times in seen.values()) < 5 * 200**0.5


def test_lengths_and_verdicts_mixed():
    dfa = DFA.from_regex("(ab|ba)*")
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 40, 500)
    verdicts = (rng.random(500) < 0.5) & (lengths % 2 == 0)
    words, states = WordSampler(dfa).sample(lengths, verdicts, rng)
    for word, after, length, verdict in zip(words, states, lengths, verdicts):
        assert (after[:length] == dfa.run(word[None, :length])[0]).all()
        assert dfa.accepts_in[after[length - 1]] == verdict
        assert not word[length:].any()


def test_rare_words_at_great_length_are_found():
    """Of the 4^3000 words only 3001 are accepted: their share is below the smallest float."""
    dfa = DFA.from_regex("a*b*", "abcd")
    words, _ = WordSampler(dfa).sample(np.full(400, 3000), np.full(400, True), np.random.default_rng(0))
    assert words.max() == 1
    assert (np.diff(words, axis=1) >= 0).all()
    share_of_b = words.mean(1)
    assert abs(share_of_b.mean() - 0.5) < 5 * (1 / 12 / 400) ** 0.5


def test_rare_states_do_not_leak():
    """A letter that leads nowhere is never drawn, however close to one the random number."""
    sampler = WordSampler(DFA.from_regex("[ab]*", "abcz"))

    class Highest(np.random.Generator):
        def random(self, size=None, dtype=float, out=None):
            return np.full(1 if size is None else size, np.nextafter(1.0, 0.0))

    words, _ = sampler.sample(np.full(3, 50), np.full(3, True), Highest(np.random.PCG64(0)))
    assert words.max() == 1


@every_pattern
@pytest.mark.parametrize("accepted", [True, False])
def test_occupancy(pattern, accepted):
    dfa = DFA.from_regex(pattern)
    sampler = WordSampler(dfa)
    for length in range(1, 6):
        words = written_out(dfa, length, accepted)
        if not words:
            with pytest.raises(ValueError, match=f"no word of length {length}"):
                sampler.occupancy(length, accepted)
            continue
        states = dfa.run(np.array(words))
        share = np.stack([(states == state).mean(0) for state in range(dfa.num_states)], axis=1)
        np.testing.assert_allclose(sampler.occupancy(length, accepted), share, atol=1e-12)


def test_a_table_that_grows_changes_nothing():
    dfa = DFA.from_regex("(a|b)*abb")
    fresh, used = WordSampler(dfa), WordSampler(dfa)
    for length in (3, 17, 90):
        used.exists(np.array([length]), True)
    lengths, verdicts = np.arange(3, 40), np.arange(37) % 2 == 0
    one, other = (s.sample(lengths, verdicts, np.random.default_rng(1)) for s in (fresh, used))
    assert all((a == b).all() for a, b in zip(one, other))


def test_lengths_out_of_reach():
    sampler = WordSampler(DFA.from_regex("(a|b)*a"))
    with pytest.raises(ValueError, match="lengths must be at least 0, got -1"):
        sampler.exists(np.array([2, -1]), True)
    with pytest.raises(ValueError, match="lengths must be at most 16777216 for an automaton with a table"):
        sampler.exists(np.array([10**9]), True)
    assert sampler.exists(np.array([], dtype=int), True).shape == (0,)
