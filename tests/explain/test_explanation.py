"""Explanations of known languages, what they say when a cap is reached, and what they refuse."""

import json
import re

import numpy as np
import pytest

from lrnn.automata import DFA, Group, Machine
from lrnn.explain import THEOREMS, explain
from lrnn.explain.report import numbered
from lrnn.explain.subject import Language
from lrnn.tasks.tomita import Tomita

DIAGONALS = ("diagonal, [0, 1]", "diagonal, [-1, 1]", "complex diagonal")


def householder(n_h: int) -> str:
    return f"Householder n_h = {n_h}, [-1, 1]"


def theorem(explanation, structure: str) -> str:
    """The name of the theorem for one layer."""
    found = explanation.verdict(structure).one_layer.theorem
    return found.name if found is not None else ""


def one_layer(explanation) -> str:
    """y, n or o for every structure."""
    return "".join(verdict.one_layer.verdict[0] for verdict in explanation.verdicts)


@pytest.mark.parametrize(
    ("name", "letters", "diagonals", "least"),
    [
        ("Z2", "all", "nyy", 1),
        ("Z2xZ2xZ2", "all", "nyy", 1),
        ("Z3", "all", "nny", 2),
        ("Z60", "1", "nny", 2),
        ("S3", "all", "nnn", 2),
        ("S3", "swaps", "nnn", 1),
        ("D5", "s0;s1", "nnn", 1),
        ("D5", "all", "nnn", 2),
        ("S4", "all", "nnn", 2),
        ("S4", "swaps", "nnn", 1),
        ("A5", "all", "nnn", 2),
        ("A5", "(1 2)(3 4);(1 3)(4 5);(2 3)(4 5)", "nnn", 1),
        ("S5", "swaps", "nnn", 1),
        ("S5", "(1 2);(1 2 3 4 5)", "nnn", 4),
        ("S5", "all", "nnn", 4),
        ("S3xS3", "all", "nnn", 2),
        ("A4xZ5", "all", "nnn", 2),
    ],
)
def test_the_capability_table(name, letters, diagonals, least):
    """Diagonals by the group, Householder products by its letters, the rest without limit."""
    explanation = explain(Group(name), letters)
    assert one_layer(explanation)[:3] == diagonals
    assert explanation.verdict("Householder n_h = 1, [0, 1]").several_layers.is_no
    assert (explanation.least, explanation.enough) == (least, least)
    for n_h in range(1, max(2, least) + 1):
        assert explanation.verdict(householder(n_h)).one_layer.is_yes == (n_h >= least)
    for structure in ("permutation-diagonal", "dense"):
        verdict = explanation.verdict(structure)
        assert verdict.one_layer.verdict == "yes (construction shipped)"
        assert verdict.width == Group(name).order


@pytest.mark.parametrize(
    ("number", "star_free", "groups"),
    [
        (1, True, []),
        (2, True, []),
        (3, False, ["Z2"]),
        (4, True, []),
        (5, False, ["Z2xZ2"]),
        (6, False, ["Z3"]),
        (7, True, []),
    ],
)
def test_tomita(number, star_free, groups):
    explanation = explain(Tomita(number=number).language)
    assert explanation.facts.star_free is star_free
    assert [group.name for group in explanation.facts.groups or ()] == groups
    assert explanation.verdict("diagonal, [0, 1]").several_layers.is_yes is star_free


@pytest.mark.parametrize("pattern", ["(ab)*", "a*b*", "(a|b)*aa(a|b)*", "(a(ab)*b)*", "b*a?b*", "(a|b)*ab(a|b)*"])
def test_star_free_languages_are_cascades_of_resets(pattern):
    explanation = explain(pattern)
    for structure in (*DIAGONALS, "Householder n_h = 1, [0, 1]"):
        several = explanation.verdict(structure).several_layers
        assert several.is_yes
        assert several.layers in (1, explanation.facts.levels)


def test_commuting_projections_forbid_any_number_of_factors():
    explanation = explain("a*b*")
    assert explanation.enough is None
    for structure in (householder(1), householder(2), "signed diagonal × Householder"):
        assert theorem(explanation, structure) == "contractions have commuting projections"
    assert explanation.verdict("diagonal plus rank one, [-1, 1]").one_layer.is_yes


def test_partial_permutations():
    """(ab)* needs a letter whose square is the zero vector, which one factor cannot make."""
    explanation = explain("(ab)*")
    assert (explanation.least, explanation.enough) == (2, 2)
    assert theorem(explanation, householder(1)) == "the rank of a letter"
    assert theorem(explanation, householder(2)) == "partial permutations"


