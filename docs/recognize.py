"""The table of the page "What can a linear RNN recognize?", made from the code: ``python docs/recognize.py``."""

from __future__ import annotations

from pathlib import Path

from lrnn.automata import Group
from lrnn.explain import Answer, Explanation, explain
from lrnn.explain.theorems import COMMUTING_PROJECTIONS
from lrnn.tasks.tomita import Tomita

PAGE = Path(__file__).parent / "what-can-a-linear-rnn-recognize.md"
START, END = "<!-- made by docs/recognize.py -->", "<!-- end -->"

LANGUAGES = {
    "parity: `b*(ab*ab*)*`": ("b*(ab*ab*)*",),
    "`(aa)*`": ("(aa)*",),
    "`(ab)*`": ("(ab)*",),
    "`a*b*`": ("a*b*",),
    "`(aa)*b`": ("(aa)*b",),
    "ends with a: `(a|b)*a`": ("(a|b)*a",),
    "contains aa: `(a|b)*aa(a|b)*`": ("(a|b)*aa(a|b)*",),
    "mod 3: `(aaa)*`": ("(aaa)*",),
    "mod 5: `(aaaaa)*`": ("(aaaaa)*",),
    "Dyck, depth 2": (r"(\((\(\))*\))*",),
    **{f"Tomita {number}": (Tomita(number=number).language,) for number in range(1, 8)},
    "S3, all": (Group("S3"), "all"),
    "S3, swaps": (Group("S3"), "swaps"),
    "S4, all": (Group("S4"), "all"),
    "S4, swaps": (Group("S4"), "swaps"),
    "A5, all": (Group("A5"), "all"),
    "A5, two of order 2 and 3": (Group("A5"), "(1 2)(3 4);(1 3 5)"),
    "S5, all": (Group("S5"), "all"),
    "S5, swaps": (Group("S5"), "swaps"),
    "S5, (1 2) and (1 2 3 4 5)": (Group("S5"), "(1 2);(1 2 3 4 5)"),
    "six pieces on a 2 × 3 board, neighbors change places": (
        Group("S6"),
        "(1 2);(2 3);(4 5);(5 6);(1 4);(2 5);(3 6)",
    ),
}
"""Name to what :func:`lrnn.explain.explain` is asked."""

COLUMNS = {
    "diagonal [0, 1]": "diagonal, [0, 1]",
    "[−1, 1]": "diagonal, [-1, 1]",
    "complex": "complex diagonal",
    "Householder [0, 1]": "Householder n_h = 1, [0, 1]",
    "n_h = 1 [−1, 1]": "Householder n_h = 1, [-1, 1]",
    "n_h = 2": "Householder n_h = 2, [-1, 1]",
    "plus rank one": "diagonal plus rank one, [-1, 1]",
    "signed × Householder": "signed diagonal × Householder",
}
"""Heading to structure."""


def table() -> str:
    """One row per language, one column per structure."""
    heads = ["language", "states, monoid", *COLUMNS, "n_h of one layer"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, question in LANGUAGES.items():
        answer = explain(*question)
        cells = [name.replace("|", "\\|"), f"{answer.facts.states}, {answer.facts.elements}"]
        for structure in COLUMNS.values():
            verdict = answer.verdict(structure)
            cells.append(_layers(verdict.one_layer, verdict.several_layers))
        lines.append("| " + " | ".join([*cells, _householders(answer)]) + " |")
    return "\n".join(lines)


def _layers(one: Answer, several: Answer) -> str:
    """The number of layers that suffices, bold if the compiler makes them."""
    if several.is_no:
        return "never"
    if not several.is_yes:
        return "open"
    number = "finite" if several.layers is None else f"{several.layers}"
    shown = f"**{number}**" if several.verdict == "yes (construction shipped)" else number
    return shown if one.is_yes or one.is_no else f"1?, {shown}"


def _householders(answer: Explanation) -> str:
    """The least n_h of one layer with eigenvalues in [−1, 1]."""
    least = max(1, answer.least)
    if answer.enough is not None:
        return f"{answer.enough}" if least == answer.enough else f"{least} … {answer.enough}"
    products = [verdict for verdict in answer.verdicts if verdict.structure.endswith("[-1, 1]")]
    forbidden = any(verdict.one_layer.theorem is COMMUTING_PROJECTIONS for verdict in products)
    return "none" if forbidden else f"{least} or more?"


def page(text: str) -> str:
    """The page with its table made anew."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
