"""Stop anywhere, resume, and nothing differs by a bit; nothing is lost and nothing overwritten."""

import json
import resource
import signal
import threading
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from lrnn.models.files import write_whole
from lrnn.train import Checkpoints, Interrupted, RunFolder, TrainConfig, evaluate, load_model, train
from lrnn.train.interrupt import Interrupt
from lrnn.train.loop import Loop
from tests.train.runs import tiny_run

SETTINGS = {
    "adamw": {},
    "muon": {"optimizer": "muon"},
    "everything": {
        "accumulate": 2,
        "precision": "bfloat16",
        "length_draw": "word",
        "curriculum": (3, 6),
        "schedule": "one-cycle",
        "stop_accuracy": 1.0,
        "stop_patience": 99,
        "log_every": 4,
    },
}


def stop_after(monkeypatch, step):
    """Ctrl-C during update `step`."""
    update = Loop._update

    def with_signal(self):
        update(self)
        if self.step == step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_update", with_signal)


@pytest.mark.parametrize("name", SETTINGS)
def test_twenty_steps_are_ten_and_ten_more(tmp_path, monkeypatch, name):
    run = tiny_run(steps=20, checkpoint_every=7, **SETTINGS[name])
    whole = train(run, tmp_path / "whole", show=False, report=False)
    with monkeypatch.context() as patch:
        stop_after(patch, 10)
        with pytest.raises(Interrupted, match=r"stopped at step 10 of 20; resume the run in .*halves"):
            train(run, tmp_path / "halves", show=False, report=False)
    stopped = RunFolder.open(tmp_path / "halves").result
    assert stopped is not None
    assert (stopped.status, stopped.steps) == ("interrupted", 10)
    assert Checkpoints(tmp_path / "halves" / "checkpoints").steps() == [7, 10]
    halves = train(run, tmp_path / "halves", resume=True, show=False, report=False)
    assert_equal_runs(tmp_path / "whole", tmp_path / "halves")
    assert replace(halves, seconds=0, cpu_seconds=0) == replace(whole, seconds=0, cpu_seconds=0)


def test_a_crash_without_warning_resumes_from_the_last_checkpoint(tmp_path, monkeypatch):
    """Metrics were logged beyond the checkpoint, the last line even cut short: they are logged again."""
    run = tiny_run(steps=9, checkpoint_every=3)
    train(run, tmp_path / "whole", show=False, report=False)
    update = Loop._update

    def crash(self):
        if self.step == 5:
            raise MemoryError
        update(self)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_update", crash)
        with pytest.raises(MemoryError):
            train(run, tmp_path / "crashed", show=False)
    with open(tmp_path / "crashed" / "metrics.jsonl", "a") as file:
        file.write('{"step": 6, "lo')
    train(run, tmp_path / "crashed", resume=True, show=False, report=False)
    assert_equal_runs(tmp_path / "whole", tmp_path / "crashed")


def assert_equal_runs(a, b):
    assert (a / "metrics.jsonl").read_text() == (b / "metrics.jsonl").read_text()
    steps = Checkpoints(a / "checkpoints").steps()[-1], Checkpoints(b / "checkpoints").steps()[-1]
    first, second = (load_file(Checkpoints(f / "checkpoints").path(s)) for f, s in zip((a, b), steps, strict=True))
    assert steps[0] == steps[1]
    assert set(first) == set(second)
    assert any(name.startswith("optimizer.") for name in first)
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_a_run_that_was_stopped_early_but_not_measured_is_not_trained_further(tmp_path, monkeypatch):
    run = tiny_run(steps=20, stop_accuracy=1e-9, validate_every=3)
    with monkeypatch.context() as patch:
        patch.setattr("lrnn.train.run.measure", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(run, tmp_path / "run", show=False, report=False)
    result = train(run, tmp_path / "run", resume=True, show=False, report=False)
    assert (result.status, result.steps) == ("stopped early", 3)


def test_a_finished_run_is_returned_as_it_is(tmp_path, monkeypatch):
    run = tiny_run()
    first = train(run, tmp_path / "run", show=False, report=False)
    monkeypatch.setattr(Loop, "train", None)
    again = train(run, tmp_path / "run", resume=True, show=False)
    assert again.to_json() == first.to_json()


@pytest.mark.parametrize("inside", ["config.json", "result.json", "notes.txt"])
def test_a_folder_with_something_in_it_is_never_overwritten(tmp_path, inside):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / inside).write_text("precious")
    with pytest.raises(FileExistsError, match=r"run already exists and is never overwritten") as caught:
        train(tiny_run(), folder, show=False)
    assert ("--resume" in str(caught.value)) == (inside == "config.json")
    assert [path.name for path in folder.iterdir()] == [inside]
    assert (folder / inside).read_text() == "precious"


def test_resuming_with_another_config_names_what_differs(tmp_path):
    run = tiny_run()
    train(run, tmp_path / "run", show=False, report=False)
    other = replace(run, seed=4, train=replace(run.train, lr=0.5))
    with pytest.raises(ValueError, match=r"(?s)another config.*train.lr: 0.01 -> 0.5.*seed: 0 -> 4"):
        train(other, tmp_path / "run", resume=True, show=False)


