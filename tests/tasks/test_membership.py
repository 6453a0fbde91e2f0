"""Regular languages, Tomita, Dyck: balance, near misses, chance, and what cannot be asked."""

import itertools
import json

import pytest
import torch

from lrnn.tasks import NOT_ASKED, TASKS, Dyck, DyckCloser, Regular, Tomita
from tests.tasks import oracles


@pytest.mark.parametrize("length", [12, (1, 16), (3, 40)], ids=str)
@pytest.mark.parametrize("rejects", ["uniform", "near"])
@pytest.mark.parametrize(
    "make",
    [
        lambda **options: Regular(regex="(ab|ba)*", **options),
        lambda **options: Regular(regex="a*b*c", **options),
        lambda **options: Regular(regex="(aa)*", **options),
        lambda **options: Tomita(number=2, **options),
        lambda **options: Tomita(number=6, **options),
        lambda **options: Dyck(pairs=2, depth=3, **options),
    ],
)
def test_one_half_is_accepted_whenever_both_verdicts_exist(make, rejects, length):
    task = make(rejects=rejects)
    if length == 12 and task.alphabet == ("a",):
        return  # of one letter there is one word of each length
    labels = task.sample(10_000, length, seed=0).labels
    share = (labels == 1).sum() / (labels != NOT_ASKED).sum()
    assert abs(share - 0.5) < 4 * (0.25 / 10_000) ** 0.5
    assert task.chance == 0.5


def test_where_one_verdict_exists_all_have_it():
    task = Regular(regex="(ab|ba)*")
    assert (task.sample(50, 7, seed=0).labels[:, -1] == 0).all()
    assert (Regular(regex="(a|b){3}(a|b)*").sample(50, 5, seed=0).labels[:, -1] == 1).all()


def test_chance_where_one_verdict_exists_is_one():
    task = Regular(regex="(ab|ba)*")
    assert [task.chance_between(n, n) for n in (5, 6)] == [1.0, 0.5]
    assert task.chance_between(5, 6) == task.chance == 0.5
    assert Regular(regex="a*b", ask="every").chance_between(1, 1) == 0.5
    far = Regular(regex="a{100}")  # the chance covers as many letters as the automaton has states
    assert far.chance_between(1, 64) == 1.0
    assert far.chance == 0.5


def test_near_misses_are_one_letter_away():
    task = Regular(regex="(ab|ba)*", rejects="near")
    batch = task.sample(300, 8, seed=0)
    accepted = {"".join(parts) for parts in itertools.product(("ab", "ba"), repeat=4)}
    for word, label in zip(batch.words, batch.labels[:, -1].tolist()):
        letters = "".join(task.decode(word))
        nearest = min(sum(a != b for a, b in zip(letters, other)) for other in accepted)
        assert nearest == (0 if label else 1)


def test_near_misses_where_there_are_none():
    """No accepted word of odd length: the rejected ones are then any."""
    task = Regular(regex="(ab|ba)*", rejects="near")
    assert (task.sample(50, 7, seed=0).labels[:, -1] == 0).all()
    parity = Regular(regex="b*(ab*ab*)*", rejects="near")
    assert parity.sample(400, 6, seed=0).labels[:, -1].float().mean() == pytest.approx(0.5, abs=0.1)
    one_letter = Regular(regex="(aa)*", rejects="near")
    assert (one_letter.sample(20, 5, seed=0).labels[:, -1] == 0).all()


@pytest.mark.parametrize("pattern", ["(ab|ba)*", "a*b*", "(a|b)*abb", "a(a|b)"])
def test_chance_of_every_prefix_is_that_of_the_best_constant(pattern):
    """Exactly, by writing out all words, and near what is measured."""
    task = Regular(regex=pattern, ask="every", letters="ab")
    verdict = oracles.regex(pattern)
    shortest, longest = 1, 8
    expected = {0: [0.0, 0.0], 1: [0.0, 0.0]}
    words = {n: ["".join(word) for word in itertools.product("ab", repeat=n)] for n in range(shortest, longest + 1)}
    for end in (0, 1):
        groups = [[w for w in words[n] if (verdict(w)[-1] == "accept") == bool(end)] for n in words]
        groups = [group for group in groups if group]
        for group in groups:
            for word in group:
                for answer in verdict(word):
                    expected[end][answer == "accept"] += 1 / len(group) / len(groups)
    counts = [sum(expected[end][answer] for end in (0, 1)) for answer in (0, 1)]
    assert task.chance_between(shortest, longest) == pytest.approx(max(counts) / sum(counts), rel=1e-12)
    labels = task.sample(20_000, (shortest, longest), seed=0).labels
    measured = torch.bincount(labels[labels != NOT_ASKED]).max() / (labels != NOT_ASKED).sum()
    assert task.chance_between(shortest, longest) == pytest.approx(measured.item(), abs=0.01)
    assert 0.5 <= task.chance < 1


