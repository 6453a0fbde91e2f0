"""The page shows what the results say, with every ratio and error as it was measured."""

import copy
import dataclasses
import doctest

import pytest

from benchmarks import gpu_measuring, performance_tables
from benchmarks.gpu_contests import CONTESTS, LENGTHS, SIZES
from benchmarks.performance_page import ASSETS, PAGE, mark, newest, page
from benchmarks.performance_pictures import PICTURES, pictures
from benchmarks.performance_tables import NOTHING, SECTIONS
from lrnn.train.files import write_json

pytestmark = pytest.mark.no_shape_checks


def times(forward: float, both: float) -> dict:
    spread = {"low": 0.0, "high": 9.0}
    return {
        "milliseconds": {"forward": {"median": forward} | spread, "forward+backward": {"median": both} | spread},
        "bytes": int(both * 2**30),
    }


def leaf(op: str, size, ours: float = 1.0, peer: float = 2.5) -> dict:
    errors = {"y": 1.1e-3, "q": 2e-3, "beta": 4e-3}
    entries = {}
    if CONTESTS[op].arguments is not None:
        entries["lrnn"] = {"errors": dict(errors), "first_call": 9.0} | times(ours, 2 * ours)
    for name in CONTESTS[op].peers:
        entries[name] = {"errors": errors, "first_call": 50.0, "what": "theirs"} | times(peer, 2 * peer)
    return {"shape": dataclasses.asdict(size), "dtype": "bfloat16", "entries": entries, "absent": {}, "run": 0}


def results() -> dict:
    """What a complete run would leave."""
    run = {
        "device": "A GPU 100",
        "started": "2026-01-02T03:04:05+00:00",
        "commit": "abc",
        "versions": {"torch": "2.11.0", "triton": "3.6.0"},
        "python": "3.12.3",
        "memory": 80 * 2**30,
        "kernels compiled before": 0,
    }
    both = [(op, size) for op, contest in CONTESTS.items() for size in contest.sizes]
    state = {
        f"K{K} T{T}": {
            "shape": {"T": T, "K": K},
            "entries": {
                "lrnn n_h = 1 bfloat16": {"error": 1e-5 * T**0.5, "length": 1.0},
                "fla n_h = 1 bfloat16": {"error": 1e-3 * T**0.5, "length": 0.9},
                "fla n_h = 2": {"absent": "it is not installed"},
            },
            "run": 0,
        }
        for K in (64, 128)
        for T in (64, 65536)
    }
    trained = {
        "parameters": 342_000_000,
        "batch": 16,
        "length": 4096,
        "milliseconds": {"median": 500.0},
        "bytes": 2**36,
    }
    return {
        "benchmark": "gpu",
        "runs": [run],
        "parts": {
            "contests": {f"{op} {size}": leaf(op, size) for op, size in both},
            "lengths": {f"{op} {size}": leaf(op, size) for op in ("householder-2", "attention") for size in LENGTHS},
            "state": state,
            "dtypes": {f"scalar {SIZES[0]} bfloat16": leaf("scalar", SIZES[0])},
            "ceilings": {
                "copy": {"bytes_per_second": 4.2e12, "run": 0},
                "matmul": {"flops_per_second": 7.8e14, "run": 0},
            },
            "training": {
                "lrnn": trained | {"tokens_per_second": 160_000.0},
                "fla": trained | {"tokens_per_second": 100_000.0},
                "lrnn compiled": {"absent": "no batch fits into memory"},
            },
            "decode": {
                "step B64": {
                    "milliseconds": {"median": 0.04},
                    "bytes": 1.3e8,
                    "bytes_per_second": 3.25e12,
                    "share_of_copy": 0.6999,
                    "error": 1e-7,
                },
                "24 layers n_h=2 B64": {"absent": "fails: RuntimeError: no memory"},
            },
            "fuzz": {"fuzz": {"cases": 512, "failures": []}},
        },
    }


