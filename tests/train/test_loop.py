"""The loop: clipping, accumulation, early stop, divergence, precision, seeds."""

import math
from dataclasses import replace

import pytest
import torch

from lrnn.models import load
from lrnn.train import Checkpoints, Diverged, RunFolder, train
from lrnn.train.loop import Loop, clip_gradient
from tests.train.runs import tiny_run


def weights_of(folder):
    return load(folder / "checkpoints" / "model").state_dict()


def loop_of(tmp_path, **fields):
    run = tiny_run(**fields)
    return Loop(run, RunFolder.create(tmp_path / "run", run))


def test_clipping_scales_the_gradient_to_the_norm_and_no_further():
    layer = torch.nn.Linear(3, 3)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    whole = math.sqrt(12 * 4)
    assert clip_gradient(layer, 0) == pytest.approx(whole)  # 0 is off
    assert clip_gradient(layer, 100.0) == pytest.approx(whole)
    assert layer.weight.grad is not None
    assert layer.weight.grad.unique().tolist() == [2.0]
    assert clip_gradient(layer, 0.5) == pytest.approx(whole)
    assert clip_gradient(layer, 0) == pytest.approx(0.5, rel=1e-4)


def test_the_loop_really_clips(tmp_path):
    """With SGD-like single steps the weights would show it; here the gradient left after an update does."""
    loop = loop_of(tmp_path, grad_clip=1e-3)
    loop._update()
    left = math.sqrt(sum(float(p.grad.square().sum()) for p in loop.model.parameters() if p.grad is not None))
    assert loop.norm > 1e-2  # what it was
    assert left == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("ask", ["end", "every"])
def test_accumulation_does_not_change_the_gradient(tmp_path, ask):
    """Words of different lengths have different numbers of labels, so a mean of means would differ."""
    gradients = []
    for accumulate in (1, 4):
        loop = loop_of(tmp_path / str(accumulate), ask=ask, accumulate=accumulate, batch=8, length_draw="word")
        loop._update()
        gradients.append([p.grad.clone() for p in loop.model.parameters() if p.grad is not None])
    scale = max(float(g.abs().max()) for g in gradients[0])
    for whole, parts in zip(*gradients, strict=True):
        assert (whole - parts).abs().max() < 1e-5 * scale


def test_the_learning_rate_of_every_update_is_that_of_the_schedule(tmp_path):
    loop = loop_of(tmp_path, schedule="constant", warmup=0.5, lr=0.1)
    seen = []
    for _ in range(6):
        loop._update()
        seen.append(loop.optimizers[0].param_groups[0]["lr"])
    assert seen == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.1, 0.1])


def test_a_run_leaves_everything_in_its_folder(tmp_path):
    run = tiny_run()
    result = train(run, tmp_path / "run", show=False)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"config.json", "metrics.jsonl", "checkpoints", "result.json", "plots", "report.html"}
    place = RunFolder.open(tmp_path / "run")
    assert place.config == run
    assert result.status == "finished"
    assert result.steps == 6
    assert [score.length for score in result.scores] == [6, 9]
    assert result.train_lengths == (2, 6)
    rows = place.read_metrics()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["step"] for row in rows if "validation_loss" in row] == [3, 6]
    assert {path.suffix for path in place.plots.iterdir()} == {".png", ".svg"}
    assert Checkpoints(place.checkpoints).steps() == [3, 6]
    saved = place.result
    assert saved is not None
    assert saved.scores[1].last == result.scores[1].last


def test_equal_seeds_give_equal_bits_and_others_do_not(tmp_path):
    runs = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny_run(seed=seed), tmp_path / name, show=False, report=False)
        runs[name] = weights_of(tmp_path / name)
    assert all(torch.equal(runs["a"][key], runs["b"][key]) for key in runs["a"])
    assert any(not torch.equal(runs["a"][key], runs["c"][key]) for key in runs["a"])


def test_the_global_random_state_is_neither_read_nor_moved(tmp_path):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    train(tiny_run(), tmp_path / "a", show=False, report=False)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    train(tiny_run(), tmp_path / "b", show=False, report=False)
    a, b = weights_of(tmp_path / "a"), weights_of(tmp_path / "b")
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("draw", ["word", "step", "max"])
def test_every_setting_trains(tmp_path, optimizer, draw):
    run = tiny_run(optimizer=optimizer, length_draw=draw, steps=3, curriculum=(3, 6), precision="bfloat16")
    result = train(run, tmp_path / "run", show=False, report=False)
    assert math.isfinite(result.loss)
    assert all(tensor.dtype == torch.float32 for tensor in weights_of(tmp_path / "run").values())


def test_bfloat16_really_computes_in_bfloat16(tmp_path):
    losses = []
    for precision in ("float32", "bfloat16"):
        run = tiny_run(steps=1, precision=precision)
        losses.append(train(run, tmp_path / precision, show=False, report=False).loss)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_early_stop_needs_the_accuracy_as_often_as_asked(tmp_path):
    """With accuracy 1e-9 asked for, every validation meets the criterion: the patience decides the step."""
    run = tiny_run(steps=50, stop_accuracy=1e-9, stop_patience=3, validate_every=2)
    result = train(run, tmp_path / "run", show=False, report=False)
    assert (result.status, result.steps) == ("stopped early", 6)
    strict = tiny_run(steps=8, stop_accuracy=1e-9, stop_loss=1e-9, validate_every=2)
    assert train(strict, tmp_path / "strict", show=False, report=False).status == "finished"


def test_early_stop_waits_for_the_last_stage_of_the_curriculum(tmp_path):
    run = tiny_run(steps=20, stop_accuracy=1e-9, validate_every=2, curriculum=(3, 6))
    assert train(run, tmp_path / "run", show=False, report=False).steps == 12


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    run = tiny_run(steps=9, checkpoint_every=2)
    update = Loop._update

    def break_at_five(self):
        if self.step == 4:
            with torch.no_grad():
                self.model.norm.weight.fill_(float("inf"))
        update(self)

    monkeypatch.setattr(Loop, "_update", break_at_five)
    with pytest.raises(Diverged, match=r"at step 5: the loss is nan.*step-00000004.safetensors") as caught:
        train(run, tmp_path / "run", show=False)
    assert caught.value.step == 5
    place = RunFolder.open(tmp_path / "run")
    result = place.result
    assert result is not None
    assert (result.status, result.steps) == ("diverged", 4)
    assert result.over(1, 1000) == 0.0
    monkeypatch.setattr(Loop, "_update", update)
    assert train(run, tmp_path / "run", resume=True, show=False, report=False).status == "finished"


def test_weights_that_broke_are_never_saved(tmp_path, monkeypatch):
    """The update itself may overflow with a finite loss and gradient; the checkpoint before it stays the newest."""
    update = Loop._update

    def break_after(self):
        update(self)
        with torch.no_grad():
            self.model.norm.weight[0] = float("nan")

    monkeypatch.setattr(Loop, "_update", break_after)
    with pytest.raises(Diverged, match=r"a weight is not finite.*step-00000000"):
        train(tiny_run(checkpoint_every=1), tmp_path / "run", show=False)
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [0]


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    run = tiny_run()
    wrong = replace(run, train=replace(run.train, device="abacus"))
    with pytest.raises(ValueError, match="device = 'abacus'"):
        train(wrong, tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()
