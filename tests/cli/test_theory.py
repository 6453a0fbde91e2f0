"""The verbs of the theory on the command line, and what they answer to a mistake."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

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


def compiled(regex="(ab)*", folder="made"):
    assert main(["compile", regex, "-o", folder, "--quick"]) == 0
    return folder


def test_compile_leaves_a_model_that_verify_checks(somewhere, capsys):
    compiled()
    assert "0 errors" in capsys.readouterr().out
    kept = {path.name for path in (somewhere / "made").iterdir()}
    assert kept == {"model.safetensors", "config.json", "vocabulary.json", "machine.json", "certificate.json"}
    assert main(["verify", "made", "--quick", "--seed", "7"]) == 0
    assert "holds: 0 errors" in capsys.readouterr().out
    assert json.loads((somewhere / "made" / "certificate.json").read_text())["holds"]


def test_verify_fails_for_a_model_that_errs(somewhere, capsys):
    compiled()
    weights = load_file(somewhere / "made" / "model.safetensors")
    weights["head.weight"] = -weights["head.weight"]
    save_file(weights, somewhere / "made" / "model.safetensors")
    assert main(["verify", "made", "--quick"]) == 1
    said = capsys.readouterr()
    assert "FAILS" in said.out
    assert "made: the model errs" in said.err
    assert not json.loads((somewhere / "made" / "certificate.json").read_text())["holds"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["(ab)*"], "-o DIR"),
        (["(ab)*", "-o", "full"], "full already exists"),
        (["(aa)*", "-o", "new", "--structure", "diagonal", "--eigenvalues", "0,1"], "a repeated has period 2"),
        (["--group", "S3", "-o", "new", "--structure", "complex_diagonal"], "do not commute"),
        (["(ab", "-o", "new"], "never closed"),
        (["(ab)*", "-o", "new", "--structure", "dense", "--n-h", "2"], "has none"),
        (["(ab)*", "--group", "S3", "-o", "new"], "name one language"),
    ],
)
def test_compile_answers_a_mistake(argv, said, somewhere, capsys):
    (somewhere / "full").mkdir()
    (somewhere / "full" / "thesis.txt").write_text("mine")
    assert main(["compile", *argv]) == 2
    assert said in capsys.readouterr().err
    assert not (somewhere / "new").exists()


def test_training_starts_from_compiled_weights(somewhere, capsys):
    compiled()
    start = load_file(somewhere / "made" / "model.safetensors")
    train = [
        "train",
        "--regex",
        "(ab)*",
        "--init-from",
        "made",
        "--max-length",
        "8",
        "--batch",
        "4",
        "--eval-batch",
        "16",
    ]
    assert main([*train, "--steps", "1", "--lr", "1e-30", "--folder", "run"]) == 0
    after = load_file(somewhere / "run" / "checkpoints" / "model" / "model.safetensors")
    assert set(after) == set(start)
    assert all(torch.allclose(after[name], start[name], rtol=0, atol=1e-20) for name in start)
    capsys.readouterr()
    assert main(["train", "--resume", "run"]) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--regex", "(ab)*", "--init-from", "made", "--dim", "8"], "leave out --dim"),
        (["--regex", "(ab)*", "--init-from", "made", "--mixer", "gla"], "leave out --mixer"),
        (["--regex", "(cb)*", "--init-from", "made"], "its letters are a b, those of the task regular b c"),
        (["--regex", "(ab)*", "--init-from", "nowhere"], "nowhere"),
    ],
)
def test_training_from_other_weights_is_answered(flags, said, somewhere, capsys):
    compiled()
    assert main(["train", *flags, "--folder", "run"]) == 2
    assert said in capsys.readouterr().err
    assert not (somewhere / "run").exists()
