"""The pictures of docs/performance.md: time over T and over n_h, error over T, and the roofline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.gpu_ceilings import forward_work
from benchmarks.gpu_contests import CONTESTS, SIZES, Size
from benchmarks.performance_tables import KINDS, Data, leaves_of
from lrnn.train.pictures import COLORS, INK, MARKERS, new_figure, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES = {"length": "Time over T", "reflectors": "Time over n_h", "state": "Error over T", "roofline": "Roofline"}
"""Name to what stands in its place where it is not shown."""

Points = list[tuple[float, float]]


def pictures(data: Data) -> dict[str, str]:
    """Name to SVG; a picture that nothing was measured for is left out."""
    made = {"length": over_length, "reflectors": over_reflectors, "state": state_error, "roofline": roofline}
    found = {name: make(data) for name, make in made.items()}
    return {name: svg for name, svg in found.items() if svg is not None}


def over_length(data: Data) -> str | None:
    """Milliseconds of one call over T, at as many tokens."""
    lines: dict[tuple[str, str], Points] = {}
    for (op, size), leaf in leaves_of(data, "lengths").items():
        for who, entry in leaf["entries"].items():
            for kind, times in entry.get("milliseconds", {}).items():
                name = "softmax attention (torch)" if op == "attention" else f"{CONTESTS[op].title}, {who}"
                lines.setdefault((name, kind), []).append((size.T, times["median"]))
    if not lines:
        return None
    tokens = {size.B * size.T for _, size in leaves_of(data, "lengths")}
    return _times(lines, "T, time steps of one word", f"Time at {max(tokens):,} tokens in words of T", True)


def over_reflectors(data: Data) -> str | None:
    """Milliseconds of one call over n_h, at the first size."""
    lines: dict[tuple[str, str], Points] = {}
    for (op, size), leaf in leaves_of(data).items():
        name, _, number = op.partition("-")
        if name == "householder" and size == SIZES[0]:
            for who, entry in leaf["entries"].items():
                for kind, times in entry.get("milliseconds", {}).items():
                    lines.setdefault((who, kind), []).append((int(number), times["median"]))
    return _times(lines, "n_h, reflectors per token", f"Time at {SIZES[0]}", False) if lines else None


def _times(lines: dict[tuple[str, str], Points], across: str, title: str, logarithmic: bool) -> str:
    figure, panels = new_figure(8.6, 3.8, 1, 2)
    names = list(dict.fromkeys(name for name, _ in lines))
    for panel, kind in zip(panels, KINDS):
        for place, name in enumerate(names):
            _line(panel, lines.get((name, kind), []), place, name)
        if logarithmic:
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
        else:
            panel.set_xticks(sorted({int(x) for points in lines.values() for x, _ in points}))
            panel.set_ylim(bottom=0)
        panel.set_xlabel(across)
        panel.set_title(kind.replace("+", " and "))
    panels[0].set_ylabel("milliseconds")
    panels[0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return to_svg(figure)


def _line(panel: Axes, points: Points, place: int, name: str) -> None:
    if points:
        color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
        panel.plot(*zip(*sorted(points)), label=name, color=color, marker=marker)


def state_error(data: Data) -> str | None:
    """Relative error of the state over T, one panel for each K."""
    leaves = list(data["parts"].get("state", {}).values())
    widths = sorted({leaf["shape"]["K"] for leaf in leaves})
    if not widths:
        return None
    figure, panels = new_figure(8.6, 3.8, 1, len(widths))
    for panel, K in zip(panels, widths):
        lines: dict[str, Points] = {}
        for leaf in leaves:
            for who, entry in leaf["entries"].items():
                if leaf["shape"]["K"] == K and entry.get("error") is not None and "n_h = 2" not in who:
                    lines.setdefault(who, []).append((leaf["shape"]["T"], entry["error"]))
        for place, (who, points) in enumerate(lines.items()):
            _line(panel, points, place, who.replace(" n_h = 1", ""))
        panel.axhline(1e-3, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xlabel("T, reflections")
        panel.set_title(f"K = {K}")
    panels[0].set_ylabel("relative error of the state")
    panels[0].legend(frameon=False, fontsize=8)
    return to_svg(figure)


def roofline(data: Data) -> str | None:
    """TFLOP/s of the forward over flops per byte, below the two ceilings that were measured."""
    roof = data["parts"].get("ceilings", {})
    points: dict[str, list[tuple[str, float, float]]] = {}
    for (op, size), leaf in leaves_of(data).items():
        contest = CONTESTS[op]
        if contest.target is None or size != contest.sizes[0]:  # the formula is that of these
            continue
        work = forward_work(Size(**leaf["shape"]), contest.reflectors)
        for who, entry in leaf["entries"].items():
            if "milliseconds" in entry:
                speed = work["flops"] / entry["milliseconds"]["forward"]["median"] / 1e9
                mine = "lrnn" if who == "lrnn" else "its peer"
                points.setdefault(mine, []).append((op, work["flops"] / work["bytes"], speed))
    if not points or not {"copy", "matmul"} <= set(roof):
        return None
    figure, (panel,) = new_figure(6.8, 4.2)
    bandwidth, most = roof["copy"]["bytes_per_second"] / 1e12, roof["matmul"]["flops_per_second"] / 1e12
    reach = [4.0, most / bandwidth, 2000.0]
    panel.plot(reach, [min(x * bandwidth, most) for x in reach], color=INK, label="copy and matrix product, measured")
    for place, (who, found) in enumerate(points.items()):
        panel.plot(*zip(*((x, y) for _, x, y in found)), MARKERS[place], color=COLORS[place], label=f"{who}, forward")
        if who == "lrnn":
            for op, x, y in found:
                panel.annotate(op, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("flops of the chunked forward per byte that any forward must move")
    panel.set_ylabel("TFLOP/s")
    panel.legend(frameon=False, fontsize=8)
    return to_svg(figure)
