"""Counting and drawing words, against writing all of them out."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from automata.fa.dfa import DFA as OtherDFA
from automata.fa.nfa import NFA as OtherNFA

from lrnn.automata import DFA, Group, Machine, WordSampler, continuations, count_words, walk
from lrnn.automata.continuations import Continuations

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
    with pytest.raises(ValueError, match="lengths must be at most 16,777,216, got 1,000,000,000; raise max_length"):
        sampler.exists(np.array([10**9]), True)
    with pytest.raises(ValueError, match="lengths must be at most 100, got 101; raise max_length"):
        WordSampler(DFA.from_regex("a*"), max_length=100).sample(
            np.array([101]), np.array([True]), np.random.default_rng(0)
        )
    assert WordSampler(DFA.from_regex("a*"), max_length=10**9).exists(np.array([10**9]), True).all()
    assert sampler.exists(np.array([], dtype=int), True).shape == (0,)


def test_bad_labels_and_empty_languages_are_told():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no word of any length is accepted"):
        WordSampler(DFA.from_regex("∅", "a")).sample(np.array([3]), np.array([True]), rng)
    group = WordSampler(Machine.of_group(Group("S3"), [1, 2]))
    with pytest.raises(ValueError, match=r"labels must be 0 … 5, got 0 … 6"):
        group.sample(np.array([3, 3]), np.array([0, 6]), rng)
    with pytest.raises(ValueError, match=r"no word of length 3 has the label '\(\)'"):
        group.sample(np.array([2, 3]), np.array([0, 0]), rng)


def random_dfa(seed: int, states: int, letters: str) -> DFA:
    rng = np.random.default_rng(seed)
    delta = rng.integers(0, states, (states, len(letters)))
    return DFA.trimmed(letters, delta, 0, np.flatnonzero(rng.random(states) < 0.4).tolist())


@pytest.mark.parametrize("way", ["doubled", "counted up", "logarithms"])
@pytest.mark.parametrize("pattern", ["(a|b)*abb", "a*b*", "(a|b)*abb|(ab|ba)*"])
def test_shares_are_quotients_of_exact_counts(pattern, way, monkeypatch):
    """Over several blocks, whichever way the counts are made."""
    monkeypatch.setattr(continuations, "SHORTEST_BLOCK", 32)
    monkeypatch.setattr(continuations, "LONGEST_BLOCK", 32)
    monkeypatch.setattr(continuations, "MAX_DOUBLED", 10 if way == "doubled" else 0)
    monkeypatch.setattr(continuations, "GROWTH", 1e-9 if way == "logarithms" else 20.0)
    dfa = DFA.from_regex(pattern, "abc")
    ahead = Continuations(dfa.delta, dfa.start, dfa.accepts_in.astype(int), 2)
    assert ahead.size == 32
    ways = np.stack([~dfa.accepts_in, dfa.accepts_in]).astype(int).astype(object)
    for to_go in range(1, 130):
        behind = ways[:, dfa.delta]
        ways = behind.sum(-1)
        number, row = divmod(to_go - 1, 32)
        shares = ahead.block(number, row + 1)[row]
        for label, state in itertools.product(range(2), range(dfa.num_states)):
            if total := ways[label, state]:
                exact = [float(Fraction(sum(behind[label, state, : a + 1]), total)) for a in range(3)]
                np.testing.assert_allclose(shares[label, state], exact, rtol=1e-11, atol=1e-13)
                assert shares[label, state].max() == 1.0
            else:
                assert not shares[label, state].any()


@pytest.mark.parametrize("block", [16, 64, 300])
@pytest.mark.parametrize("few", [0, 10**6], ids=["step by step", "stretches"])
@pytest.mark.parametrize("equal", [True, False], ids=["one length", "many lengths"])
def test_blocks_and_stretches_change_no_word(block, few, equal, monkeypatch):
    dfa = random_dfa(2, 7, "abc")
    lengths = np.full(5, 1000) if equal else np.array([3, 1000, 17, 640, 0, 300, 999, 64, 63])
    verdicts = np.arange(len(lengths)) % 2 == 0
    whole = WordSampler(dfa).sample(lengths, verdicts, np.random.default_rng(4))
    monkeypatch.setattr(continuations, "SHORTEST_BLOCK", block)
    monkeypatch.setattr(continuations, "LONGEST_BLOCK", block)
    monkeypatch.setattr(continuations, "KEPT_CELLS", 0)
    monkeypatch.setattr(walk, "FEW", few)
    words, states = WordSampler(dfa).sample(lengths, verdicts, np.random.default_rng(4))
    assert (words == whole[0]).all()
    for word, after, expected, length in zip(words, states, whole[1], lengths):
        assert (after[:length] == expected[:length]).all()
        assert (after[:length] == dfa.run(word[None, :length])[0]).all()


def test_rare_words_over_many_blocks_are_uniform(monkeypatch):
    """An accepted word of a*b* is told by its number of b's, which is uniform in 0 … length."""
    monkeypatch.setattr(continuations, "SHORTEST_BLOCK", 256)
    monkeypatch.setattr(continuations, "LONGEST_BLOCK", 256)
    count, length = 400, 2000
    sampler = WordSampler(DFA.from_regex("a*b*", "abcd"))
    words, _ = sampler.sample(np.full(count, length), np.full(count, True), np.random.default_rng(0))
    assert words.max() == 1
    assert (np.diff(words, axis=1) >= 0).all()
    share = np.sort(words.mean(1))
    assert np.abs(share - (np.arange(count) + 0.5) / count).max() < 1.63 / count**0.5  # Kolmogorov, 1 %


