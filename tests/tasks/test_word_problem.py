"""Word problems: letters, blanks, chance."""

import pytest
import torch

from lrnn.tasks import NOT_ASKED, WordProblem


@pytest.mark.parametrize(("choice", "count"), [("all", 120), ("swaps", 11), ("3-permutations", 31), ("two-random", 2)])
def test_the_published_alphabets_of_s5(choice, count):
    task = WordProblem(group="S5", generators=choice)
    assert len(task.alphabet) == count
    assert task.num_classes == 120
    assert task.chance == 1 / 120


def test_letters_and_with_all_of_them_products_are_uniform():
    task = WordProblem(group="S3")
    batch = task.sample(12_000, 5, seed=0)
    for numbers in (batch.words.flatten(), *batch.labels.T):
        share = torch.bincount(numbers, minlength=6) / len(numbers)
        assert (share - 1 / 6).abs().max() < 4.5 * (5 / 36 / 12_000) ** 0.5


def test_the_newest_letter_stands_on_the_left():
    """(1 2) and then (2 3) sends 1 to 2 to 3: the cycle (1 3 2), not (1 2 3)."""
    task = WordProblem(group="S3", ask="every")
    elements = task.machine
    word = torch.tensor([[task.alphabet.index("(1 2)"), task.alphabet.index("(2 3)")]])
    assert task.classes[elements.products(word.numpy())[0, 1]] == "(1 3 2)"


def test_blanks_between_the_letters():
    task = WordProblem(group="S5", tokens_per_transition=4)
    assert len(task.alphabet) == 121
    assert task.alphabet[120] == "_"
    batch = task.sample(30, 22, seed=0)
    asked = torch.tensor([t % 4 == 3 for t in range(22)])
    letters = torch.tensor([t % 4 == 0 for t in range(22)])
    assert (batch.labels[:, asked] != NOT_ASKED).all()
    assert (batch.labels[:, ~asked] == NOT_ASKED).all()
    assert (batch.words[:, letters] < 120).all()
    assert (batch.words[:, ~letters] == 120).all()


def test_random_generators_are_decided_by_their_seed():
    first, same, other = (WordProblem(group="S5", generators="two-random", generator_seed=s) for s in (3, 3, 4))
    assert first.alphabet == same.alphabet != other.alphabet


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "Q8"}, "group 'Q8' is unknown; legal: Z_m, D_m"),
        ({"group": "S1"}, "group 'S1' has one element, so there is nothing to ask"),
        ({"group": "A4", "generators": "swaps"}, "generators 'swaps' of A4 reach only 1 of its 12 elements"),
        ({"generators": "some"}, "generators: 'some' unknown in S3; legal: all, swaps"),
        ({"tokens_per_transition": 0, "ask": "no"}, "ask must be .*; tokens_per_transition must be at least 1, got 0"),
        ({"generator_seed": -1}, "generator_seed must be at least 0, got -1"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        WordProblem(**options)
