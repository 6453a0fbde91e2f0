"""The AT&T text format: what is read, what is written, and what is wrong with a file."""

import numpy as np
import pytest

from lrnn.automata import DFA

EVEN = "0 1 a\n0 0 b\n1 0 a\n1 1 b\n0\n"


def write(folder, text: str, name: str = "m.txt") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def random_dfa(seed: int) -> DFA:
    rng = np.random.default_rng(seed)
    return DFA.trimmed("xab", rng.integers(0, 6, (6, 3)), 0, np.flatnonzero(rng.random(6) < 0.5).tolist())


def test_a_good_file(tmp_path):
    dfa = DFA.from_att(write(tmp_path, EVEN))
    assert dfa.alphabet == ("a", "b")
    assert dfa.delta.tolist() == [[1, 0], [0, 1]]
    assert dfa.start == 0
    assert dfa.accepting == {0}


@pytest.mark.parametrize(
    "text",
    [
        "0\t1\ta\n0\t0\tb\n\n1\t0\ta\n1\t1\tb\n0\n",
        "0 1 a 0.5\n0 0 b 1e-3\n1 0 a 0\n1 1 b\n0 0.25\n",
        "0 1 a a\n0 0 b b\n1 0 a a 0.5\n1 1 b b\n0\n",
        "0\n0 1 a\n0 0 b\n1 0 a\n1 1 b\n",
        EVEN + "1 Infinity\n0 1 b Infinity\n",
        "even odd a\neven even b\nodd even a\nodd odd b\neven\n",
    ],
    ids=["tabs", "weights", "copying transducer", "final state first", "infinite weights", "named states"],
)
def test_the_same_automaton_in_other_words(tmp_path, text):
    dfa = DFA.from_att(write(tmp_path, text))
    assert dfa.delta.tolist() == [[1, 0], [0, 1]]
    assert dfa.accepting == {0}


def test_numbers_are_letters_as_they_are_written(tmp_path):
    dfa = DFA.from_att(write(tmp_path, "0 1 1\n0 0 0\n1 0 1\n1 1 0\n0\n"), alphabet="01")
    assert dfa == DFA.from_regex("0*(10*10*)*")


def test_the_alphabet_may_be_given(tmp_path):
    path = write(tmp_path, EVEN)
    assert DFA.from_att(path, alphabet="ba").alphabet == ("b", "a")
    symbols = write(tmp_path, "b 2\n<eps> 0\na 7\n", "symbols.txt")
    assert DFA.from_att(path, symbols=symbols).alphabet == ("b", "a")
    wide = DFA.from_att(path, alphabet="abc", complete=True)
    assert wide.alphabet == ("a", "b", "c")
    assert wide == DFA.from_att(path)


def test_missing_entries_become_a_sink_only_if_asked(tmp_path):
    path = write(tmp_path, "0 1 a\n1 0 b\n0\n")
    with pytest.raises(ValueError) as error:
        DFA.from_att(path)
    assert str(error.value) == (
        f"{path}: the table is incomplete: no arc from state 0 on 'b', 1 on 'a'; complete=True lets them lead to a "
        "state from which no word is accepted"
    )
    dfa = DFA.from_att(path, complete=True)
    assert dfa == DFA.from_regex("(ab)*")
    assert dfa.num_states == 3
    assert DFA.from_att(write(tmp_path, EVEN), complete=True).num_states == 2


@pytest.mark.parametrize("seed", range(10))
def test_what_is_written_is_read_back(tmp_path, seed):
    dfa = random_dfa(seed)
    dfa.to_att(tmp_path / "m.txt", symbols=tmp_path / "letters.txt")
    for read in (
        DFA.from_att(tmp_path / "m.txt"),
        DFA.from_att(tmp_path / "m.txt", symbols=tmp_path / "letters.txt"),
    ):
        assert read == dfa
        assert read.alphabet == dfa.alphabet
        assert read.num_states == dfa.num_states
    assert (tmp_path / "letters.txt").read_text() == "<eps>\t0\nx\t1\na\t2\nb\t3\n"


def test_the_start_is_the_first_state_of_the_file(tmp_path):
    dfa = DFA(alphabet="a", delta=[[1], [0]], start=1, accepting={0})
    dfa.to_att(tmp_path / "m.txt")
    assert (tmp_path / "m.txt").read_text() == "1\t0\ta\n0\t1\ta\n0\n"
    assert DFA.from_att(tmp_path / "m.txt") == dfa


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 a\n1 1 a\n0 0 a\n1\n", "line 3: nondeterministic: state 0 has an arc for 'a' already, in line 1"),
        ("0 1 a\n0 1 a\n1 1 a\n1\n", "line 2: nondeterministic"),
        ("0 1 a\n1 0 <eps>\n", r"line 2: an arc without a letter \(<eps>\) makes it nondeterministic"),
        ("0 0 a x\n0\n", "line 1: must be 'source destination letter \\[weight\\]' .*got '0 0 a x'"),
        ("0 0 a b 1\n", "line 1: .* an output that is not the letter again makes no automaton"),
        ("0 0 a a 1 1\n", "line 1: must be"),
        ("0 x\n", "line 1: must be .*got '0 x'"),
        ("\n\n", "no line has a state; the alphabet is empty; no line has a letter, so pass alphabet="),
        ("0\n", "the alphabet is empty"),
        ("0 0 a\n1 1 a\n0\n", r"no word reaches the states \[1\].*states are numbered 0 = '0', 1 = '1'"),
        ("0 0 a x\n0 0 b b\n0 0 b b\n", "line 1: .*; line 3: nondeterministic"),
    ],
)
def test_files_that_are_no_deterministic_automaton(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        DFA.from_att(path)
    assert str(error.value).startswith(f"{path}: ")


def test_letters_outside_the_alphabet(tmp_path):
    with pytest.raises(ValueError, match=r"line 2: letter 'b' is not in the alphabet \('a',\)"):
        DFA.from_att(write(tmp_path, EVEN), alphabet="a")
    with pytest.raises(ValueError, match=r"the alphabet has \['a'\] more than once"):
        DFA.from_att(write(tmp_path, "0 0 a\n0\n"), alphabet="aa")
    with pytest.raises(ValueError, match="alphabet and symbols both give the letters"):
        DFA.from_att(write(tmp_path, EVEN), alphabet="ab", symbols="letters.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a\n", "line 1: must be 'letter number', got 'a'"), ("a 1\nb 1\n", "line 2: 'a' has number 1 already")],
)
def test_wrong_files_of_symbols(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        DFA.from_att(write(tmp_path, EVEN), symbols=write(tmp_path, text, "s.txt"))


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.txt: cannot be read: No such file"):
        DFA.from_att(tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"0 0 \xff\n")
    with pytest.raises(ValueError, match=r"bytes.txt: not UTF-8 text \(byte 4\)"):
        DFA.from_att(tmp_path / "bytes.txt")


@pytest.mark.parametrize("letter", [" ", "a b", "<eps>"])
def test_letters_that_the_format_cannot_write(tmp_path, letter):
    dfa = DFA(alphabet=(letter,), delta=[[0]], start=0, accepting={0})
    with pytest.raises(ValueError, match="which the AT&T format cannot write; use to_json"):
        dfa.to_att(tmp_path / "m.txt")
    assert not (tmp_path / "m.txt").exists()
