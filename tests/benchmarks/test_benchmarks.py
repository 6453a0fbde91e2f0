"""The measurements run, refuse a wrong result, and can be written down; no time is asserted."""

import json
import sys

import pytest
import torch

from benchmarks import BENCHMARKS, contest, peers
from benchmarks.compiling import compiler
from benchmarks.decoding import decode
from benchmarks.importing import imports
from benchmarks.timing import take_turns
from lrnn.compiler import Checks

SMALL = (1, 64, 2, 8)


def test_the_registry():
    assert set(BENCHMARKS) >= {"cpu", "gpu", "decode", "import", "compiler"}


@pytest.mark.filterwarnings("ignore")  # peers, where installed, warn of their own
def test_cpu():
    outcome = contest.cpu(threads=1, size=SMALL, seconds=0.01)
    assert torch.get_num_threads() == 1
    assert all(len(row) == len(outcome.columns) for row in outcome.rows)
    data = json.loads(json.dumps(outcome.data))
    assert data["shape"] == {"B": 1, "T": 64, "H": 2, "K = V": 8}
    assert {"device", "versions", "commit", "threads"} <= set(data["environment"])
    assert set(data["functions"]) == set(contest.CONTESTS)
    for name, found in data["functions"].items():
        wanted = set(contest.CONTESTS[name].peers)
        assert wanted <= set(found["entries"]) | set(found["absent"]), "a peer is there or says why not"
        if name != "softmax attention":
            assert max(found["entries"]["lrnn"]["errors"].values()) <= 1e-5
        for entry in found["entries"].values():
            assert entry["what"], "who it is, in full"
            assert set(entry["milliseconds"]) == {"forward", "forward+backward"}
            assert entry["milliseconds"]["forward"]["fastest"] <= entry["milliseconds"]["forward"]["median"]


def test_no_time_beside_a_wrong_result():
    good = contest.CONTESTS["delta rule"]

    def wrong(**tensors):
        return good.ours(**tensors) * 1.001  # type: ignore[misc]

    with pytest.raises(ArithmeticError, match="above 1e-05"):
        contest.measure(contest.Contest(good.inputs, wrong, good.truth), SMALL, 0.01)


def test_every_contest_has_a_truth_that_is_not_ours():
    """The definition, step by step in float64, agrees with what is timed on other sizes too."""
    for name, entry in contest.CONTESTS.items():
        if entry.ours is None:
            continue
        tensors = entry.inputs(torch.Generator().manual_seed(1), (2, 70, 1, 6))
        want = entry.truth(**{key: x.double() for key, x in tensors.items()})
        assert (entry.ours(**tensors) - want).norm() <= 1e-5 * want.norm(), name


def test_an_absent_peer_says_why():
    with pytest.raises(peers.Absent, match="no_such_package is not installed"):
        peers._file("no_such_package", "naive.py")
    with pytest.raises(peers.Absent, match=r"this version of torch has no nowhere\.py"):
        peers._file("torch", "nowhere.py")
    with pytest.raises(peers.Absent, match="no_such_package does not import"):
        peers.module("no_such_package.inside")


def test_one_file_of_a_package_is_loaded_alone(tmp_path, monkeypatch):
    """What the file imports beside it is replaced meanwhile, and only meanwhile."""
    package = tmp_path / "heavy"
    (package / "inside").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('the package itself was imported')")
    (package / "inside" / "naive.py").write_text("from heavy.kernels import fast\n\ndef rule():\n    return 7, fast\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = peers._file("heavy", "inside/naive.py", ("heavy", "heavy.kernels"))
    assert module.rule() == (7, None)
    assert not [name for name in sys.modules if name.startswith("heavy")]
    with pytest.raises(RuntimeError, match="itself was imported"):
        peers._file("heavy", "inside/naive.py")


def test_turns():
    calls: list[str] = []
    times = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, seconds=1.0, rounds=4)
    assert calls[2:4] == ["b", "b"]
    assert calls[4:] == ["a", "b"] * 3
    assert all(found.rounds == 4 and found.fastest <= found.median for found in times.values())


@pytest.mark.no_shape_checks
def test_decode():
    outcome = decode(threads=1, mixers=("gated_deltanet",))
    entry = json.loads(json.dumps(outcome.data))["mixers"]["gated_deltanet"]
    early, late = entry["bytes of a step at 32 and 256"]
    assert early == late, "no allocation of a step grows with the position"
    assert entry["error"] <= 1e-4


def test_imports():
    outcome = imports(repeats=1)
    assert [row[0] for row in outcome.rows] == ["import torch", "import lrnn after it"]
    json.dumps(outcome.data)


def test_compiler():
    outcome = compiler(threads=1, checks=Checks(max_words=20, lengths=(50,), bfloat16_length=0), only=(0, 1))
    assert len(outcome.rows) == 2
    assert "2 languages compiled and verified: 0 errors, 0 certificates that do not hold" in outcome.title
    assert all(entry["holds"] and entry["readings"] for entry in json.loads(json.dumps(outcome.data))["languages"])
