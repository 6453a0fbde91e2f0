"""Modular arithmetic: the expressions that occur, and how often."""

import collections
import itertools

import pytest

from lrnn.tasks import NOT_ASKED, ModularArithmetic


def expressions(length: int, digits: str, signs: str, depth: int) -> set[str]:
    """All words of the grammar, letter by letter."""
    return {word + "=" for word in _bodies(length - 1, digits, signs, depth)}


def _bodies(length: int, digits: str, signs: str, depth: int) -> set[str]:
    front = {"-" + word for word in _chains(length - 1, digits, signs, depth)} if length > 1 else set()
    return front | _chains(length, digits, signs, depth)


def _chains(length: int, digits: str, signs: str, depth: int) -> set[str]:
    found = _operands(length, digits, signs, depth)
    for size in range(1, length - 1):
        for parts in itertools.product(
            _operands(size, digits, signs, depth), signs, _chains(length - size - 1, digits, signs, depth)
        ):
            found.add("".join(parts))
    return found


def _operands(length: int, digits: str, signs: str, depth: int) -> set[str]:
    found = set(digits) if length == 1 else set()
    if depth and length > 2:
        found |= {f"({word})" for word in _bodies(length - 2, digits, signs, depth - 1)}
    return found


def dealt(task: ModularArithmetic, length: int, count: int) -> collections.Counter[str]:
    return collections.Counter("".join(task.decode(word)) for word in task.sample(count, length, seed=1).words)


@pytest.mark.parametrize("length", range(2, 9))
@pytest.mark.parametrize("depth", [1, 2])
def test_bracketed_words_are_uniform_among_all_expressions(length, depth):
    task = ModularArithmetic(brackets=True, modulus=2, multiplication=False, max_depth=depth)
    legal = expressions(length, "01", "-+", depth)
    seen = dealt(task, length, 60 * len(legal))
    assert set(seen) == legal
    # Each count is about Poisson with mean 60; six standard deviations over at most a few hundred expressions.
    assert max(abs(count - 60) for count in seen.values()) < 6 * 60**0.5


@pytest.mark.parametrize("length", range(2, 7))
def test_flat_words_are_uniform_with_a_minus_just_at_odd_lengths(length):
    task = ModularArithmetic(modulus=2, multiplication=False)
    legal = {word for word in expressions(length, "01", "-+", 0) if len(word) % 2 == 0 or word.startswith("-")}
    seen = dealt(task, length, 60 * len(legal))
    assert set(seen) == legal
    assert max(abs(count - 60) for count in seen.values()) < 6 * 60**0.5


def test_alphabets_are_the_published_ones():
    """10 and 12 letters there, one of which is padding."""
    assert ModularArithmetic().alphabet == ("0", "1", "2", "3", "4", "-", "+", "*", "=")
    assert len(ModularArithmetic(brackets=True).alphabet) == 11
    assert "*" not in ModularArithmetic(multiplication=False).alphabet
    assert ModularArithmetic().chance == 0.2


def test_depth_is_bounded_and_reached():
    task = ModularArithmetic(brackets=True, max_depth=2)
    words = ["".join(task.decode(word)) for word in task.sample(500, 40, seed=0).words]
    depths = [max(itertools.accumulate((x == "(") - (x == ")") for x in word)) for word in words]
    assert max(depths) == 2


def test_end_asks_at_equals_only():
    task = ModularArithmetic(brackets=True)
    batch = task.sample(50, (2, 30), seed=0)
    assert ((batch.labels != NOT_ASKED) == (batch.words == task.alphabet.index("="))).all()


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modulus": 1}, "modulus must be from 2 to 64, got 1"),
        (
            {"modulus": 65, "max_depth": 0},
            "modulus must be from 2 to 64, got 65; max_depth must be from 1 to 64",
        ),
        ({"ask": "prefix"}, "ask must be one of 'end', 'every', got 'prefix'"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        ModularArithmetic(**options)
