"""Configs refuse what is not legal, all faults at once, and survive JSON."""

import json
from dataclasses import replace

import pytest

from lrnn.models import LanguageModelConfig
from lrnn.tasks import Parity, WordProblem
from lrnn.train import RunConfig, TrainConfig
from lrnn.train.config import differences
from tests.train.runs import tiny_run

WRONG = {
    "steps": 0,
    "batch": -1,
    "accumulate": 0,
    "lr": 0.0,
    "muon_lr": float("nan"),
    "betas": (0.9, 1.0),
    "weight_decay": -0.1,
    "grad_clip": -1.0,
    "warmup": 1.0,
    "final_lr": 2.0,
    "optimizer": "sgd",
    "schedule": "linear",
    "precision": "float16",
    "length_draw": "random",
    "stop_accuracy": 0.0,
    "stop_loss": -1.0,
    "eval_batch": 0,
    "log_every": 0,
    "threads": -1,
}


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("name", WRONG)
def test_an_illegal_field_is_named_with_what_came(name):
    with pytest.raises(ValueError, match=rf"{name} = .*must be"):
        TrainConfig(**{name: WRONG[name]})


@pytest.mark.no_shape_checks
def test_all_faults_come_at_once():
    with pytest.raises(ValueError) as caught:
        TrainConfig(**WRONG)
    assert all(f"{name} = " in str(caught.value) for name in WRONG)
    assert "adamw, muon" in str(caught.value)  # the legal values


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"batch": 10, "accumulate": 3}, "accumulate"),
        ({"min_length": 9, "max_length": 8}, "min_length"),
        ({"curriculum": (4, 20), "max_length": 40}, "curriculum"),
        ({"curriculum": (4, 40), "curriculum_shares": (0.5,)}, "curriculum_shares"),
        ({"curriculum": (4, 40), "curriculum_shares": (0.5, 0.6)}, "curriculum_shares"),
        ({"stop_accuracy": 1.0, "validate_every": 0}, "stop_accuracy"),
        ({"stop_loss": 0.1}, "stop_loss"),
        ({"eval_lengths": (0, 5)}, "eval_lengths"),
    ],
)
def test_rules_between_fields(fields, named):
    with pytest.raises(ValueError, match=rf"\n  {named} = "):
        TrainConfig(**fields)


def test_a_network_for_another_task_is_refused_with_both_faults():
    with pytest.raises(ValueError, match=r"(?s)vocab_size = 5: the task has 2.*num_classes = 7: the task has 2"):
        RunConfig(task=Parity(), model=LanguageModelConfig(vocab_size=5, num_classes=7))


def test_lengths_that_the_task_does_not_have_are_refused():
    run = tiny_run()

    class Short(Parity):
        @property
        def longest(self):
            return 6

    with pytest.raises(ValueError, match=r"no test words of length \[9\]"):
        replace(run, task=Short(ask="every"))
    with pytest.raises(ValueError, match=r"train.min_length..max_length = 7..9"):
        replace(run, task=Short(ask="every"), train=TrainConfig(min_length=7, max_length=9))


def test_lengths_to_measure_follow_the_training_lengths_unless_named():
    run = tiny_run(max_length=40, eval_lengths=())
    assert run.eval_lengths == (40, 60, 80, 120, 160, 240)
    assert tiny_run(eval_lengths=(3,)).eval_lengths == (3,)


@pytest.mark.parametrize("task", [Parity(ask="end"), WordProblem(group="S3", generators="swaps")], ids=str)
def test_json_gives_back_an_equal_config(task):
    run = RunConfig(
        task=task,
        model=LanguageModelConfig(
            vocab_size=len(task.alphabet), num_classes=task.num_classes, mixer_config={"eigenvalues": (-1, 1)}
        ),
        train=TrainConfig(curriculum=(4, 40), betas=(0.8, 0.9)),
        seed=3,
    )
    assert RunConfig.from_json(json.loads(json.dumps(run.to_json()))) == run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["train"].update(learning_rate=1), "train: unknown learning_rate"),
        (lambda data: data["task"].update(name="partiy"), "task.name = 'partiy': must be one of"),
        (lambda data: data.pop("model"), "has the parts task, model, train, seed"),
    ],
)
def test_a_config_file_with_a_mistake_is_refused(change, message):
    data = json.loads(json.dumps(tiny_run().to_json()))
    change(data)
    with pytest.raises(ValueError, match=message):
        RunConfig.from_json(data)


def test_differences_name_every_field():
    run = tiny_run()
    other = replace(run, seed=1, train=replace(run.train, lr=0.5))
    assert differences(run, other) == ["train.lr: 0.01 -> 0.5", "seed: 0 -> 1"]
    assert differences(run, tiny_run()) == []
