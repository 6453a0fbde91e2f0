"""The eggbox picture of a monoid: its J-classes as boxes of H-classes, the higher ones on top.

Shapes: C boxes · N cells in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from lrnn.automata.green import Green, greens_relations
from lrnn.automata.group import MAX_ORDER
from lrnn.automata.group_identity import identify
from lrnn.automata.monoid import Monoid
from lrnn.automata.subgroups import maximal_subgroups

MAX_CELLS = 5_000
MAX_LETTERS = 7
"""Letters of a word that fit into a cell; of longer ones the end is left out (the tooltip has it all)."""

CELL, LINE, GAP, MARGIN = (72, 34), 18, (36, 40), 24
"""Width and height of a cell, height of a caption, space between boxes, space around the picture, in pixels."""

STYLE = """
text { font: 13px ui-monospace, monospace; text-anchor: middle; fill: #1b1f24 }
.caption { font-size: 12px; fill: #57606a }
.size { font-size: 10px; fill: #57606a }
.paper { fill: #ffffff }
.cell { fill: #ffffff; stroke: #8c959f; stroke-width: 0.75 }
.group { fill: #d8e6f7 }
.box { fill: none; stroke: #1b1f24; stroke-width: 1.5 }
.edge { stroke: #8c959f; stroke-width: 1.25 }
"""


@dataclass(frozen=True)
class _Cell:
    row: int
    column: int
    word: tuple[str, ...]
    size: int
    idempotent: bool


@dataclass
class _Box:
    rows: int
    columns: int
    cells: list[_Cell]
    caption: str
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        # A caption of many letters must not run into that of the neighbor.
        return max(self.columns * CELL[0], 8.0 * len(self.caption))

    @property
    def height(self) -> float:
        return self.rows * CELL[1] + (LINE if self.caption else 0)

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def eggbox_svg(monoid: Monoid, path: str | Path, max_cells: int = MAX_CELLS) -> None:
    """Write the eggbox picture of the monoid as an SVG file, which every browser shows.

    Each box is a J-class; below it are those of products with its elements inside, joined by a line if none is in
    between. The rows of a box are its R-classes, the columns its L-classes, the cells its H-classes. A cell shows the
    shortest word in it (ε is the empty word), ``*`` if it holds an idempotent, in which case it is a group and
    shaded, and how many elements it has if more than one. The caption names the group of the box if it is not trivial.

    Arguments:
        monoid: as made by :func:`lrnn.automata.transition_monoid`.
        path: the file, which is overwritten.
        max_cells: cap on the number of H-classes.

    Raises ValueError above the cap, and OSError if the file cannot be written.
    """
    green = greens_relations(monoid)
    if green.num_h > max_cells:
        raise ValueError(f"the picture would have {green.num_h:,} cells; raise max_cells (now {max_cells:,})")
    boxes = _boxes(monoid, green)
    edges = green.covers.tolist()
    width, height = _arrange(boxes, edges)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">',
        f"<title>Eggbox picture of a monoid of {monoid.num_elements:,} elements</title>",
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
    ]
    for upper, lower in ((boxes[j], boxes[k]) for j, k in edges):
        lines.append(
            f'<line class="edge" x1="{upper.middle:g}" y1="{upper.y + upper.height:g}" '
            f'x2="{lower.middle:g}" y2="{lower.y:g}"/>'
        )
    for box in boxes:
        lines += _drawn(box)
    Path(path).write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")


def _boxes(monoid: Monoid, green: Green) -> list[_Box]:
    _, first, sizes = np.unique(green.h, return_index=True, return_counts=True)
    holds_idempotent = np.isin(np.arange(green.num_h), green.h[green.idempotents])
    names = _group_names(monoid, green, sizes)
    rows: list[dict[int, int]] = [{} for _ in range(green.num_j)]
    columns: list[dict[int, int]] = [{} for _ in range(green.num_j)]
    cells: list[list[_Cell]] = [[] for _ in range(green.num_j)]
    for h, x in enumerate(first.tolist()):
        j = int(green.j[x])
        row = rows[j].setdefault(int(green.r[x]), len(rows[j]))
        column = columns[j].setdefault(int(green.l[x]), len(columns[j]))
        cells[j].append(_Cell(row, column, monoid.word(x), int(sizes[h]), bool(holds_idempotent[h])))
    captions = [
        f"{len(row)} × {len(column)}{name}" if name or len(cell) > 1 else ""
        for row, column, cell, name in zip(rows, columns, cells, names)
    ]
    return [
        _Box(len(row), len(column), cell, caption) for row, column, cell, caption in zip(rows, columns, cells, captions)
    ]


def _group_names(monoid: Monoid, green: Green, sizes: np.ndarray) -> list[str]:
    """For each J-class what its caption says of its group: nothing if that is trivial or there is none."""
    names = [""] * green.num_j
    if sizes.max() > MAX_ORDER:  # no table of that group, so no name of any
        return names
    for subgroup in maximal_subgroups(monoid, green):
        if subgroup.group.order > 1:
            names[subgroup.j_class] = f" · {identify(subgroup.group).name}"
    return names


def _arrange(boxes: list[_Box], edges: list[list[int]]) -> tuple[float, float]:
    """Place the boxes in layers, each below all that are above it in the J-order; returns width and height."""
    uppers: list[list[int]] = [[] for _ in boxes]
    for j, k in edges:
        uppers[k].append(j)
    depth = [0] * len(boxes)
    for _ in boxes:  # longest chains from the top: as many rounds as the longest has boxes
        deeper = [max((depth[j] + 1 for j in upper), default=0) for upper in uppers]
        if deeper == depth:
            break
        depth = deeper
    layers = [[k for k in range(len(boxes)) if depth[k] == level] for level in range(max(depth) + 1)]
    widths = [sum(boxes[k].width for k in layer) + GAP[0] * (len(layer) - 1) for layer in layers]
    y = float(MARGIN)
    for layer, width in zip(layers, widths):
        # Boxes go near the ones above them, so that few lines cross.
        layer.sort(key=lambda k: sum(boxes[j].middle for j in uppers[k]) / max(1, len(uppers[k])))
        x = MARGIN + (max(widths) - width) / 2
        for k in layer:
            boxes[k].x, boxes[k].y = x, y
            x += boxes[k].width + GAP[0]
        y += max(boxes[k].height for k in layer) + GAP[1]
    return max(widths) + 2 * MARGIN, y - GAP[1] + MARGIN


def _drawn(box: _Box) -> list[str]:
    width, height = CELL
    left = box.middle - box.columns * width / 2
    lines = []
    for cell in box.cells:
        x, y = left + cell.column * width, box.y + cell.row * height
        letters = list(map(escape, cell.word))
        word = "".join(letters) or "ε"
        # The letters may be words themselves, so what fits is counted in characters.
        shown = word if len("".join(cell.word)) <= MAX_LETTERS else escape("".join(cell.word)[: MAX_LETTERS - 1]) + "…"
        size = f"{cell.size:,} elements" if cell.size > 1 else "1 element"
        lines += [
            f"<g><title>{word}, {size}{', a group' if cell.idempotent else ''}</title>",
            f'<rect class="cell{" group" if cell.idempotent else ""}" x="{x:g}" y="{y:g}" '
            f'width="{width}" height="{height}"/>',
            f'<text x="{x + width / 2:g}" y="{y + height / 2 + (0 if cell.size > 1 else 4):g}">'
            f"{shown}{'*' if cell.idempotent else ''}</text>",
        ]
        if cell.size > 1:
            lines.append(f'<text class="size" x="{x + width / 2:g}" y="{y + height - 5:g}">{cell.size:,}</text>')
        lines.append("</g>")
    lines.append(
        f'<rect class="box" x="{left:g}" y="{box.y:g}" width="{box.columns * width}" height="{box.rows * height}"/>'
    )
    if box.caption:
        lines.append(
            f'<text class="caption" x="{box.middle:g}" y="{box.y + box.rows * height + LINE - 4:g}">'
            f"{escape(box.caption)}</text>"
        )
    return lines
