"""Every language of the benchmark's table is compiled and reads short words, all of them, and long ones."""

import pytest

from benchmarks.languages import languages, small_groups
from lrnn.automata import identify, isomorphic
from lrnn.compiler import Checks, compile

ENTRIES = languages()
CHECKS = Checks(max_words=300, lengths=(10_000,), bfloat16_length=0)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.family}: {entry.name}")
def test_compiled_and_verified(entry):
    language, options = entry.language()
    certificate = compile(language, **options, verify=CHECKS).certificate
    assert certificate is not None
    assert certificate.holds
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