def test_uniform_among_the_words_of_a_verdict():
    task = Tomita(number=4)
    batch = task.sample(20_000, 5, seed=0)
    seen = {0: {}, 1: {}}
    for word, label in zip(batch.words, batch.labels[:, -1].tolist()):
        letters = "".join(task.decode(word))
        seen[label][letters] = seen[label].get(letters, 0) + 1
    for label, accepts in ((1, True), (0, False)):
        legal = {"".join(w) for w in itertools.product("01", repeat=5) if ("000" not in "".join(w)) == accepts}
        assert set(seen[label]) == legal
        mean = 10_000 / len(legal)
        assert max(abs(count - mean) for count in seen[label].values()) < 5 * mean**0.5


def test_closers_walk_and_chance():
    task = DyckCloser(pairs=2, depth=3)
    labels = task.sample(2000, 400, seed=0).labels[:, 40:]
    share = torch.bincount(labels.flatten(), minlength=3) / labels.numel()
    assert (share - torch.tensor([1 / 6, 5 / 12, 5 / 12])).abs().max() < 0.01
    assert task.chance == pytest.approx(5 / 12)
    assert DyckCloser(pairs=8, depth=1).chance == 0.5


def test_dyck_of_many_pairs_in_closer_only():
    assert DyckCloser(pairs=30, depth=50).sample(4, 60, seed=0).labels.max() <= 30
    with pytest.raises(ValueError, match=r"pairs = 30 and depth = 4 make an automaton of more than 20,000 states"):
        Dyck(pairs=30, depth=4)


def test_an_automaton_from_a_file(tmp_path):
    path = tmp_path / "even.json"
    rows = {"even": {"a": "odd", "b": "even"}, "odd": {"a": "even", "b": "odd"}}
    path.write_text(json.dumps({"alphabet": ["a", "b"], "start": "even", "accepting": ["even"], "delta": rows}))
    from_file, from_regex = Regular(dfa=str(path)), Regular(regex="b*(ab*ab*)*")
    assert torch.equal(from_file.sample(8, 12, seed=0).words, from_regex.sample(8, 12, seed=0).words)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (Regular, {}, ValueError, "exactly one of regex and dfa, got regex = None, dfa = None"),
        (Regular, {"regex": "a", "dfa": "x.json"}, ValueError, "exactly one of regex and dfa"),
        (Regular, {"regex": "(ab"}, ValueError, r"position 0: this '\(' is never closed"),
        (Regular, {"regex": "ab", "letters": "a"}, ValueError, r"position 1: 'b' is not in the alphabet \('a',\)"),
        (Regular, {"dfa": "nowhere.json"}, FileNotFoundError, "nowhere.json: cannot be read: No such file"),
        (Regular, {"dfa": "x.json", "letters": "ab"}, ValueError, "letters is the alphabet of regex"),
        (Regular, {"regex": "∅", "letters": "ab"}, ValueError, "every word of one or more letters is rejected"),
        (Regular, {"regex": "ε", "letters": "ab"}, ValueError, "every word of one or more letters is rejected"),
        (Regular, {"regex": "(a|b)*"}, ValueError, "every word of one or more letters is accepted"),
        (Regular, {"regex": "(a|b)+"}, ValueError, "every word of one or more letters is accepted"),
        (Regular, {"regex": "a*b", "rejects": "hard"}, ValueError, "rejects must be one of 'uniform', 'near'"),
        (Tomita, {"number": 8}, ValueError, "number must be one of 1, 2, 3, 4, 5, 6, 7, got 8"),
        (
            Dyck,
            {"pairs": 0, "depth": 0},
            ValueError,
            "pairs must be from 1 to 30, got 0; depth must be at least 1",
        ),
        (DyckCloser, {"pairs": 31, "ask": "x"}, ValueError, "pairs must be from 1 to 30, got 31; ask must be"),
    ],
)
def test_wrong_options_are_told(kind, options, error, message):
    with pytest.raises(error, match=message):
        kind(**options)


def test_names_are_unique():
    assert len(set(TASKS.values())) == len(TASKS)
