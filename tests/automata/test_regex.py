"""Regular expressions: against Python's own, against automata-lib, and every kind of mistake."""

import itertools
import random
import re

import pytest
from automata.fa.dfa import DFA as OtherDFA
from automata.fa.nfa import NFA as OtherNFA

from lrnn.automata import DFA

WORDS = ["".join(word) for length in range(6) for word in itertools.product("abc", repeat=length)]


def random_pattern(rng: random.Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(["a", "b", "c", "a", "b", "[ab]", "[^a]", "[b-c]", ".", "ε", "∅", "()"])
    inner = [random_pattern(rng, depth - 1) for _ in range(2)]
    shapes = [
        "{0}{1}",
        "({0}|{1})",
        "{0}|{1}",
        "({0})*",
        "({0})+",
        "({0})?",
        "({0}){{2}}",
        "({0}){{1,3}}",
        "({0}){{0,}}",
    ]
    return rng.choice(shapes).format(*inner)


def of_python(pattern: str) -> re.Pattern[str]:
    for ours, theirs in (("()", "(?:)"), ("ε", "(?:)"), ("∅", "[^abc]"), (".", "[abc]")):
        pattern = pattern.replace(ours, theirs)
    return re.compile(pattern)


@pytest.mark.parametrize("seed", range(40))
def test_same_words_as_python(seed):
    rng = random.Random(seed)
    for _ in range(4):
        pattern = random_pattern(rng, rng.randrange(4))
        dfa, other = DFA.from_regex(pattern, "abc"), of_python(pattern)
        assert [word for word in WORDS if word in dfa] == [word for word in WORDS if other.fullmatch(word)], pattern


PATTERNS = [
    "(ab|ba)*", "(aa)*b", "a*b*", "(a|b)*abb", "((a|b)(a|b))*", "(a|b)*a(a|b)(a|b)", "a?b?a?", "(a|b)+",
    "(b*ab*ab*)*|b*", "a{3}", "a{2,4}b", "(ab){1,2}", "((a*b)*a)*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_same_minimal_automaton_as_automata_lib(pattern):
    ours = DFA.from_regex(pattern, "ab")
    theirs = OtherDFA.from_nfa(OtherNFA.from_regex(pattern, input_symbols={"a", "b"})).to_complete().minify()
    assert ours.num_states == len(theirs.states)
    for word in itertools.chain.from_iterable(itertools.product("ab", repeat=n) for n in range(9)):
        assert ("".join(word) in ours) == theirs.accepts_input("".join(word))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", {""}),
        ("ε", {""}),
        ("()", {""}),
        ("()*", {""}),
        ("(ε|ε){5}", {""}),
        ("(){1000000000}a", {"a"}),
        ("∅", set()),
        ("∅*", {""}),
        ("∅?a", {"a"}),
        ("a∅|b", {"b"}),
        ("∅{2,3}", set()),
        ("∅{0,3}", {""}),
        ("a{0}", {""}),
        ("a{0}b", {"b"}),
        ("a|", {"a", ""}),
        ("|", {""}),
        ("a{ 1 , 2 }", {"a", "aa"}),
        ("a??", {"", "a"}),
        ("(a?){2}", {"", "a", "aa"}),
        ("[ab]", {"a", "b"}),
        ("a{2,}", {"aa", "aaa", "aaaa", "aaaaa"}),
        ("(ab){0,1}{2}", {"", "ab", "abab"}),
    ],
)
def test_small_languages(pattern, words):
    dfa = DFA.from_regex(pattern, "ab")
    assert {word for word in WORDS if word in dfa} == words


def test_special_letters_can_be_meant():
    dfa = DFA.from_regex(r"\(\)\*[\]\-^.]\\ ")
    assert "()*]\\ " in dfa
    assert "()*-\\ " in dfa
    assert dfa.alphabet == (" ", "(", ")", "*", "-", ".", "\\", "]", "^")
    assert DFA.from_regex("[a-]", "a-b") == DFA.from_regex("a|\\-", "a-b")
    assert DFA.from_regex("[^]", "ab") == DFA.from_regex(".", "ab")


def test_piles_of_signs_are_simplified():
    for signs, same in (("*" * 3000, "*"), ("?+", "*"), ("+?", "*"), ("??", "?"), ("++", "+"), ("*?+", "*")):
        assert DFA.from_regex("a" + signs, "ab") == DFA.from_regex("a" + same, "ab"), signs[:9]


@pytest.mark.parametrize(
    ("pattern", "position", "reason"),
    [
        ("(ab", 0, "this '(' is never closed"),
        ("a(b|(c)", 1, "this '(' is never closed"),
        ("ab)", 2, "this ')' closes nothing"),
        ("*a", 0, "there is nothing before '*' to repeat"),
        ("a|+b", 2, "there is nothing before '+' to repeat"),
        ("(?a)", 1, "there is nothing before '?' to repeat"),
        ("{2}", 0, "there is nothing before '{' to repeat"),
        ("a{2", 1, "'{' begins a repetition {m}, {m,} or {m,n}"),
        ("a{x}", 1, "'{' begins a repetition"),
        ("a{,3}", 1, "'{' begins a repetition"),
        ("ab{3,2}", 2, "the repetition {3,2} has its bounds the wrong way round"),
        ("a[bc", 1, "this '[' is never closed"),
        ("[a-", 0, "this '[' is never closed"),
        ("[]", 0, "this set of letters is empty"),
        ("[c-a]", 1, "the range c-a is the wrong way round"),
        ("a]", 1, "this ']' closes nothing"),
        ("a}", 1, "this '}' closes nothing"),
        ("ab\\", 2, "nothing follows the '\\'"),
        (r"a\d", 1, "'\\d' has no meaning here"),
    ],
)
def test_mistakes_are_told_with_their_position(pattern, position, reason):
    with pytest.raises(ValueError) as error:
        DFA.from_regex(pattern, "abc")
    first, shown, caret, legal = str(error.value).splitlines()
    assert first.startswith(f"regular expression, position {position}: {reason}")
    assert shown == "  " + pattern
    assert caret == " " * (2 + position) + "^"
    assert legal.startswith("legal: letters, | or, * + ?")


@pytest.mark.parametrize(
    ("pattern", "alphabet", "message"),
    [
        ("", None, r"the alphabet is empty: no letter is written in '', so pass alphabet="),
        (".*", None, "the alphabet is empty: no letter is written"),
        ("a", "", "the alphabet is empty"),
        ("ab*c", "ab", r"position 3: 'c' is not in the alphabet \('a', 'b'\)"),
        ("a[b-d]", "ab", r"position 1: 'c' is not in the alphabet"),
        ("a", "aa", r"the alphabet has \['a'\] more than once"),
        ("a", ["a", "bc"], "letter 'bc' of the alphabet must be one character"),
        ("a{200}{200}", None, "written out, has more than 20,000 letters"),
        ("(a|b)*a(a|b){20}", None, "has more than 10,000 states; raise max_states"),
        ("(" * 3000 + "a" + ")" * 3000, None, "nested too deeply"),
        ("a" + "{2}" * 3000, None, "nested too deeply"),
    ],
)
def test_other_mistakes_are_told(pattern, alphabet, message):
    with pytest.raises(ValueError, match=message):
        DFA.from_regex(pattern, alphabet)


def test_the_cap_on_states_can_be_raised():
    with pytest.raises(ValueError, match="more than 30 states"):
        DFA.from_regex("(a|b)*a(a|b){4}", max_states=30)
    assert DFA.from_regex("(a|b)*a(a|b){4}", max_states=40).num_states == 32
