"""What holds for every task, over the table of cases.py, and what a wrong call is told."""

import dataclasses
import inspect

import numpy as np
import pytest
import torch

from lrnn.tasks import NOT_ASKED, TASKS, Parity, Regular, Task
from tests.tasks.cases import CASES

BATCH = 24

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def lengths_of(task: Task) -> tuple[int, int]:
    """A range that begins at the shortest possible word."""
    return task.shortest, task.shortest + 17


@every_case
@pytest.mark.parametrize(("count", "fixed"), [(BATCH, True), (BATCH, False), (1, True)], ids=["fixed", "range", "one"])
def test_labels_are_those_of_an_independent_evaluator(case, count, fixed):
    task = case.task
    shortest, longest = lengths_of(task)
    batch = task.sample(count, longest if fixed else (shortest, longest), seed=7)
    ends_only = getattr(task, "ask", "every") == "end"
    for word, labels, length in zip(batch.words, batch.labels.tolist(), batch.lengths.tolist()):
        answers = case.oracle(task.decode(word[:length]))
        found = [None if label == NOT_ASKED else task.classes[label] for label in labels]
        assert found[length:] == [None] * (longest - length)
        if ends_only:
            last = max(t for t, answer in enumerate(answers) if answer is not None)
            answers = [answer if t == last else None for t, answer in enumerate(answers)]
        if case.everywhere:
            assert found[:length] == answers
        else:
            assert all(got in (None, answer) for got, answer in zip(found, answers))
        assert any(label is not None for label in found)


@every_case
def test_shapes_ranges_and_padding(case):
    task = case.task
    shortest, longest = lengths_of(task)
    batch = task.sample(200, (shortest, longest), seed=1)
    assert batch.words.shape == batch.labels.shape == (200, longest) and batch.lengths.shape == (200,)
    assert {tensor.dtype for tensor in batch} == {torch.int64}
    assert batch.lengths.min() >= shortest and batch.lengths.max() <= longest
    assert batch.words.min() >= 0 and batch.words.max() < len(task.alphabet)
    asked = batch.labels != NOT_ASKED
    assert batch.labels[asked].min() >= 0 and batch.labels.max() < task.num_classes
    outside = torch.arange(longest) >= batch.lengths[:, None]
    assert not batch.words[outside].any() and not asked[outside].any()
    assert len(set(task.alphabet)) == len(task.alphabet) and len(set(task.classes)) == task.num_classes >= 2
    assert 0 < task.chance < 1


@every_case
def test_every_length_of_the_range_occurs(case):
    task = case.task
    shortest, longest = lengths_of(task)
    lengths = task.sample(2000, (shortest, longest), seed=3).lengths
    assert lengths.unique().tolist() == list(task.lengths_between(shortest, longest)) == [*range(shortest, longest + 1)]
    assert (task.sample(5, longest, seed=3).lengths == longest).all()
    assert task.sample(1, task.shortest, seed=0).words.shape == (1, task.shortest)


@every_case
def test_a_batch_is_decided_by_its_arguments(case):
    task, length = case.task, lengths_of(case.task)

    def same(one, other):
        return all(torch.equal(a, b) for a, b in zip(one, other))

    first = task.sample(BATCH, length, seed=(5, 11))
    assert same(first, task.sample(BATCH, length, seed=(5, 11)))
    assert same(first, dataclasses.replace(task).sample(BATCH, length, seed=(5, 11)))
    for other in ((5, 12), (6, 11), 5, (5, 11, 0)):
        assert not same(first, task.sample(BATCH, length, seed=other))
    assert not same(first, task.sample(BATCH, length, seed=(5, 11), split="test"))
    np.random.seed(0)
    torch.manual_seed(0)
    assert same(first, task.sample(BATCH, length, seed=(5, 11)))


@every_case
def test_earlier_longer_calls_leave_no_trace(case):
    """Whatever a task keeps between calls, as a table that grows, changes no word."""
    fresh, used = dataclasses.replace(case.task), dataclasses.replace(case.task)
    used.sample(2, case.task.shortest + 60, seed=0)
    one, other = (task.sample(BATCH, lengths_of(task), seed=4) for task in (fresh, used))
    assert all(torch.equal(a, b) for a, b in zip(one, other))


@every_case
def test_a_task_is_its_fields(case):
    task = case.task
    assert TASKS[task.name] is type(task)
    fields = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    again = type(task)(**fields)
    assert again == task and hash(again) == hash(task)
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "other"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_option_is_documented(task):
    """The command line shows these texts."""
    source = "".join(inspect.getsource(kind) for kind in task.__mro__ if issubclass(kind, Task))
    for field in dataclasses.fields(task):
        line = next(line for line in source.splitlines() if line.strip().startswith(f"{field.name}:"))
        after = source[source.index(line) + len(line) :].lstrip()
        assert after.startswith('"""'), f"{task.__name__}.{field.name} has no text below it"
    assert inspect.getdoc(task) and task.name.islower()


def test_generators_advance():
    task = Parity()
    by_torch, by_numpy = torch.Generator().manual_seed(1), np.random.default_rng(1)
    for generator in (by_torch, by_numpy):
        assert not torch.equal(*(task.sample(8, 30, seed=generator).words for _ in range(2)))
    again = torch.Generator().manual_seed(1)
    by_torch.manual_seed(1)
    assert torch.equal(task.sample(8, 30, seed=by_torch).words, task.sample(8, 30, seed=again).words)


def test_letters_and_tokens():
    task = Regular(regex="(ab|ba)*")
    assert task.decode(task.encode("abba")) == ("a", "b", "b", "a")
    assert task.encode(["b", "a"]).tolist() == [1, 0] and task.encode("").shape == (0,)
    with pytest.raises(ValueError, match=r"outside the alphabet: 'c', 'x'; legal: 'a', 'b'"):
        task.encode("abcx")


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"length": 0}, "length must be at least 1 in the task parity, got 0"),
        ({"length": (9, 3)}, r"length = \(9, 3\) has no length in it; write \(shortest, longest\)"),
        ({"split": "valid"}, "split must be one of 'train', 'test', got 'valid'"),
        ({"seed": -1}, "seed must be an integer >= 0 or a sequence of them, got -1"),
        ({"seed": ()}, "seed must be an integer >= 0"),
        ({"batch": -1, "split": "x"}, "batch must be at least 1, got -1; split must be one of"),
    ],
    ids=str,
)
def test_a_wrong_call_is_told(arguments, message):
    with pytest.raises(ValueError, match=message):
        Parity().sample(**{"batch": 2, "length": 4, "seed": 0, **arguments})


@every_case
def test_too_short_a_word_is_refused(case):
    if case.task.shortest > 1:
        with pytest.raises(ValueError, match=f"length must be at least {case.task.shortest} in the task"):
            case.task.sample(2, case.task.shortest - 1, seed=0)
