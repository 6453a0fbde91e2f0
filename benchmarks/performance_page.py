"""The page docs/performance.md, made from the newest results of a GPU: ``python -m benchmarks.performance_page``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from benchmarks.gpu_results import RESULTS
from benchmarks.performance_pictures import PICTURES, pictures
from benchmarks.performance_tables import NOTHING, SECTIONS, Data
from lrnn.models.files import write_whole

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"
ASSETS = DOCS / "assets"
START, END = "<!-- {} of the results, made by benchmarks/performance_page.py -->", "<!-- end -->"


def newest(folder: Path = RESULTS) -> Data | None:
    """The results of a GPU with the latest date; None if there are none."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return max(
        (data for data in found if data.get("benchmark") == "gpu"),
        key=lambda data: max(run.get("started", "") for run in data["runs"]),
        default=None,
    )


def page(text: str, data: Data | None, drawn: Collection[str] = ()) -> str:
    """The page with everything between its marks made anew.

    Arguments:
        drawn: names of the pictures that are there.

    Raises:
        ValueError: a mark is missing.
    """
    parts = {name: NOTHING if data is None else make(data) for name, make in SECTIONS.items()}
    for name, what in PICTURES.items():
        parts[f"picture {name}"] = f"![{what}](assets/performance-{name}.svg)" if name in drawn else NOTHING
    for name, part in parts.items():
        start = START.format(name)
        if text.count(start) != 1:
            raise ValueError(f"the page has {text.count(start)} marks {start!r}, wanted 1")
        before, rest = text.split(start)
        _, after = rest.split(END, 1)
        text = f"{before}{start}\n\n{part}\n\n{END}{after}"
    return text


def mark(data: Data) -> str:
    """A comment for pictures that says which numbers they show."""
    digest = hashlib.sha256(json.dumps(data["parts"], sort_keys=True).encode()).hexdigest()
    return f"<!-- made from results {digest[:16]} -->"


def main() -> None:
    """Write the page and its pictures."""
    data = newest()
    drawn = {} if data is None else pictures(data)
    write_whole(PAGE, page(PAGE.read_text(), data, drawn))
    for name, svg in drawn.items():
        assert data is not None
        write_whole(ASSETS / f"performance-{name}.svg", f"{svg.rstrip()}\n{mark(data)}\n")


if __name__ == "__main__":
    main()
