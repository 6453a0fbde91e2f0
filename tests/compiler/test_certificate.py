"""What is read, and what is written down of it."""

import json

import numpy as np
import pytest

from lrnn.automata import DFA, Machine
from lrnn.compiler import Certificate, Checks, compile, load_compiled, verify
from lrnn.compiler.reading import read_all, read_words
from lrnn.compiler.words import can_stray, lingering, longest_exhaustive, uniform

SHORT = Checks(max_words=200, lengths=(300,), bfloat16_length=0)


def machine(regex, alphabet=None):
    return Machine.of(DFA.from_regex(regex, alphabet)).minimal


def test_lingering_words_stay_where_there_is_a_choice():
    star = machine("a*b*")
    assert can_stray(star) and not can_stray(machine("(aa)*|(aaa)*"))
    rng = np.random.default_rng(0)
    quick = star.states(uniform(star, 2_000, rng)[None])[0]
    slow = star.states(lingering(star, 2_000, rng)[None])[0]
    sink = int(quick[-1])
    assert (quick == sink).mean() > 0.99
    assert (slow == sink).mean() < 0.9


@pytest.mark.parametrize(("letters", "most", "longest"), [(2, 1_000_000, 18), (3, 1_000_000, 12), (120, 1_000_000, 2)])
def test_all_words_up_to(letters, most, longest):
    length, total = longest_exhaustive(letters, most)
    assert length == longest
    assert total == sum(letters**n for n in range(1, length + 1)) <= most < total + letters ** (length + 1)


def test_all_words_are_all_of_them():
    compiled = compile("(ab)*", verify=False)
    seen = []
    tally = read_all(compiled.model, compiled.machine, 7, seen.append)
    assert sum(seen) == 2**8 - 2 and not tally.errors
    wrong = machine("(ab)*|b(a|b)*", "ab")
    many = read_all(compiled.model, wrong, 7)
    accepted = sum(2 ** (n - 1) for n in range(1, 8))  # those that begin with b
    assert many.errors == accepted and many.first_error == 0


def test_an_error_is_found_in_its_place():
    compiled = compile("a*", verify=False)
    other = machine("a{0,20}")
    tally = read_words(compiled.model, other, np.zeros((1, 100), dtype=np.int64))
    assert tally.first_error == 20 and tally.errors == 80 and tally.margin == pytest.approx(-16)


def test_json_and_back():
    certificate = compile("(aa)*b", verify=SHORT).certificate
    assert certificate is not None
    data = json.loads(certificate.to_json())
    assert data["holds"] is True and data["errors"] == 0
    assert Certificate.from_json(certificate.to_json()) == certificate
    only = compile("a*", verify=SHORT).certificate
    assert only is not None and only.margin == pytest.approx(16)
    with pytest.raises(ValueError, match="not a certificate"):
        Certificate.from_json("[]")
    for line in ("(aa)*b", "every length", "holds"):
        assert line in str(certificate)


def test_a_certificate_of_other_weights_does_not_stay(tmp_path):
    compiled = compile("(aa)*b", verify=SHORT)
    compiled.save(tmp_path)
    compile("(aa)*b", verify=False).save(tmp_path)
    assert load_compiled(tmp_path).certificate is None


@pytest.mark.parametrize(("name", "text"), [("machine.json", "{"), ("vocabulary.json", "{}"), ("machine.json", "{}")])
def test_spoiled_files(name, text, tmp_path):
    compile("a*b", verify=False).save(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"machine\.json|vocabulary\.json"):
        verify(tmp_path, SHORT)


def test_the_seed_decides_the_words():
    compiled = compile("(a|b)*abb", verify=False)
    first, again = (verify(compiled, Checks(max_words=10, lengths=(50,), seed=3)) for _ in range(2))
    assert first == again
