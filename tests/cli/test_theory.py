"""The verbs of the theory on the command line, and what they answer to a mistake."""

import json

import pytest

from lrnn.automata import DFA
from lrnn.cli import main

pytestmark = pytest.mark.no_shape_checks  # a user's mistake is answered by our own messages


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["(aa)*b"], "Z2: 2 elements, abelian"),
        (["--regex", "(aa)*b", "--letters", "abc"], "with 3 letters"),
        (["--group", "S3", "--generators", "swaps"], "word problem of S3, letters: swaps"),
        (["--dfa", "even.json"], "even.json"),
        (["--dfa", "even.att"], "even.att"),
        (["(ab)*", "--max-elements", "3"], "more than 3 elements"),
    ],
)
def test_explain(argv, said, capsys):
    even = DFA.from_regex("(aa)*")
    even.to_json("even.json")
    even.to_att("even.att")
    assert main(["explain", *argv]) == 0
    printed = capsys.readouterr().out
    assert said in printed
    assert "signed diagonal × Householder" in printed


def test_explain_writes_json_once(somewhere, capsys):
    assert main(["explain", "a*b*", "--json", "new/answers.json"]) == 0
    assert "Answers: new/answers.json" in capsys.readouterr().out
    data = json.loads((somewhere / "new" / "answers.json").read_text())
    assert data["language"] == "a*b*"
    assert len(data["verdicts"]) == 10
    assert main(["explain", "a*b*", "--json", "new/answers.json"]) == 2
    assert "never overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "name one language: a regular expression, --regex, --dfa FILE or --group NAME; got none"),
        (["a", "--regex", "b"], "got a regular expression and --regex"),
        (["a", "--generators", "all"], "--generators are the letters of --group, which was not given"),
        (
            ["--group", "S3", "--letters", "ab"],
            "--letters is the alphabet of a regular expression; --group has its own",
        ),
        (["(a"], "regular expression, position 0: this '(' is never closed"),
        (["∅"], "alphabet"),
        (["--group", "Q7"], "group 'Q7' is unknown"),
        (["--group", "S3", "--generators", "(1 2)"], "reach only 2 of its 6 elements"),
        (["--dfa", "missing.json"], "missing.json"),
        (["--dfa", "missing.att"], "missing.att"),
        (["a", "--max-elements", "0"], "--max-elements 0: must be positive"),
        (["a", "--max-second", "1"], "did you mean --max-seconds?"),
    ],
)
def test_mistakes_cost_nothing(argv, message, somewhere, capsys):
    assert main(["explain", *argv]) == 2
    out, err = capsys.readouterr()
    assert message in " ".join((out + err).split())
    assert "Traceback" not in err
    assert not list(somewhere.iterdir())
