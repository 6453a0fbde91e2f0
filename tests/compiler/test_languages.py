"""Every language of the benchmark's table is compiled and reads short words, all of them, and long ones."""

import pytest

from benchmarks.compiling import compiler
from benchmarks.languages import languages, small_groups
from lrnn.automata import identify, isomorphic
from lrnn.compiler import Checks, compile

ENTRIES = languages()
MARGIN = ("margin", "two layers of n_h = 1", "complex diagonal")
CHECKS = Checks(max_words=300, lengths=(10_000,), bfloat16_length=0)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.family}: {entry.name}")
def test_compiled_and_verified(entry):
    language, options = entry.language()
    certificate = compile(language, **options, verify=CHECKS).certificate
    assert certificate is not None
    assert certificate.holds
    if entry.family in MARGIN:
        assert certificate.exactness == "margin" and certificate.margin > 8
        assert certificate.covers is not None and certificate.covers >= 10_000
    else:
        assert certificate.exactness == "integer" and certificate.integer and certificate.covers is None
        assert certificate.margin == pytest.approx(16) or entry.name in ("Z1",)


def test_the_table_is_wide_enough():
    assert len(ENTRIES) >= 100
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    sizes = [len(entry.language()[0].delta) for entry in ENTRIES if entry.family == "random DFA"]  # type: ignore
    assert len(sizes) == 30 and set(sizes) == set(range(3, 9))


@pytest.mark.no_shape_checks
def test_the_small_groups_are_all_of_them():
    counts = [1, 1, 1, 2, 1, 2, 1, 5, 2, 2, 1, 5, 1, 2, 1, 14, 1, 5, 1, 5, 2, 2, 1, 15]  # of order 1, 2, …, 24
    groups = [make() for _, make in small_groups()]
    assert [sum(group.order == order for group in groups) for order in range(1, 25)] == counts
    for number, group in enumerate(groups):
        same = [other for other in groups[:number] if other.order == group.order and isomorphic(group, other)]
        assert not same, f"{identify(group).name} is there twice"


@pytest.mark.no_shape_checks
def test_the_benchmark_counts_what_is_wrong(capsys):
    outcome = compiler(threads=1, checks=Checks(max_words=50, lengths=(100,), bfloat16_length=0), only=[0, 3])
    assert [row[1] for row in outcome.rows] == ["Tomita 1", "Tomita 4"]
    assert outcome.title.startswith("2 languages compiled and verified: 0 errors, 0 certificates")
    assert [facts["holds"] for facts in outcome.data["languages"]] == [True, True]
    assert capsys.readouterr().err.count("\n") == 2
