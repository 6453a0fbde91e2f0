"""Exact counts and the word with a given number, against writing all words out."""

import itertools

import numpy as np
import pytest

from lrnn.automata import DFA, count_words, word_at


@pytest.mark.parametrize("pattern", ["(ab|ba)*", "a*b*", "(a|b)*abb", "ab|ba", "(aa)*", "[abc]*c[abc]", "∅"])
@pytest.mark.parametrize("accepted", [True, False])
def test_the_words_in_the_order_of_a_dictionary(pattern, accepted):
    dfa = DFA.from_regex(pattern, "abc")
    for length in range(6):
        every = itertools.product(range(3), repeat=length)
        legal = [word for word in every if ([dfa.alphabet[x] for x in word] in dfa) == accepted]
        assert count_words(dfa, length, accepted) == len(legal)
        assert [tuple(word_at(dfa, length, index, accepted).tolist()) for index in range(len(legal))] == legal
        kind = f"{'accepted' if accepted else 'rejected'} word of length {length}"
        told = f"index must be 0 … {len(legal) - 1}, got {len(legal)}, for the {kind}"
        with pytest.raises(ValueError, match=told if legal else f"there is no {kind}"):
            word_at(dfa, length, len(legal), accepted)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 63, 64, 65, 99])
def test_every_length_of_the_last_block(length):
    """Among the words over two letters, the word with number k is k in binary."""
    dfa = DFA.from_regex("[01]*", "01")
    index = (1 << length) // 3
    assert "".join(map(str, word_at(dfa, length, index))) == f"{index:0{length}b}"


def test_long_words():
    """Of a*b*, word k has k letters b."""
    dfa = DFA.from_regex("a*b*")
    word = word_at(dfa, 20_000, 12_345)
    assert word.sum() == 12_345
    assert (np.diff(word) >= 0).all()


def test_numbers_that_are_none():
    dfa = DFA.from_regex("a*b*")
    with pytest.raises(ValueError, match="index must be 0 … 3, got -1, for the accepted word of length 3"):
        word_at(dfa, 3, -1)
    with pytest.raises(ValueError, match="index must be 0 … about 2\\^50000, got about 2\\^50001"):
        word_at(DFA.from_regex("(a|b)*"), 50_000, 2**50_000)
    with pytest.raises(ValueError, match="length must be at least 0, got -1"):
        word_at(dfa, -1, 0)