def test_a_folder_that_is_no_run_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a run folder: it has no config.json"):
        train(tiny_run(), tmp_path, resume=True, show=False)
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        evaluate(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text('{"task": ')
    with pytest.raises(ValueError, match=r"config.json: the config of a run is not valid JSON"):
        evaluate(tmp_path)


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A run with checkpoints at 3 and 4 of 6 steps."""
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        with pytest.raises(Interrupted):
            train(tiny_run(), tmp_path / "run", show=False)
    return tmp_path / "run"


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other file"])
def test_a_damaged_checkpoint_is_one_clear_error(interrupted, damage):
    newest = Checkpoints(interrupted / "checkpoints").path(4)
    data = newest.read_bytes()
    if damage == "other file":
        save_file({"x": torch.ones(1)}, newest)
    else:
        newest.write_bytes({"truncated": data[: len(data) // 2], "empty": b"", "text": b"hello" * 99}[damage])
    with pytest.raises(ValueError, match=r"step-00000004.safetensors (cannot be read|is a safetensors file but not)"):
        train(tiny_run(), interrupted, resume=True, show=False)
    with pytest.raises(ValueError, match=r"step-00000004"):
        load_model(interrupted)
    newest.unlink()  # as the message says
    assert train(tiny_run(), interrupted, resume=True, show=False, report=False).status == "finished"


def test_a_checkpoint_of_another_model_names_what_differs(interrupted, tmp_path):
    wide = tiny_run()
    wide = replace(wide, model=replace(wide.model, mlp_ratio=1.0))
    loop = Loop(wide, RunFolder.create(tmp_path / "wide", wide))
    before = {name: tensor.clone() for name, tensor in loop.model.state_dict().items()}
    checkpoints = Checkpoints(interrupted / "checkpoints")
    with pytest.raises(
        ValueError, match=r"another model: .*mlp.up.weight has shape \(21, 8\), the model's is \(8, 8\)"
    ):
        checkpoints.read(4, loop.model, loop.optimizers)
    assert all(torch.equal(before[name], tensor) for name, tensor in loop.model.state_dict().items())
    muon = tiny_run(optimizer="muon")
    loop = Loop(muon, RunFolder.create(tmp_path / "muon", muon))
    with pytest.raises(ValueError, match="another optimizer"):
        checkpoints.read(4, loop.model, loop.optimizers)


def test_no_checkpoint_at_all_begins_again(interrupted):
    for path in (interrupted / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="no checkpoint yet"):
        load_model(interrupted)
    result = train(tiny_run(), interrupted, resume=True, show=False, report=False)
    assert (result.status, result.steps) == ("finished", 6)
    assert [row["step"] for row in RunFolder.open(interrupted).read_metrics()] == [1, 2, 3, 4, 5, 6]


def test_only_the_newest_checkpoints_stay(tmp_path):
    train(tiny_run(steps=6, checkpoint_every=1, keep_checkpoints=3), tmp_path / "run", show=False, report=False)
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [4, 5, 6]


def test_a_full_disk_loses_nothing(tmp_path):
    """A limit on the size of files makes the write fail half way, as a full disk does."""
    path = tmp_path / "file"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(OSError, match=r"could not write .*file \(10000 bytes\).*what was saved before is intact"):
            write_whole(path, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_during_a_run_leaves_the_last_checkpoint_and_the_run_resumes(tmp_path, monkeypatch):
    run = tiny_run(steps=9, checkpoint_every=3)
    train(run, tmp_path / "whole", show=False, report=False)
    write = write_whole

    def full(path, data):
        if "step-00000006" in path.name:
            raise OSError(28, f"could not write {path}: No space left on device")
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("lrnn.train.checkpoint.write_whole", full)
        with pytest.raises(OSError, match=r"step-00000006.*No space left"):
            train(run, tmp_path / "run", show=False)
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [0, 3]
    train(run, tmp_path / "run", resume=True, show=False, report=False)
    assert_equal_runs(tmp_path / "whole", tmp_path / "run")


def test_nothing_in_a_run_folder_is_a_pickle(tmp_path):
    train(tiny_run(), tmp_path / "run", show=False, report=False)
    for path in (tmp_path / "run").rglob("*"):
        if path.suffix in (".json", ".jsonl"):
            for line in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
                json.loads(line)
        elif path.is_file():
            assert path.suffix == ".safetensors"
            load_file(path)


def test_a_second_ctrl_c_does_not_wait():
    old = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        assert not interrupt.asked
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == old


def test_a_thread_can_train_although_it_gets_no_signals(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(tiny_run(), tmp_path / "run", show=False)))
    thread.start()
    thread.join()
    assert results[0].status == "finished"


def test_a_checkpoint_holds_more_than_its_weights(tmp_path):
    run = tiny_run(steps=1)
    train(run, tmp_path / "run", show=False, report=False)
    assert isinstance(RunFolder.open(tmp_path / "run").config.train, TrainConfig)
    tensors = load_file(Checkpoints(tmp_path / "run" / "checkpoints").path(1))
    assert {name.split(".")[-1] for name in tensors if name.startswith("optimizer.")} >= {"exp_avg", "exp_avg_sq"}
