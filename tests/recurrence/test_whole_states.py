"""``q=None`` reads every state whole: values, gradients, packing, and what is said where it cannot be."""

from dataclasses import replace

import pytest
import torch

from lrnn import Associative, Chunked, Packing, Sequential, checked, plan, recurrence
from tests.calls import Call, call, compare, error, results, tolerance
from tests.cases import STRUCTURES

ALGORITHMS = {"sequential": Sequential(), "associative": Associative(), "chosen": None}
SIZES = [(2, 1, 1, 6, 5), (1, 7, 2, 5, 3), (2, 40, 1, 6, 4)]


def states(of: Call, **options):
    return recurrence(of.A, of.k, of.v, None, state=of.state, **options)


def read_row_by_row(of: Call):
    """The same numbers through unit read keys, one state row at a time."""
    K = of.A.shape[-1]
    rows = []
    for q in torch.eye(K, dtype=of.q.dtype):
        y, last = recurrence(of.A, of.k, of.v, q.expand(of.q.shape) + 0 * of.q, state=of.state, algorithm=Sequential())
        rows.append(y)
    return torch.stack(rows, dim=-2), last


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_every_state_and_every_gradient(name, size, algorithm):
    of = call(name, size)
    got = results(of, lambda of: states(of, algorithm=ALGORITHMS[algorithm]))
    compare(got, results(of, read_row_by_row), size[1])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["dense", "permutation phase", "householder R=2", "diagonal signs"])
def test_the_last_state_is_the_state_and_packed_words_are_separate(name, algorithm):
    packing = Packing((1, 7, 12))
    of = call(name, (1, 20, 2, 6, 4), rows=3)
    y, last = states(of, packing=packing, algorithm=ALGORITHMS[algorithm])
    assert y.shape == (1, 20, 2, 6, 4)
    for n, span in enumerate(packing.spans):
        assert of.state is not None
        alone, state = states(of.steps(span, of.state[n : n + 1]), algorithm=ALGORITHMS[algorithm])
        assert error(y[:, span], alone) <= tolerance(torch.float64, 20)
        assert error(last[n : n + 1], state) <= tolerance(torch.float64, 20)
        assert torch.equal(alone[:, -1], state)


def test_of_no_steps_nothing_is_read():
    of = call("dense", (2, 0, 1, 6, 4))
    y, state = states(of)
    assert y.shape == (2, 0, 1, 6, 4)
    assert of.state is not None
    assert torch.equal(state, of.state)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_states_are_read_as_they_are(dtype):
    """Not rounded to the dtype of v."""
    y, state = states(call("permutation", (1, 20, 1, 6, 4)).to(dtype))
    assert y.dtype == state.dtype == torch.float32
    assert torch.equal(y[:, -1], state)


def planned(name, size):
    of = call(name, size)
    return plan(of.A, of.k, of.v, None, state=of.state)


@pytest.mark.parametrize(
    ("name", "size", "algorithm"),
    [
        ("permutation", (1, 128, 1, 8, 2), Associative()),
        ("complex diagonal", (2, 200, 1, 4, 2), Associative()),
        ("permutation", (1, 128, 1, 9, 2), Sequential()),  # many numbers
        ("permutation", (1, 127, 1, 8, 2), Sequential()),  # few steps
        ("dense", (1, 128, 1, 2, 2), Sequential()),  # products dearer than steps
        ("householder", (1, 128, 1, 2, 2), Sequential()),  # not closed
        ("diagonal", (1, 8, 1, 2, 2), Sequential()),
    ],
)
def test_the_rule(name, size, algorithm):
    chosen = planned(name, size)
    assert chosen.algorithm == algorithm
    others = {"sequential", "chunked", "associative"} - {type(algorithm).__name__.lower()}
    assert set(chosen.rejected) == others | {"triton"}


def test_the_plan_says_why_not_in_chunks():
    assert planned("diagonal", (1, 100, 1, 6, 4)).rejected["chunked"] == (
        "where q is None, it makes only the states between chunks"
    )


def test_chunked_by_name_raises_with_the_reason():
    of = call("diagonal", (1, 20, 1, 6, 4))
    for run in (states, lambda of, **options: plan(of.A, of.k, of.v, None, **options)):
        with pytest.raises(ValueError, match=r"algorithm is Chunked\(size=16\), wanted Sequential.* between chunks"):
            run(of, algorithm=Chunked(16))


@pytest.mark.no_shape_checks
def test_faults_are_named_without_q_too():
    of = call("diagonal", (1, 12, 1, 6, 4))
    with pytest.raises(TypeError, match=r"q is list, wanted a torch.Tensor or None"):
        recurrence(of.A, of.k, of.v, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"k has shape \(1, 12, 1, 5\), wanted \(1, 12, 1, 6\)"):
        states(replace(of, k=torch.zeros(1, 12, 1, 5)))
    with checked(), pytest.raises(ValueError, match="v is nan"):
        states(replace(of, v=torch.full((1, 12, 1, 4), float("nan"))))
