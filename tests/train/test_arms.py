"""Several runs side by side give what each gives alone."""

import json
import os
import signal
import threading
import time

import pytest

from lrnn.train import Checkpoints, Interrupted, Result, RunFolder, Spread, Study, train, train_arms, train_seeds
from lrnn.train.arms import arm_folders, summary
from lrnn.train.board import last_row
from lrnn.train.loop import Loop
from tests.train.runs import tiny_run


def test_processes_stop_together_resume_together_and_do_not_change_results(tmp_path):
    """Ctrl-C in the parent while two workers train; then both go on; and one of the two runs alone, here."""
    run, folder = tiny_run(steps=400, validate_every=0, checkpoint_every=1000), tmp_path / "both"

    def press_when_both_are_under_way():
        while not all(last_row(folder / f"seed-{seed}" / "metrics.jsonl") for seed in (5, 6)):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press_when_both_are_under_way)
    finger.start()
    with pytest.raises(Interrupted, match="resume with"):
        train_seeds(run, (5, 6), folder, processes=2, show=False)
    finger.join()
    steps = [Checkpoints(folder / f"seed-{seed}" / "checkpoints").steps()[-1] for seed in (5, 6)]
    assert any(0 < step < 400 for step in steps)
    together = train_seeds(run, (5, 6), folder, processes=2, resume=True, show=False)
    alone = train(run.with_seed(6), tmp_path / "alone", show=False, report=False)
    assert [(result.seed, result.steps) for result in together] == [(5, 400), (6, 400)]
    assert together[1].scores == alone.scores
    assert together[1].loss == alone.loss
    assert (folder / "seed-5" / "report.html").is_file()
    table = json.loads((folder / "summary.json").read_text())["all"]
    values = [result.over(7, 9) for result in together]
    assert table["beyond"]["values"] == values
    assert table["beyond"]["best"] == max(values)


def test_a_comparison_can_be_stopped_and_resumed_without_repeating_what_is_done(tmp_path, monkeypatch):
    arms = {"a": tiny_run(lr=1e-3), "b": tiny_run()}
    update, updates = Loop._update, []

    def count(self):
        update(self)
        updates.append(self.folder.path.parent.name)
        if len(updates) == 8:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_update", count)
    with pytest.raises(Interrupted):
        train_arms(arms, (0,), tmp_path / "runs", processes=1, show=False)
    assert updates == ["a"] * 6 + ["b"] * 2
    with pytest.raises(FileExistsError, match="never overwritten"):
        train_arms(arms, (0,), tmp_path / "runs", processes=1, show=False)
    results = train_arms(arms, (0,), tmp_path / "runs", processes=1, resume=True, show=False)
    assert updates[8:] == ["b"] * 4
    assert [results[name][0].steps for name in arms] == [6, 6]


def test_a_run_that_diverges_is_a_result_and_stops_nothing(tmp_path, monkeypatch):
    update = Loop._update

    def break_seed_one(self):
        if self.run.seed == 1 and self.step == 2:
            self.model.head.weight.data.fill_(float("nan"))
        update(self)

    monkeypatch.setattr(Loop, "_update", break_seed_one)
    results = train_seeds(tiny_run(), (1, 2), tmp_path / "runs", processes=1, show=False)
    assert [result.status for result in results] == ["diverged", "finished"]
    table = summary(results)
    assert table["beyond"]["values"][0] == 0.0  # counts as guessing


def test_what_makes_no_sense_is_refused_before_anything_is_written(tmp_path):
    run = tiny_run()
    for arguments, words in (
        (({}, (0,)), "arms: at least one"),
        (({"a": run}, ()), "at least one, all different"),
        (({"a": run}, (1, 1)), "at least one, all different"),
        (({"a": run}, (-1,)), "must be >= 0"),
        (({"A b": run, "a_b": run}, (0,)), "would share a folder"),
    ):
        with pytest.raises(ValueError, match=words):
            train_arms(*arguments, tmp_path / "runs", show=False)
    with pytest.raises(ValueError, match="processes = 0"):
        train_arms({"a": run}, (0,), tmp_path / "runs", processes=0)
    assert not list(tmp_path.iterdir())


def test_folders_of_arms_differ_where_names_differ(tmp_path):
    names = ("DeltaNet [0, 1]", "DeltaNet [-1, 1]", "n_h = 2")
    assert [p.name for p in arm_folders(names, tmp_path).values()] == ["deltanet_0_1", "deltanet_-1_1", "n_h_2"]


def test_spread():
    spread = Spread(values=(0.1, 0.9, 0.4))
    assert (spread.best, spread.worst, spread.median) == (0.9, 0.1, 0.4)
    assert spread.deviation == pytest.approx(0.3)
    with pytest.raises(ValueError, match="at least one"):
        Spread(values=())


def test_a_study_refuses_lengths_that_are_not_measured():
    with pytest.raises(ValueError, match=r"judged = \(50, 60\): the arm a is measured at \(6, 9\)"):
        Study(name="x", question="?", arms={"a": tiny_run()}, judged=(50, 60))
    study = Study(name="x", question="?", arms={"a": tiny_run()}, judged=(7, 9), label="mean")
    result = Result.from_json(_result(9, mean=0.25))
    assert study.score(result) == 0.25


def _result(length, **values):
    score = {"length": length, "words": 1, "last": 0.0, "mean": 0.0, "last_quarter": 0.0, "whole": 0.0}
    return {
        "status": "finished",
        "steps": 1,
        "seed": 0,
        "train_lengths": [2, 6],
        "parameters": 1,
        "loss": None,
        "accuracy": 0.5,
        "seconds": 1.0,
        "cpu_seconds": 1.0,
        "scores": [{**score, "by_position": [None, 1.0], **values}],
    }


def test_results_survive_json_with_what_json_does_not_have():
    result = Result.from_json(_result(9, last=0.5))
    assert result.loss != result.loss  # NaN
    assert (result.inside, result.beyond) == (None, 0.5)
    text = json.dumps(_result(9))
    again = Result.from_json(json.loads(text))
    assert again.scores[0].by_position[1] == 1.0
    with pytest.raises(ValueError, match=r"no length in 1..5 was measured; measured were 9"):
        result.over(1, 5)
    with pytest.raises(ValueError, match="not the result of a run"):
        Result.from_json({"status": "finished"})


def test_the_last_whole_line_of_the_metrics_is_found(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert last_row(path) == {}
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert last_row(path) == {"step": 2}


def test_a_run_folder_shows_its_result_only_when_there_is_one(tmp_path):
    assert RunFolder.create(tmp_path / "run", tiny_run()).result is None
