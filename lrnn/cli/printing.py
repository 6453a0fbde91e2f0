"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any

from lrnn.cli.flags import Part, helps, plain, spelled

if TYPE_CHECKING:
    from lrnn.train import LengthScore, Result


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; the first column is text, numbers in the others stand to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = number > 0 and all(_is_number(row[number]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text, for [0,1] would be read as markup
    Console(highlight=False).print(table)


def print_scores(title: str, scores: Sequence[LengthScore], longest_trained: int) -> None:
    """Scaled accuracy by length."""
    rows = []
    for score in scores:
        beyond = "" if score.length <= longest_trained else f"{score.length / longest_trained:.1f} ×"
        rows.append((f"{score.length}", f"{score.last:.3f}", f"{score.mean:.3f}", f"{score.whole:.3f}", beyond))
    columns = ("length", "last label", "all labels", "whole words", "beyond training")
    print_table(title, columns, rows)
    print("Scaled accuracy of labels: 0 is guessing, 1 is perfect. Whole words: the share with every label right.")


def print_seeds(title: str, results: Sequence[Result]) -> None:
    """One row per seed, then median, best and spread."""
    from lrnn.train import summary

    rows = []
    for result in results:
        numbers = (f"{result.steps}", f"{result.seconds:.1f}", _or_dash(result, "inside"), _or_dash(result, "beyond"))
        rows.append((f"{result.seed}", result.status, *numbers))
    table = summary(results)
    for name in ("median", "best", "deviation"):
        cells = [f"{table[part][name]:.3f}" if part in table else "–" for part in ("inside", "beyond")]
        rows.append((name, "", "", "", *cells))
    print_table(title, ("seed", "status", "steps", "seconds", "inside training lengths", "beyond"), rows)


def print_flags(title: str, part: Part) -> None:
    """Every flag of a part with its default and its text."""
    texts = helps(part.kind)
    rows = []
    for name, (_, default) in part.fields().items():
        names = [flag for flag, field in part.flags().items() if field == name and not flag.startswith("--no-")]
        rows.append((", ".join(names or [spelled(name)]), _shown(default), plain(texts.get(name, ""))))
    print_table(title, ("flag", "default", ""), rows)


def _or_dash(result: Result, name: str) -> str:
    value = 0.0 if result.status == "diverged" else getattr(result, name)
    return "–" if value is None else f"{value:.3f}"


def _shown(default: Any) -> str:
    if default is MISSING:
        return "(required)"
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _is_number(cell: str) -> bool:
    return not cell or cell == "–" or cell.rstrip(" ×").replace(".", "", 1).lstrip("-").isdigit()
