"""An explanation on a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from lrnn.explain.facts import Facts
from lrnn.explain.theorems import Theorem
from lrnn.explain.verdict import Answer, Verdict

COLORS = {
    "yes (construction shipped)": "green",
    "yes (theorem)": "cyan",
    "no (theorem)": "red",
    "open": "yellow",
}
COLUMNS = ("structure", "one layer", "width", "several layers")

MEANING = (
    "A layer recognizes a language if it reaches finitely many states, in exact arithmetic, and the label is a "
    "function of state and letter. Several layers: each of them so, and each sees the letter and the states of those "
    "below it before and after the letter; so with a delay in front one may do what it cannot alone, and counts as 1 "
    "there. Memory that fades is not counted. Width: rows of the state that suffice, all heads together."
)


def print_report(name: str, facts: Facts, verdicts: Sequence[Verdict], full: bool) -> None:
    """Facts, one line per structure, then the reasons and the sources, on standard output.

    Arguments:
        full: say also what each theorem states.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    about = Table(
        title=Text(name), title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False
    )
    for label, value in facts.lines():
        about.add_row(label, Text(value))
    console.print(about)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "structure", justify="right" if column == "width" else "left")
    for verdict in verdicts:
        table.add_row(
            Text(verdict.structure),
            Text(verdict.one_layer.verdict, style=COLORS[verdict.one_layer.verdict]),
            _or_blank(verdict.width),
            Text(_with_layers(verdict.several_layers), style=COLORS[verdict.several_layers.verdict]),
        )
    console.print(table)
    reasons = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    reasons.add_column(no_wrap=True)
    reasons.add_column(no_wrap=True)
    numbers = numbered(verdicts)
    for verdict in verdicts:
        for place, answer in _places(verdict):
            reasons.add_row(Text(verdict.structure), Text(place), Text(_reason(answer, numbers)))
    console.print(reasons)
    console.print()
    for theorem, number in numbers.items():
        statement = f": {theorem.statement}" if full else ""
        console.print(Text(f"[{number}] {theorem.name}{statement} ({theorem.source})"))
    console.print()
    console.print(Text(MEANING))


def markdown(name: str, facts: Facts, verdicts: Sequence[Verdict]) -> str:
    """The same as tables of Markdown."""
    numbers = numbered(verdicts)
    lines = [f"**{_escaped(name)}**", ""]
    lines += [f"- {label + ': ' if label else ''}{_escaped(value)}" for label, value in facts.lines()]
    lines += ["", "| structure | one layer | why | width | several layers | why |", "|---|---|---|---|---|---|"]
    for verdict in verdicts:
        one, several = verdict.one_layer, verdict.several_layers
        cells = [verdict.structure, one.verdict, _reason(one, numbers), _or_blank(verdict.width), _with_layers(several)]
        cells.append("" if several is one else _reason(several, numbers))
        lines.append("| " + " | ".join(map(_escaped, cells)) + " |")
    lines.append("")
    lines += [
        f"{number}. {theorem.name}: {theorem.statement} ({theorem.source})" for theorem, number in numbers.items()
    ]
    return "\n".join(lines) + "\n"


def numbered(verdicts: Sequence[Verdict]) -> dict[Theorem, int]:
    """The theorems that are used, numbered in the order in which they come."""
    numbers: dict[Theorem, int] = {}
    for verdict in verdicts:
        for _, answer in _places(verdict):
            if answer.theorem is not None:
                numbers.setdefault(answer.theorem, len(numbers) + 1)
    return numbers


def _places(verdict: Verdict) -> list[tuple[str, Answer]]:
    """Both answers with their columns, or one if they are the same."""
    if verdict.several_layers is verdict.one_layer:
        return [("", verdict.one_layer)]
    return [("one layer", verdict.one_layer), ("several", verdict.several_layers)]


def _with_layers(answer: Answer) -> str:
    return answer.verdict + (f", {answer.layers}" if answer.is_yes and answer.layers is not None else "")


def _reason(answer: Answer, numbers: dict[Theorem, int]) -> str:
    return answer.detail + (f" [{numbers[answer.theorem]}]" if answer.theorem is not None else "")


def _or_blank(value: int | None) -> str:
    return "" if value is None else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")
