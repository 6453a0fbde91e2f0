"""An automaton in a file: what is read, and what is wrong with it."""

import json

import pytest

from lrnn.automata import DFA

GOOD = {
    "alphabet": ["a", "b"],
    "start": "even",
    "accepting": ["even"],
    "delta": {"odd": {"b": "odd", "a": "even"}, "even": {"a": "odd", "b": "even"}},
}


def write(folder, data) -> str:
    path = folder / "m.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return str(path)


def test_a_good_file(tmp_path):
    dfa = DFA.from_json(write(tmp_path, GOOD))
    assert dfa.alphabet == ("a", "b")
    assert dfa.start == 1
    assert dfa.accepting == {1}
    assert dfa.delta.tolist() == [[1, 0], [0, 1]]
    assert dfa == DFA.from_regex("b*(ab*ab*)*")


def test_letters_may_be_words(tmp_path):
    data = {"alphabet": ["go", "stop"], "start": "s", "accepting": ["s"], "delta": {"s": {"go": "s", "stop": "t"}}}
    data["delta"]["t"] = {"go": "t", "stop": "t"}
    assert ["go", "go"] in DFA.from_json(write(tmp_path, data))


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"start": "evn"}, ["field \"start\": 'evn' is no state of \"delta\"; its states are 'odd', 'even'"]),
        ({"start": None}, ['field "start": None is no state']),
        ({"accepting": ["even", "x"]}, ["field \"accepting\": 'x' is no state"]),
        ({"accepting": "even"}, ['field "accepting" must be a list of strings']),
        ({"alphabet": ["a", 1]}, ['field "alphabet" must be a list of strings']),
        ({"delta": {"odd": ["even"]}}, ['field "delta" must be an object of objects']),
        ({"delta": {}}, ['field "delta" has no state']),
        ({"alphabet": []}, ['field "delta"["odd"]: [\'b\', \'a\'] not in "alphabet"']),
        ({"alphabet": ["a", "b", "a"]}, ["the alphabet has ['a'] more than once"]),
        (
            {"delta": {"odd": {"a": "evn"}, "even": {"a": "odd", "b": "even", "c": "odd"}}},
            [
                'field "delta"["odd"]: no entry for [\'b\']; every letter needs one, so name a sink state',
                'field "delta"["odd"]["a"]: \'evn\' is no state',
                'field "delta"["even"]: [\'c\'] not in "alphabet"',
            ],
        ),
        (
            {"delta": {**GOOD["delta"], "lost": {"a": "odd", "b": "odd"}}},
            ["no word reaches the states [2]", "states are numbered 0 = 'odd', 1 = 'even', 2 = 'lost'"],
        ),
    ],
)
def test_every_faulty_field_is_named(tmp_path, change, faults):
    path = write(tmp_path, {**GOOD, **change})
    with pytest.raises(ValueError) as error:
        DFA.from_json(path)
    assert str(error.value).startswith(f"{path}: ")
    for fault in faults:
        assert fault in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"alphabet": ["a"],\n "start": }', r"m.json, line 2, column 11: no JSON: Expecting value"),
        ("", "line 1, column 1: no JSON"),
        ("[1]", "must hold a JSON object with the fields alphabet, start, accepting, delta"),
        ('{"alphabet": ["a"], "begin": "s"}', '"start" is missing; .*"begin" is unknown; the fields are alphabet'),
        ('{"start": "s", "start": "t"}', r"\['start'\] given more than once in one object"),
    ],
)
def test_files_that_are_no_automaton(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        DFA.from_json(write(tmp_path, text))


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.json: cannot be read: No such file"):
        DFA.from_json(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ValueError, match=r"bytes.json: not UTF-8 text \(byte 7\)"):
        DFA.from_json(tmp_path / "bytes.json")


@pytest.mark.parametrize(
    "dfa",
    [
        DFA(alphabet=("a", "b"), delta=[[1, 0], [0, 1]], start=1, accepting={0}),
        DFA(alphabet=('"', "go on", "é"), delta=[[0, 0, 0]], start=0, accepting=()),
        DFA.from_regex("(ab|ba)*"),
    ],
    ids=["start 1", "odd letters", "regex"],
)
def test_what_is_written_is_read_back(tmp_path, dfa):
    dfa.to_json(tmp_path / "m.json")
    read = DFA.from_json(tmp_path / "m.json")
    assert read.alphabet == dfa.alphabet
    assert (read.delta == dfa.delta).all()
    assert (read.start, read.accepting) == (dfa.start, dfa.accepting)