def test_words_of_a_million_letters():
    dfa = DFA.from_regex("(a|b)*abb")
    words, labels = WordSampler(dfa).balanced(2, 10**6, np.random.default_rng(0))
    assert words.shape == (2, 10**6)
    assert sorted(labels.tolist()) == [0, 1]
    assert (dfa.accepts_in[dfa.run(words)[:, -1]] == labels).all()
    assert np.abs(words.mean(1) - 0.5).max() < 5 * 0.5 / 10**3


def test_the_seed_decides():
    sampler = WordSampler(random_dfa(1, 5, "ab"))
    first, second, other = (sampler.balanced(8, 60, np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert (first == second).all()
    assert (first != other).any()


@pytest.mark.parametrize("queries", [[300], [5, 40, 41, 300], [300, 7]])
@pytest.mark.parametrize("lengths", [(6, 10, 15), (4, 9), (1,), (7, 11, 13)])
def test_lengths_that_have_a_word_repeat(lengths, queries):
    """Words over one letter whose length is a sum of the given ones; the rejected ones end at Frobenius's number."""
    dfa = DFA.from_regex("(" + "|".join(f"a{{{length}}}" for length in lengths) + ")*")
    reached = [True] + [False] * 300
    for total in range(1, 301):
        reached[total] = any(total >= length and reached[total - length] for length in lengths)
    sampler = WordSampler(dfa)
    for query in queries:
        every = np.arange(query + 1)
        assert sampler.exists(every, True).tolist() == reached[: query + 1]
        assert sampler.exists(every, False).tolist() == [not found for found in reached[: query + 1]]


def test_every_label_of_a_machine():
    group = Group("S3")
    machine = Machine.of_group(group, [1, 2])
    sampler, length = WordSampler(machine), 5
    legal: dict[int, list[tuple[int, ...]]] = {label: [] for label in range(6)}
    for word in itertools.product(range(2), repeat=length):
        legal[int(machine.run(np.array([word]))[0, -1])].append(word)
    for label, words in legal.items():
        assert sampler.exists(np.array([length]), label).tolist() == [bool(words)]
        if words:
            count = 200 * len(words)
            drawn, states = sampler.sample(np.full(count, length), np.full(count, label), np.random.default_rng(label))
            assert (states == machine.states(drawn)).all()
            seen = [list(map(tuple, drawn.tolist())).count(word) for word in words]
            assert sum(seen) == count
            assert max(abs(times - 200) for times in seen) < 5 * 200**0.5


@pytest.mark.parametrize(("count", "length", "most"), [(30, 4, 10), (31, 5, 11), (2, 4, 1), (0, 4, 0)])
def test_balanced_labels(count, length, most):
    machine = Machine.of_group(Group("S3"), [1, 2])  # three labels at even lengths, three at odd ones
    words, labels = WordSampler(machine).balanced(count, length, np.random.default_rng(0))
    assert words.shape == (count, length)
    assert (machine.run(words)[:, -1] == labels).all()
    times = np.bincount(labels, minlength=6)
    present = times[np.unique(machine.run(np.array(list(itertools.product(range(2), repeat=length))))[:, -1])]
    assert times.sum() == present.sum() == count
    assert present.max() == most and present.max() - present.min() <= 1


def test_balanced_labels_are_in_random_order():
    sampler = WordSampler(DFA.from_regex("(a|b)*a"))
    orders = {tuple(sampler.balanced(6, 4, np.random.default_rng(seed))[1].tolist()) for seed in range(40)}
    assert len(orders) > 10
    one_label = WordSampler(DFA.from_regex("(a|b)*")).balanced(5, 3, np.random.default_rng(0))[1]
    assert one_label.tolist() == [1] * 5
