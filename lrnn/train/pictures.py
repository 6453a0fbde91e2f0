"""Pictures of training: accuracy over length, accuracy by position, loss over steps.

Every picture is a function from numbers to a `matplotlib.figure.Figure`; nothing touches pyplot's global state.
"""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lrnn.models.files import write_whole
from lrnn.train.result import LengthScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with every common color blindness. The yellow is too faint for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT = "#333333", "#E6E6E6"

# The salt makes the ids of clip paths, and with them the whole file, the same in every run.
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "svg.hashsalt": "lrnn",
    "figure.dpi": 150,
    "savefig.facecolor": "white",
}


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure in the style of all our pictures, and its axes row by row, each from left to right."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(rc=cast(Any, STYLE)):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text, the same for the same figure."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(rc=cast(Any, STYLE)):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode()


def to_png(figure: Figure) -> bytes:
    """The figure as PNG, 150 dots per inch."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(rc=cast(Any, STYLE)):
        figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()


def save_figure(figure: Figure, folder: str | Path, name: str) -> tuple[Path, Path]:
    """Write `name`.png and `name`.svg into `folder`, each whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    write_whole(png, to_png(figure))
    write_whole(svg, to_svg(figure))
    return png, svg


def accuracy_over_length(
    curves: Mapping[str, Sequence[Sequence[LengthScore]]], train_lengths: tuple[int, int], title: str = ""
) -> Figure:
    """Scaled accuracy of the last label over the length of the word, on a log axis; the training range is shaded.

    Args:
        curves: name of a model to its runs (seeds), each run its scores by length. The line is the median of the
            seeds, the band reaches from the worst to the best.
        train_lengths: shortest and longest training word.
        title: above the picture.

    Raises ValueError if there is nothing to draw.
    """
    if not any(scores for runs in curves.values() for scores in runs):
        raise ValueError("curves: there is no score to draw")
    figure, (axes,) = new_figure(6.8, 4.2)
    axes.axvspan(*train_lengths, color=FAINT, linewidth=0, zorder=0)
    axes.axhline(0, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    for place, (name, runs) in enumerate(curves.items()):
        by_length: dict[int, list[float]] = {}
        for scores in runs:
            for score in scores:
                by_length.setdefault(score.length, []).append(score.last)
        lengths = sorted(by_length)
        color = COLORS[place % len(COLORS)]
        middle = [statistics.median(by_length[n]) for n in lengths]
        # later curves get smaller markers, so that curves on top of each other can all be seen
        marker = {"marker": MARKERS[place % len(MARKERS)], "markersize": max(4.0, 10 - 2 * place)}
        axes.plot(lengths, middle, color=color, label=name, zorder=3, **marker)
        if any(len(values) > 1 for values in by_length.values()):
            low, high = [min(by_length[n]) for n in lengths], [max(by_length[n]) for n in lengths]
            axes.fill_between(lengths, low, high, color=color, alpha=0.15, linewidth=0, zorder=2)
    _length_axis(axes, [score.length for runs in curves.values() for scores in runs for score in scores], train_lengths)
    axes.set_ylabel("scaled accuracy (0 = guessing)")
    axes.set_ylim(min(-0.1, axes.get_ylim()[0]), 1.06)
    _finish(figure, axes, title, legend=len(curves) > 1)
    return figure


def accuracy_by_position(scores: Sequence[LengthScore], train_lengths: tuple[int, int], title: str = "") -> Figure:
    """Scaled accuracy of the label at each position of the longest words measured; the training range is shaded.

    Raises ValueError if no label is asked before the last position, for then there is no curve.
    """
    longest = max(scores, key=lambda score: score.length)
    points = [(p, value) for p, value in enumerate(longest.by_position, 1) if not math.isnan(value)]
    if len(points) < 2:
        raise ValueError("scores: the task asks for one label per word only")
    figure, (axes,) = new_figure(6.8, 4.2)
    axes.axvspan(*train_lengths, color=FAINT, linewidth=0, zorder=0)
    axes.axhline(0, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.plot(*zip(*points), color=COLORS[0], zorder=3)
    _length_axis(axes, [1, longest.length], train_lengths)
    axes.set_xlabel(f"position in words of length {longest.length}")
    axes.set_ylabel("scaled accuracy (0 = guessing)")
    axes.set_ylim(min(-0.1, axes.get_ylim()[0]), 1.06)
    _finish(figure, axes, title, legend=False)
    return figure


def training_curve(metrics: Sequence[Mapping[str, Any]], title: str = "") -> Figure:
    """Loss (left) and share of labels right (right) over the steps, in training and in validation.

    Raises ValueError if nothing was logged.
    """
    figure, axes = new_figure(9.0, 3.6, columns=2)
    drawn = 0
    for axis, name in zip(axes, ("loss", "accuracy")):
        for place, (prefix, label) in enumerate((("", "training"), ("validation_", "validation"))):
            points = [(row["step"], row[prefix + name]) for row in metrics if row.get(prefix + name) is not None]
            if points:
                marker, width = ("", 1.2) if place == 0 else (MARKERS[1], 0.0)
                axis.plot(*zip(*points), color=COLORS[place], label=label, marker=marker, linewidth=width)
                drawn += 1
        axis.set_xlabel("step")
        axis.set_ylabel("cross entropy (nats)" if name == "loss" else "share of labels right")
    if not drawn:
        raise ValueError("metrics: nothing was logged")
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(top=1.03)
    _finish(figure, axes[0], title, legend=True)
    return figure


def _length_axis(axes: Axes, lengths: Sequence[int], train_lengths: tuple[int, int]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    low, high = min(*lengths, train_lengths[0]), max(*lengths, train_lengths[1])
    axes.set_xscale("log", base=2)
    axes.set_xlim(low / 1.08, high * 1.08)
    powers = [2**n for n in range(20) if low / 1.08 <= 2**n <= high * 1.08]
    axes.xaxis.set_major_locator(FixedLocator(powers))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("length of the word (log scale)")
    middle = math.sqrt(train_lengths[0] * train_lengths[1])
    words = f"trained on {train_lengths[0]}–{train_lengths[1]}"
    axes.text(middle, 1.01, words, transform=axes.get_xaxis_transform(), ha="center", fontsize=9, color="#666666")


def _finish(figure: Figure, axes: Axes, title: str, legend: bool) -> None:
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=11)
    for each in figure.axes:
        each.grid(axis="y", color=FAINT, linewidth=0.6)
        each.set_axisbelow(True)
    if legend:
        axes.legend(loc="best", frameon=False, fontsize=9)
