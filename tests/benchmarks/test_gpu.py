"""The GPU's measurements run on a CPU with the reference and tiny sizes; no time is asserted, and no peer is needed."""

import dataclasses
import json
import sys
import types

import pytest
import torch

from benchmarks import gpu_contests, gpu_errors, gpu_measuring, gpu_peers, gpu_results
from benchmarks.gpu import COLUMNS, PARTS, Setting, gpu, table
from benchmarks.gpu_ceilings import forward_work
from benchmarks.gpu_clock import Clock
from benchmarks.gpu_contests import CONTESTS, Size
from benchmarks.gpu_measuring import measure, ours, ratios, theirs
from benchmarks.gpu_training import PeerMixer, Trainer, deltaproduct_340m, with_peer_layers
from benchmarks.peers import Absent
from lrnn import Sequential, recurrence
from lrnn.models import LanguageModel, LanguageModelConfig

CLOCK = Clock("cpu", 1.0)
SMALL = Size.of(2, 70, 2, 16)
GROUPED = Size(2, 70, 4, 16, 8, 2)
TINY = LanguageModelConfig(
    vocab_size=32,
    dim=16,
    num_layers=1,
    mixer="gated_deltaproduct",
    mixer_config={"num_heads": 2, "value_dim": 8, "num_householders": 2, "eigenvalues": (-1, 1)},
)

pytestmark = pytest.mark.no_shape_checks


def size_of(op: str) -> Size:
    return GROUPED if CONTESTS[op].shares_keys else SMALL


def inputs(op: str, dtype: torch.dtype = torch.float64) -> gpu_contests.Tensors:
    return CONTESTS[op].inputs(torch.Generator().manual_seed(0), size_of(op), dtype)


def test_everything_but_decoding_runs_small():
    options = {
        "state": {"widths": (16,)},
        "ceilings": {"copied_bytes": 1024, "width": 16},
        "dtypes": {"size": SMALL},
        "training": {"config": TINY, "length": 16, "batches": (2,), "modes": (False,), "steps": 1},
    }
    ops = ("householder-2", "gated-1", "attention")
    setting = Setting(CLOCK, ops, with_peers=True, sizes=(SMALL,), lengths=(64,), options=options)
    outcome = gpu(1, [part for part in PARTS if part != "decode"], ops, setting=setting)
    assert all(len(row) == len(COLUMNS) for row in outcome.rows)
    data = json.loads(json.dumps(outcome.data))
    assert set(data["parts"]) == set(PARTS) - {"decode"}
    assert data["left_out"] == []
    assert {"device", "versions", "commit", "started", "kernels compiled before"} <= set(data["runs"][0])
    contest = data["parts"]["contests"]["householder-2 B2 T70 H2 D16"]
    assert contest["shape"] == dataclasses.asdict(SMALL)
    assert set(contest["entries"]) | set(contest["absent"]) == {"lrnn", "fla"}
    entry = contest["entries"]["lrnn"]
    assert set(entry["errors"]) == {"y", "q", "k", "v", "beta"}
    assert max(entry["errors"].values()) <= 1e-2
    assert set(entry["milliseconds"]) == {"forward", "forward+backward"}
    assert data["parts"]["contests"]["attention B2 T70 H2 D16"]["entries"]["torch"]["milliseconds"]
    assert data["parts"]["state"]["K16 T64"]["entries"]["lrnn n_h = 1 float32"]["error"] <= 1e-5
    assert data["parts"]["training"]["lrnn"]["tokens_per_second"] > 0


def test_nothing_is_begun_after_its_time(tmp_path):
    setting = Setting(CLOCK, ("scalar",), with_peers=False, sizes=(SMALL,))
    journal = tmp_path / "journal.json"
    data = gpu(1, ("contests", "state"), seconds=-1, journal=journal, setting=setting).data
    assert data["left_out"] == ["contests", "state"]
    assert not data["parts"]
    data = gpu(1, ("contests",), journal=journal, setting=setting).data
    assert json.loads(journal.read_text())["parts"].keys() == data["parts"].keys()


def test_names_and_device_are_checked():
    with pytest.raises(ValueError, match="parts = nothing: legal are ceilings, contests"):
        gpu(parts=("nothing",))
    with pytest.raises(ValueError, match="ops = cubic: legal are householder-1"):
        gpu(ops=("cubic",))
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="needs a CUDA device"):
            gpu()


@pytest.mark.parametrize("op", [op for op, contest in CONTESTS.items() if contest.arguments is not None])
def test_a_part_of_rows_and_heads_stands_for_the_whole(op):
    """Outputs and gradients of the part alone are those of the whole."""
    contest, tensors = CONTESTS[op], inputs(op)
    size = size_of(op)
    weight = torch.randn(size.B, size.T, size.H, size.V, dtype=torch.float64)
    whole = contest.part(ours(contest, tensors).differentiate(weight), 1)
    alone = ours(contest, contest.part(tensors, 1))
    part = alone.differentiate(contest.part({"y": weight}, 1)["y"])
    assert set(part) == {"y", *tensors} - {"A"}
    for name, x in part.items():
        torch.testing.assert_close(x, whole[name])