def test_quotients_side_by_side():
    """The last of a and b, and whether the number of c is even: two permutation-reset automata beside each other."""
    table = [[0, 2, 1], [1, 3, 0], [0, 2, 3], [1, 3, 2]]
    both = Machine(alphabet="abc", delta=table, start=0, labels=range(4), names=tuple("0123"))
    explanation = explain(both)
    assert explanation.verdict(householder(1)).one_layer.is_yes
    counters = Machine(
        alphabet="abc",
        delta=[[(i + 1) % 3 + i // 3 * 3, i % 3 + 3, i % 3] for i in range(6)],
        start=0,
        labels=range(6),
        names=tuple("012345"),
    )
    explanation = explain(counters)
    assert (explanation.least, explanation.enough) == (2, 2)
    assert theorem(explanation, householder(2)) == "parts side by side"


def test_layers_of_solvable_groups():
    """The derived length for complex diagonals, elementary abelian steps for signs; none if not solvable."""
    for name, signs, phases in (("Z4", 2, 1), ("D4", 2, 2), ("Z8", 3, 1), ("S3", None, 2), ("S4", None, 3)):
        explanation = explain(Group(name))
        assert explanation.verdict("diagonal, [-1, 1]").several_layers.layers == signs
        assert explanation.verdict("complex diagonal").several_layers.layers == phases
    for name in ("A5", "S5"):
        assert explain(Group(name), "two-random").verdict("complex diagonal").several_layers.is_no


def test_the_empty_word_is_not_asked():
    """(aa)+ and (aa)* differ in the empty word alone."""
    with_it, without = explain("(aa)*"), explain("(aa)+")
    assert without.facts == with_it.facts
    assert one_layer(without) == one_layer(with_it)
    assert explain("a+").facts.states == explain("a*").facts.states == 1


def random_dfa(num_states: int, seed: int) -> DFA:
    rng = np.random.default_rng(seed)
    delta = rng.integers(0, num_states, (num_states, 2))
    return DFA.trimmed("ab", delta, 0, rng.choice(num_states, num_states // 2, replace=False).tolist()).minimal


def test_above_a_cap_verdicts_are_open_or_need_no_monoid():
    explanation = explain(random_dfa(50, seed=1), max_elements=1000)
    assert explanation.facts.elements is None
    assert "more than 1,000 elements" in explanation.facts.unknown
    for verdict in explanation.verdicts[:3]:
        assert not verdict.one_layer.is_yes
    assert explanation.verdict(householder(1)).one_layer.is_no  # short words suffice for that
    json.dumps(explanation.to_json())


def test_a_group_beyond_all_tables():
    """The states of S8 itself: the group has 40,320 elements, more than a Group may have."""
    cycle, swap = [*range(1, 8), 0], [1, 0, *range(2, 8)]
    dfa = DFA(alphabet="ab", delta=np.array([cycle, swap]).T, start=0, accepting={0})
    explanation = explain(dfa)
    assert explanation.facts.elements is None
    assert explanation.facts.is_group
    assert explanation.enough == 7
    assert explanation.verdict(householder(2)).one_layer.verdict == "open"
    assert explanation.verdict(householder(1)).one_layer.is_no
    assert explanation.verdict("diagonal, [0, 1]").several_layers.verdict == "open"


def test_machines_with_several_labels():
    mod3 = Machine(alphabet="a", delta=[[1], [2], [0]], start=0, labels=[0, 1, 2], names=("0", "1", "2"))
    assert explain(mod3).facts == explain("(aaa)*").facts


def test_every_theorem_is_used_and_every_answer_says_why():
    seen = set()
    languages: list[Language] = ["a*b*", "(ab)*", "(aa)*b", "(aaa)*", "(a|b)*a", "(aa|b)*", "a(a|b)*"]
    languages += [Group(name) for name in ("S4", "S5", "D5", "A4xZ5", "Z2xZ3")]
    languages += [Tomita(number=number).language for number in range(1, 8)]
    table = [[(i + 1) % 3 + i // 3 * 3, i % 3 + 3, i % 3] for i in range(6)]
    languages.append(Machine(alphabet="abc", delta=table, start=0, labels=range(6), names=tuple("012345")))
    for language in languages:
        explanation = explain(language)
        for verdict in explanation.verdicts:
            for answer in (verdict.one_layer, verdict.several_layers):
                assert answer.detail
                assert (answer.theorem is None) == (answer.verdict == "open")
                seen.add(answer.theorem)
    assert seen - {None} == set(THEOREMS)


@pytest.mark.parametrize("question", [("(aa)*b",), ("a*b*",), (Group("S4"), "swaps"), (Group("Z6"), "all")])
def test_what_a_weaker_structure_does_a_stronger_one_does(question):
    explanation = explain(*question)
    one = {verdict.structure: verdict.one_layer for verdict in explanation.verdicts}
    order = [
        *DIAGONALS[:2],
        householder(1),
        "signed diagonal × Householder",
        "diagonal plus rank one, [-1, 1]",
        "dense",
    ]
    yes = [one[structure].is_yes for structure in order]
    assert yes == sorted(yes)
    no = [one[structure].is_no for structure in order]
    assert no == sorted(no, reverse=True)


def test_report_json_and_markdown(capsys):
    explanation = explain("(aa)*b")
    explanation.print()
    printed = " ".join(capsys.readouterr().out.split())
    explanation.print(full=True)
    whole = " ".join(capsys.readouterr().out.split())
    for theorem in numbered(explanation.verdicts):
        assert f"] {theorem.name} (" in printed
        assert f"] {theorem.name}: {theorem.statement} (" in whole
    data = json.loads(json.dumps(explanation.to_json()))
    text = explanation.to_markdown()
    assert len(re.findall(r"^\| ", text, re.MULTILINE)) == len(explanation.verdicts) + 1
    for verdict, written in zip(explanation.verdicts, data["verdicts"]):
        assert written["one_layer"]["verdict"] == verdict.one_layer.verdict
        assert verdict.structure in printed
        assert verdict.structure in text
    assert data["facts"]["groups"][0]["name"] == "Z2"
    assert data["num_householders"] == {"least": explanation.least, "enough": explanation.enough}


def test_unknown_structure():
    with pytest.raises(ValueError, match="'mamba' has no verdict; legal are diagonal"):
        explain("a").verdict("mamba")


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("(a",), "position 0"),
        (("a", "swaps"), "only a Group has generators, got a str"),
        ((Group("S3"), "(1 2)"), "reach only 2 of its 6 elements"),
        ((Group("S3"), [1]), "reach only 2 of the 6 elements"),
        ((Group("S3"), "some"), "unknown in S3"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        explain(*arguments)


@pytest.mark.no_shape_checks
def test_a_wrong_type():
    with pytest.raises(TypeError, match="language must be a regular expression"):
        explain(5)  # type: ignore[arg-type]
