"""Pictures of what a model became: spectra, β, singular values. Numbers in, `matplotlib.figure.Figure` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lrnn.train.pictures import COLORS, FAINT, INK, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TOKENS = 8
"""Tokens shown in one picture; a larger alphabet is cut, and the picture says so."""
_MOST_POINTS = 4000


def spectrum(panels: Mapping[str, Mapping[str, Tensor]], title: str = "") -> Figure:
    """The eigenvalues of A_t in the unit circle: one panel for each letter of each model or layer.

    Args:
        panels: name of the model or layer to letter to eigenvalues, a complex tensor of any shape.
        title: above the picture.

    Raises ValueError if there is nothing to draw.
    """
    letters = list(dict.fromkeys(letter for row in panels.values() for letter in row))
    if not letters:
        raise ValueError("panels: there is no eigenvalue to draw")
    shown, names = letters[:MOST_TOKENS], list(panels)
    wide = len(shown) >= len(names)  # more columns than rows: a page is wider than high
    rows, columns = (len(names), len(shown)) if wide else (len(shown), len(names))
    figure, axes = new_figure(2.1 * columns + 0.6, 2.15 * rows + 0.7, rows, columns)
    for place, panel in enumerate(axes):
        row, column = divmod(place, columns)
        name, letter = (names[row], shown[column]) if wide else (names[column], shown[row])
        _unit_disc(panel)
        if letter in panels[name]:
            points = _some(panels[name][letter].detach().flatten())
            color = COLORS[names.index(name) % len(COLORS)]
            panel.plot(points.real, points.imag, "o", color=color, markersize=5, alpha=0.5, markeredgewidth=0)
        if row == 0:
            panel.set_title(f"letter {letter}" if wide else name, fontsize=10, loc="center")
        if column == 0:
            panel.set_ylabel(name if wide else f"letter {letter}", fontsize=10)
        if row == rows - 1:
            panel.set_xticks((-1, 0, 1))
    _head(figure, title + _rest(letters))
    return figure


def beta_by_token(values: Mapping[str, Tensor], title: str = "") -> Figure:
    """β of every reflector wherever a letter stands; β = 0 is the identity, 1 a projection, 2 a reflection.

    Args:
        values: letter to its β, [n, H, R]. Each head and reflector has its own place beside the letter.
        title: above the picture.

    Raises ValueError if there is nothing to draw.
    """
    if not values:
        raise ValueError("values: there is no β to draw")
    letters = list(values)[:MOST_TOKENS]
    _, heads, reflectors = next(iter(values.values())).shape
    figure, (axes,) = new_figure(max(4.5, 1.3 * len(letters) + 2.6), 3.6)
    for level, word in ((0, "identity"), (1, "projection"), (2, "reflection")):
        axes.axhline(level, color=INK, linewidth=0.8, linestyle=(0, (1, 3)), zorder=1)
        axes.text(1.01, level, word, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color="#666666")
    count = heads * reflectors
    for place, letter in enumerate(letters):
        for number in range(count):
            head, reflector = divmod(number, reflectors)
            points = _some(values[letter][:, head, reflector])
            x = place + (0.7 * (number + 0.5) / count - 0.35)
            color, marker = COLORS[head % len(COLORS)], MARKERS[reflector % len(MARKERS)]
            axes.plot([x] * len(points), points, marker, color=color, alpha=0.6, markersize=6, markeredgewidth=0)
    axes.set_xticks(range(len(letters)), letters)
    axes.set_xlim(-0.5, len(letters) - 0.5)
    axes.set_ylim(-0.1, 2.1)
    axes.set_yticks((0, 0.5, 1, 1.5, 2))
    axes.set_xlabel("letter" + (f" (colors are the {heads} heads)" if heads > 1 else ""))
    axes.set_ylabel("β")
    _head(figure, title + _rest(list(values)))
    return figure


def singular_values_along(values: Tensor, title: str = "") -> Figure:
    """Singular values of the state along one word, one color per head.

    Args:
        values: [T + 1, H, min(K, V)], of S_0, …, S_T.
        title: above the picture.
    """
    floor = 1e-6  # what is smaller than this is noise of float32, and 0 has no logarithm
    figure, (axes,) = new_figure(6.8, 3.8)
    lines = values.detach().double().clamp_min(floor)
    heads = min(lines.shape[1], len(COLORS))
    for head in range(heads):
        for index in range(lines.shape[2]):
            label = f"head {head + 1}" if index == 0 else None
            axes.plot(lines[:, head, index], color=COLORS[head], linewidth=1.4, alpha=0.8, label=label)
    axes.set_yscale("log")
    low, high = float(lines.min()), float(lines.max())
    if high / low < 10:  # a flat line should look flat
        axes.set_ylim(low / 3, high * 3)
    axes.set_xlabel("letters read")
    axes.set_ylabel("singular values of the state")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    if heads > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    _head(figure, title + (f" (the first {heads} of {lines.shape[1]} heads)" if heads < lines.shape[1] else ""))
    return figure


def _unit_disc(panel: Axes) -> None:
    from matplotlib.patches import Circle

    panel.add_patch(Circle((0, 0), 1, facecolor="#F7F7F7", edgecolor="#999999", linewidth=0.9, zorder=0))
    panel.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    panel.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    panel.set_xlim(-1.2, 1.2)
    panel.set_ylim(-1.2, 1.2)
    panel.set_aspect("equal")
    panel.set_xticks(())
    panel.set_yticks(())
    for side in panel.spines.values():
        side.set_visible(False)


def _some(points: Tensor) -> Tensor:
    """Not more points than a picture can show, spread evenly over all of them, each only once."""
    points = torch.unique(points) if not points.is_complex() else _unique_complex(points)
    step = -(-len(points) // _MOST_POINTS)
    return points[::step] if step else points


def _unique_complex(points: Tensor) -> Tensor:
    rounded = torch.view_as_real(points.to(torch.complex128)).mul(1e4).round().unique(dim=0).div(1e4)
    return torch.view_as_complex(rounded.contiguous())


def _rest(letters: list[str]) -> str:
    return f" ({MOST_TOKENS} of {len(letters)} letters)" if len(letters) > MOST_TOKENS else ""


def _head(figure: Figure, title: str) -> None:
    if title:
        figure.suptitle(title, x=0.02, ha="left", fontsize=11)
