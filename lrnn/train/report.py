"""A report is one HTML file that needs nothing else: styles and pictures are inside, no script, no network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from lrnn.models.files import write_whole
from lrnn.train.folder import RunFolder
from lrnn.train.pictures import accuracy_by_position, accuracy_over_length, save_figure, training_curve
from lrnn.train.result import Result

_CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #888; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; font-size: .85rem; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; } figcaption { color: #555; font-size: .9rem; }
.note { color: #555; }
"""


def write_report(folder: str | Path) -> Path:
    """Draw the pictures of a run into plots/ and write report.html, from what the folder holds.

    Every SVG in plots/ becomes part of the report, so pictures that others put there (spectra, say) are in it too.

    Raises FileNotFoundError if `folder` is no run, ValueError if the run has no result yet.
    """
    place = RunFolder.open(folder)
    result = place.result
    if result is None:
        raise ValueError(f"{place.path} has no result.json yet: the run is not over")
    config = place.config
    metrics = place.read_metrics()
    if metrics:
        save_figure(training_curve(metrics), place.plots, "1-training")
    if result.scores:
        curves = {config.task.name: [result.scores]}
        save_figure(accuracy_over_length(curves, result.train_lengths), place.plots, "2-accuracy-over-length")
        if sum(not math.isnan(value) for value in result.scores[-1].by_position) > 1:
            save_figure(
                accuracy_by_position(result.scores, result.train_lengths), place.plots, "3-accuracy-by-position"
            )
    seconds = f"{result.seconds:.1f} s ({result.cpu_seconds:.1f} s of processor time)"
    body = [
        paragraph(f"{result.status.capitalize()} after {result.steps} steps in {seconds}; seed {result.seed}."),
        paragraph(result.message) if result.message else "",
        scores_table(result),
        *pictures_of(place.plots),
        heading("Config"),
        f"<pre>{escape(json.dumps(config.to_json(), indent=2))}</pre>",
        paragraph(", ".join(f"{name} {number}" for name, number in result.versions.items()), note=True),
    ]
    title = f"{config.task.name}, {config.model.mixer}, seed {result.seed}"
    return write_page(place.path / "report.html", title, body)


def scores_table(result: Result) -> str:
    """Accuracy by length as an HTML table."""
    rows = [
        (
            f"{score.length}" + ("" if score.length <= result.train_lengths[1] else " (longer than trained)"),
            f"{score.last:.3f}",
            f"{score.mean:.3f}",
            f"{score.last_quarter:.3f}" if not math.isnan(score.last_quarter) else "–",
            f"{score.whole:.3f}",
        )
        for score in result.scores
    ]
    head = ("length", "last label", "all labels", "last quarter", "whole words right")
    caption = "Scaled accuracy (0 is guessing, 1 is perfect); whole words as the plain share."
    return table(head, rows) + paragraph(caption, note=True) if rows else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of text."""
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, note: bool = False) -> str:
    return f"{'<p class=note>' if note else '<p>'}{escape(text)}</p>"


def pictures_of(folder: Path, captions: Mapping[str, str] | None = None) -> list[str]:
    """Every SVG in a folder as an HTML figure, in the order of the file names."""
    found = []
    for path in sorted(folder.glob("*.svg")):
        words = re.sub(r"^\d+-", "", path.stem).replace("-", " ")
        found.append(figure(path.read_text(), (captions or {}).get(path.stem, words.capitalize()), path.stem))
    return found


def figure(svg: str, caption: str, name: str) -> str:
    """One SVG picture inside HTML, under the caption.

    The header, the metadata and the name spaces go (HTML knows SVG by itself), and every id gets `name` in front,
    because all pictures of a page share one name space for ids.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def write_page(path: Path, title: str, body: Sequence[str]) -> Path:
    """A whole HTML page, written whole or not at all."""
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_CSS}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n" + "\n".join(part for part in body if part) + "\n</body></html>\n"
    )
    write_whole(path, page)
    return path
