"""The rule by which an algorithm is chosen, and what is said of every other one."""

import re
import sys

import pytest
import torch
from torch._subclasses import FakeTensorMode

import lrnn
from lrnn import Associative, Chunked, NoKernel, Plan, Sequential, plan, recurrence
from lrnn.recurrence import kernels
from tests.calls import call
from tests.cases import STRUCTURES

DENSE = [name for name in STRUCTURES if name.startswith(("dense", "permutation"))]
LOW_RANK = [name for name in STRUCTURES if name not in DENSE]


def planned(name, T, **options) -> Plan:
    of = call(name, (1, T, 1, 6, 4))
    return plan(of.A, of.k, of.v, of.q, state=of.state, **options)


@pytest.mark.parametrize("name", STRUCTURES)
def test_short_words_go_step_by_step(name):
    for T in (1, 8):
        chosen = planned(name, T)
        assert chosen.algorithm == Sequential()
        assert chosen.rejected["chunked"] == f"T = {T} <= 8 steps are fastest one after the other"


@pytest.mark.parametrize("name", LOW_RANK)
def test_long_words_go_in_chunks(name):
    chosen = planned(name, 9)
    assert isinstance(chosen.algorithm, Chunked)
    assert chosen.rejected["sequential"] == "T = 9 steps one after the other"
    assert "T·K·V" in chosen.rejected["associative"]


@pytest.mark.parametrize("name", ["diagonal", "complex diagonal"])
def test_a_diagonal_with_one_column_goes_step_by_step_where_it_is_large(name):
    for B, H, K, algorithm in ((2, 4, 8, Chunked(32)), (1, 5, 13, Sequential()), (65, 1, 1, Sequential())):
        of = call(name, (B, 20, H, K, 1))
        chosen = plan(of.A, of.k, of.v, of.q)
        assert chosen.algorithm == algorithm
        if algorithm == Sequential():
            assert chosen.rejected["chunked"] == "with V = 1 there are no matrix products to gain"
    of = call(name, (65, 20, 1, 1, 2))
    assert isinstance(plan(of.A, of.k, of.v, of.q).algorithm, Chunked)


@pytest.mark.parametrize("name", DENSE)
def test_structures_without_low_rank_go_step_by_step(name):
    chosen = planned(name, 100)
    assert chosen.algorithm == Sequential()
    assert chosen.rejected["chunked"].endswith("is not diagonal plus low rank")


@pytest.mark.parametrize("algorithm", [Sequential(), Chunked(7), Associative()], ids=str)
@pytest.mark.parametrize("name", STRUCTURES)
def test_what_is_named_is_what_runs(name, algorithm):
    for T in (1, 100):
        chosen = planned(name, T, algorithm=algorithm)
        assert chosen.algorithm == algorithm
        others = {"sequential", "chunked", "associative"} - {type(algorithm).__name__.lower()}
        assert set(chosen.rejected) == others | {"triton"}
        assert all(chosen.rejected[other] == "another was named" for other in others)


def test_widening_is_said():
    text = planned("householder", 20, algorithm=Associative()).structure
    assert text == "Dense (widened from Householder, whose products leave the structure)"
    assert planned("diagonal", 20, algorithm=Associative()).structure == "Diagonal"
    assert planned("householder", 20, algorithm=Chunked()).structure == "Householder"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", STRUCTURES)
def test_every_dtype_can_be_planned(name, dtype):
    of = call(name, (1, 20, 1, 6, 4)).to(dtype)
    assert plan(of.A, of.k, of.v, of.q, state=of.state, algorithm=Associative()).backend == "reference"


def test_a_plan_can_be_read():
    lines = str(planned("householder scalar", 100)).splitlines()
    assert re.fullmatch(r"runs: Chunked\(size=\d+\) on Householder, backend 'reference'", lines[0])
    assert sorted(line.split(":")[0] for line in lines[1:]) == ["not associative", "not sequential", "not triton"]


def test_a_backend_that_is_named_runs_or_raises():
    of = call("diagonal", (1, 20, 1, 6, 4))
    chosen = planned("diagonal", 20, backend="reference")
    assert (chosen.backend, chosen.kernel, chosen.rejected["triton"]) == ("reference", None, "another was named")
    with pytest.raises(NoKernel, match=r"backend 'triton' does not serve this call: .* in double precision"):
        recurrence(of.A, of.k, of.v, of.q, backend="triton")


@pytest.mark.no_shape_checks
def test_unknown_names():
    of = call("diagonal", (1, 20, 1, 6, 4))
    with pytest.raises(ValueError, match="backend is 'cuda', wanted one of 'reference', 'triton' or None"):
        recurrence(of.A, of.k, of.v, of.q, backend="cuda")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"algorithm is 'chunked', wanted Sequential\(\), Chunked\(size\)"):
        recurrence(of.A, of.k, of.v, of.q, algorithm="chunked")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="size is 0, wanted the steps per chunk, at least 1"):
        Chunked(0)


@pytest.mark.no_shape_checks
def test_a_form_of_a_gpu_is_planned_once(monkeypatch):
    """Whatever a plan looks at makes another form, and faults are seen in every one."""
    entry = sys.modules["lrnn.recurrence.recurrence"]
    monkeypatch.setattr(kernels, "generation", lambda device: 9)
    monkeypatch.setattr(kernels, "INSTALLED", True)
    chosen = []
    choose = entry.choose
    monkeypatch.setattr(entry, "choose", lambda *call: chosen.append(call) or choose(*call))
    monkeypatch.setattr(entry, "_known", {})

    def found(
        T=100, dtype=torch.float32, gradient=False, decays=True, q=True, strength=None, packing=None, algorithm=None
    ):
        if strength is not None:
            strength = torch.zeros(1, T, 2, device="cuda", dtype=strength, requires_grad=True)
        k, v, queries = (torch.zeros(1, T, 2, 16, dtype=dtype, device="cuda") for _ in range(3))
        decay = torch.zeros(1, T, 2, *[16] * (not decays), device="cuda").requires_grad_(gradient)
        A = lrnn.Scalar(log_decay=decay, size=16) if decays else lrnn.Diagonal(log_decay=decay)
        given = entry.Inputs(A, k, v, queries if q else None, None, strength, packing)
        return entry._checked_and_chosen(given, algorithm, None)

    forms = [
        {}, {"T": 4}, {"T": 4, "gradient": True}, {"dtype": torch.float64}, {"decays": False}, {"q": False},
        {"packing": lrnn.Packing((99, 1))}, {"algorithm": lrnn.Sequential()}, {"strength": torch.float32},
        {"T": 4, "strength": torch.float32}, {"T": 4, "strength": torch.float64},
    ]  # fmt: skip
    with FakeTensorMode():
        plans = [found(**form) for form in forms]
        assert [found(**form) for form in forms] == plans
        assert len(chosen) == len(forms)
        assert [plans[n].kernel for n in (0, 1, 2, 3)] == ["scan_rows", "step", "scan_rows", None]
        assert [plan.kernel for plan in plans[8:]] == ["scan_rows", "scan_rows", None]
        for _ in range(2):
            with pytest.raises(ValueError, match="lengths"):
                found(packing=lrnn.Packing((99, 2)))
        with pytest.raises(TypeError, match=r"algorithm is \['chunked'\]"):
            found(algorithm=["chunked"])
        with lrnn.checked(), pytest.raises(Exception):  # noqa: B017 - fakes have no values to look at
            found()
        monkeypatch.setattr(entry, "FORMS", 8)
        found(T=101)
        found()
        assert len(entry._known) == 2