@pytest.mark.parametrize("reflectors", [1, 2, 4])
def test_the_order_that_a_peer_wants(reflectors):
    """Writes one after the other along time: micro-steps with one reflector, read at every R-th, are the same."""
    contest = CONTESTS[f"householder-{reflectors}"]
    tensors = inputs(f"householder-{reflectors}")

    def run(q, k, v, beta, state=None):
        assert k.shape == (SMALL.B, SMALL.T * reflectors, SMALL.H, SMALL.K)
        k, beta = k[..., None, :], beta[..., None]
        reads = q.repeat_interleave(reflectors, dim=1)
        micro = gpu_contests.householder(reads, k, v[..., None, :], beta)
        y, last = recurrence(**micro, algorithm=Sequential())
        return gpu_peers.Result(y[:, reflectors - 1 :: reflectors], last)

    peer = gpu_peers.Peer("micro-steps", run, gpu_peers._interleave, gpu_peers._apart(reflectors))
    weight = torch.randn(SMALL.B, SMALL.T, SMALL.H, SMALL.V, dtype=torch.float64)
    found = theirs(peer, tensors).differentiate(weight)
    for name, x in ours(contest, tensors).differentiate(weight).items():
        torch.testing.assert_close(found[name], x)


def test_no_time_beside_a_wrong_result_of_ours(monkeypatch):
    true = gpu_measuring.truth
    monkeypatch.setattr(
        gpu_measuring,
        "truth",
        lambda *given: {name: 1.05 * x if name == "y" else x for name, x in true(*given).items()},
    )
    found = measure(dataclasses.replace(CONTESTS["householder-1"], peers={}), SMALL, CLOCK)
    assert "milliseconds" not in found["entries"]["lrnn"]
    assert "above 1e-02" in found["entries"]["lrnn"]["wrong"]
    assert ratios(found) == {}
    assert "WRONG" in table("contests", "x", found)[0][2]


def test_a_peer_that_fails_is_a_finding():
    def fails(**given):
        raise RuntimeError("no kernel for this device")

    def absent():
        raise Absent("it is not installed")

    peers = {"fails": lambda: gpu_peers.Peer("one", fails), "absent": absent}
    found = measure(dataclasses.replace(CONTESTS["scalar"], peers=peers), SMALL, CLOCK)
    assert found["entries"]["lrnn"]["what"].startswith("lrnn.recurrence, runs: Chunked(")
    assert found["absent"] == {
        "fails": "fails: RuntimeError: no kernel for this device",
        "absent": "it is not installed",
    }
    assert all(len(line) == len(COLUMNS) for line in table("contests", "x", found))


def test_ratios():
    def entry(forward, both, held):
        return {
            "milliseconds": {"forward": {"median": forward}, "forward+backward": {"median": both}},
            "bytes": held,
            "errors": {"y": 0.0},
        }

    found = {"entries": {"lrnn": entry(1.0, 2.0, 100), "fla": entry(2.0, 5.0, 200)}, "absent": {}}
    assert ratios(found) == {"fla": {"forward": 2.0, "forward+backward": 2.5, "memory": 0.5}}
    assert ratios({"entries": {"fla": entry(1.0, 1.0, 1)}, "absent": {}}) == {}


def test_reflections_keep_the_length_of_the_state():
    found = dict(gpu_errors.state_errors(CLOCK, lengths=(300,), widths=(16,), with_peers=False))
    entries = found["K16 T300"]["entries"]
    assert len(entries) == 6
    for entry in entries.values():
        assert entry["error"] <= 2e-5
        assert abs(entry["length"] - 1) <= 2e-5


def test_work_is_counted_by_formula():
    size = Size.of(1, 64, 1, 128)
    assert forward_work(size, 1)["bytes"] == 2 * 64 * (4 * 128 + 1)
    by_hand = 2 * 64 * 64 * 128 * 4 + 2 * 64 * 128 * 128 * 3
    assert forward_work(size, 1)["flops"] == by_hand
    assert forward_work(size, None)["flops"] == by_hand - 2 * (2 * 64 * 64 * 128) - 2 * 64 * 128 * 128


def test_training_steps_learn_the_word():
    train = Trainer(LanguageModel(TINY), batch=2, length=16, device="cpu", compiled=False)
    for group in train.optimizer.param_groups:
        group["lr"] = 1e-2
    for _ in range(5):
        train()
    assert train.losses[-1] < train.losses[0]


def test_the_model_has_340_million_parameters():
    with torch.device("meta"):
        mixers = deltaproduct_340m()
    assert mixers.num_layers == 24 and mixers.dim == 1024
    D, W = mixers.dim, mixers.mlp_dim
    layer = D * D * (1 + 2 + 2 + 1 + 1) + 3 * D * W
    assert 0.33e9 < 24 * layer + mixers.vocab_size * D < 0.35e9


