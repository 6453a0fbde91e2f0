"""The fuzz table itself, on a few short words in the interpreter: it runs, it is what it says, and it can fail."""

import pytest

from lrnn import NoKernel
from tests.backends.kernel_calls import SERVED
from tests.gpu import fuzz


@pytest.fixture(autouse=True)
def unpoisoned(monkeypatch):
    monkeypatch.setattr(fuzz, "poison", lambda: None)  # it is, by conftest.py


FEW = [case for case in fuzz.cases(0.05) if case.dtype != "bfloat16" and case.K <= 24 and case.number % 9 == 0]


def test_the_table_has_everything():
    table = fuzz.cases()
    assert len(table) >= 500
    assert [case.number for case in table] == list(range(len(table)))
    assert {case.structure for case in table} == set(SERVED)
    assert {case.dtype for case in table} == set(fuzz.DTYPES)
    assert {case.edge for case in table} == set(fuzz.EDGES)
    assert any(case.T == 1 for case in table)
    assert any(case.V == 1 and case.T > 8 for case in table)
    assert any(case.groups > 1 for case in table)
    assert any(case.steps for case in table)
    assert sum(case.weighed for case in table) >= 30
    assert any(case.lengths and 1 in case.lengths for case in table)
    parts = [fuzz.families(table, part, 5) for part in range(5)]
    assert sorted(case.number for part in parts for case in part) == list(range(len(table)))


def test_a_few_cases_are_right():
    assert len(FEW) >= 10
    assert not list(fuzz.run_cases(FEW, seconds=-1.0))
    found = list(fuzz.run_cases(FEW))
    assert [line["case"]["number"] for line in found] == [case.number for case in FEW]
    assert not [line for line in found if line["faults"]]
    assert all(line["errors"] for line in found)


def test_a_fault_is_told(monkeypatch):
    monkeypatch.setattr(fuzz, "allowed", lambda name, dtype, length: 1e-12)
    (line,) = fuzz.run_cases(FEW[:1])
    assert any(fault.startswith("y: ") for fault in line["faults"])

    def broken(case):
        raise NoKernel("not this one")

    monkeypatch.setattr(fuzz, "run_case", broken)
    (line,) = fuzz.run_cases(FEW[:1])
    assert line["faults"] == ["NoKernel: not this one … not this one"]