def test_the_page_is_made_from_the_newest_results():
    written, data = PAGE.read_text(), newest()
    again = "run: python -m benchmarks.performance_page"
    drawn = {} if data is None else pictures(data)
    assert page(written, data, drawn) == written, again
    if data is not None:
        for name in drawn:
            assert (ASSETS / f"performance-{name}.svg").read_text().endswith(f"{mark(data)}\n"), again


def test_a_page_of_everything():
    data = results()
    text = page(PAGE.read_text(), data, PICTURES)
    assert NOTHING not in text
    assert "A GPU 100 (? multiprocessors, 80 GiB)" in text
    assert "commit `abc`" in text
    assert "| Householder n_h = 2 | **2.50×** of ≥ 2× | **2.50×** of ≥ 2.5× | **0.40×** of ≤ 0.5× | 4 |" in text
    assert "| Householder n_h = 4 | **2.50×** of ≥ 2× | 2.50× of ≥ 3× | **0.40×** of ≤ 0.5× | 4 |" in text
    assert "1.1e-03 / 1.1e-03 | 4.0e-03 (beta) / 4.0e-03 (beta) |" in text
    assert "| step B64 | 0.0400 | 0.130 | 3,250 | 69.9 % | 1.0e-07 |" in text
    assert "512 random cases against the reference in float64: 0 failed." in text
    assert "| lrnn | 342 M | 16 × 4,096 | 500 | 160,000 | **1.60×** of ≥ 1.5× | 64 |" in text
    assert "\n![Time over T](assets/performance-length.svg)\n" in text
    assert page(text, data, PICTURES) == text, "making it twice changes nothing"
    assert "assets/" not in page(text, None)
    assert page(page(text, None), data, PICTURES) == text


def test_what_is_missing_or_wrong_is_said():
    data = results()
    case, process = {"case": {"number": 3}, "faults": ["y: 1"]}, {"case": None, "faults": ["a process ended with -6"]}
    some = {"parts": {"fuzz": {"fuzz": {"cases": 512, "left_out": 9, "failures": [case, process]}}}}
    said = "512 random cases against the reference in float64: 1 failed, 9 left out for lack of time."
    assert SECTIONS["fuzz"](some) == f"{said} Besides, a process ended with -6."
    name = f"householder-2 {SIZES[0]}"
    contest = data["parts"]["contests"][name]
    del contest["entries"]["lrnn"]["milliseconds"]
    contest["entries"]["lrnn"]["errors"]["beta"] = None
    lines = SECTIONS["contests"](data).splitlines()
    row = next(line for line in lines if line.startswith("| Householder n_h = 2 and fla |"))
    assert "| wrong / 2.500 | — |" in row
    assert "not finite (beta) / 4.0e-03 (beta)" in row
    assert "| Householder n_h = 2 | — | — | — | 4 |" in SECTIONS["summary"](data), "no worst ratio of some sizes only"
    for part in list(data["parts"]):
        less = copy.deepcopy(data)
        del less["parts"][part]
        page(PAGE.read_text(), less)
        pictures(less)


def test_pictures():
    drawn = pictures(results())
    assert set(drawn) == set(PICTURES)
    assert all(svg.lstrip().startswith("<?xml") and len(svg) < 100_000 for svg in drawn.values())
    assert pictures({"runs": [], "parts": {}}) == {}


def test_the_newest_results_are_those_of_the_last_day(tmp_path):
    assert newest(tmp_path) is None
    for day, commit in (("03", "late"), ("02", "early")):
        data = results()
        data["runs"][0] |= {"started": f"2026-01-{day}T00:00:00+00:00", "commit": commit}
        write_json(tmp_path / f"z{commit}.json", data)
    write_json(tmp_path / "cpu.json", {"benchmark": "cpu"})
    found = newest(tmp_path)
    assert found is not None and found["runs"][0]["commit"] == "late"


def test_a_page_without_its_marks():
    with pytest.raises(ValueError, match="the page has 0 marks"):
        page("# performance\n", None)


def test_ratios_are_never_rounded_in_our_favor():
    assert doctest.testmod(performance_tables).failed == 0
    assert doctest.testmod(gpu_measuring).failed == 0