def test_the_peers_layer_stands_where_ours_was(monkeypatch):
    seen = {}

    class Layer(torch.nn.Module):
        def __init__(self, **options):
            super().__init__()
            seen.update(options)

        def forward(self, x):
            return 2 * x, None, None

    monkeypatch.setattr(gpu_peers, "deltaproduct_layer", Layer)
    model = LanguageModel(TINY)
    other = with_peer_layers(model)
    assert isinstance(other.blocks[0].mixer, PeerMixer)
    assert not isinstance(model.blocks[0].mixer, PeerMixer)
    assert seen["hidden_size"] == 16 and seen["head_dim"] * seen["num_heads"] == 16 and seen["num_householder"] == 2
    assert seen["expand_v"] == 1.0 and seen["allow_neg_eigval"]
    assert other(torch.zeros(1, 4, dtype=torch.long))[0].shape == (1, 4, 32)


def test_the_guard_is_put_back(monkeypatch):
    chunk_o = types.ModuleType("fla.ops.common.chunk_o")
    chunk_o.TRITON_ABOVE_3_7_1 = False  # type: ignore[attr-defined]
    for name in ("fla", "fla.ops", "fla.ops.common"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "fla.ops.common.chunk_o", chunk_o)
    with gpu_peers.unguarded():
        assert chunk_o.TRITON_ABOVE_3_7_1
    assert not chunk_o.TRITON_ABOVE_3_7_1


def test_a_package_without_its_own_imports(tmp_path, monkeypatch):
    package = tmp_path / "heavy"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the package itself was imported')")
    (package / "kernels.py").write_text("fast = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with gpu_peers._without_its_own_imports("heavy"):
        assert gpu_peers._op("heavy.kernels", "fast") == 7
    assert "heavy" not in sys.modules
    del sys.modules["heavy.kernels"]  # monkeypatch would bring it back
    with pytest.raises(Absent, match="nowhere is not installed"), gpu_peers._without_its_own_imports("nowhere"):
        pass


def result(device: str, day: str, **leaves: float) -> dict:
    run = {"device": device, "started": f"2026-01-{day}T00:00:00+00:00", "commit": None}
    parts = {"contests": {name: {"x": x, "run": 0} for name, x in leaves.items()}}
    return {"benchmark": "gpu", "runs": [run], "parts": parts, "left_out": []}


def test_several_runs_become_one_file(tmp_path, capsys):
    first, second = result("A GPU 100", "01", one=1.0, two=1.0), result("A GPU 100", "02", two=2.0)
    fuzz = {"benchmark": "fuzz", "cases": 500, "failures": []}
    decoded = {"benchmark": "gpu_decode", "environment": {"commit": "abc"}, "found": {"step B1": {"error": 0.0}}}
    merged = gpu_results.merge([first, second, fuzz, decoded])
    assert merged["parts"]["decode"] == {"step B1": {"error": 0.0, "run": 3}}
    assert merged["runs"][3] == {"commit": "abc", "benchmark": "gpu_decode"}
    assert merged["parts"]["contests"] == {"one": {"x": 1.0, "run": 0}, "two": {"x": 2.0, "run": 1}}
    assert merged["parts"]["fuzz"]["fuzz"]["cases"] == 500
    assert len(merged["runs"]) == 4
    assert gpu_results.merge([result("A", "01", one=1.0), result("A", "02", one=2.0)])["runs"][0]["started"][9] == "2"
    with pytest.raises(ValueError, match="runs are on A and B"):
        gpu_results.merge([result("A", "01", one=1.0), result("B", "01", two=1.0)])
    with pytest.raises(ValueError, match="benchmark is 'cpu'"):
        gpu_results.merge([{"benchmark": "cpu"}])
    for number, data in enumerate((first, second)):
        (tmp_path / f"{number}.json").write_text(json.dumps(data))
        gpu_results.main([str(tmp_path / f"{number}.json"), "--folder", str(tmp_path), "--commit", "abc"])
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "a-gpu-100-2026-01-02.json")
    kept = json.loads((tmp_path / "a-gpu-100-2026-01-02.json").read_text())
    assert kept["runs"][0]["commit"] == "abc"


def test_committed_results_are_whole():
    """Every file of results of a GPU merges with itself, and says where and when everything was measured."""
    for path in gpu_results.RESULTS.glob("*.json"):
        data = json.loads(path.read_text())
        if data.get("benchmark") != "gpu":
            continue
        assert gpu_results.path_of(data) == path
        assert gpu_results.merge([data])["parts"] == data["parts"]
        for leaves in data["parts"].values():
            for leaf in leaves.values():
                run = data["runs"][leaf["run"]]
                assert run.get("commit") and (run.get("benchmark") or run["versions"]["torch"])
