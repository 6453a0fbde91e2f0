"""The tables of docs/performance.md: results of a GPU in, Markdown out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.gpu_contests import CONTESTS, Contest, Size
from benchmarks.gpu_measuring import error_cells, ratios

GIB = 2**30
NOTHING = "*Not measured yet.*"

Data = Mapping[str, Any]
KINDS: tuple[str, ...] = ("forward", "forward+backward", "memory")


def rows_of(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [" | ".join(heads), "---|" * len(heads), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" if number != 1 else f"|{line}" for number, line in enumerate(lines))


def shown(ratio: float | None, target: float | None, least: bool = True) -> str:
    """A ratio against its target, rounded away from the target and bold where it reaches it.

    >>> shown(1.999, 2), shown(2.0, 2), shown(0.601, 0.6, least=False), shown(0.5, 0.6, least=False)
    ('1.99× of ≥ 2×', '**2.00×** of ≥ 2×', '0.61× of ≤ 0.6×', '**0.50×** of ≤ 0.6×')
    """
    if ratio is None:
        return "—"
    cents = round(100 * ratio, 6)  # 0.29 × 100 is 28.999999999999996
    number = f"{(math.floor if least else math.ceil)(cents) / 100:.2f}×"
    if target is None:
        return number
    reached = ratio >= target if least else ratio <= target
    return f"{f'**{number}**' if reached else number} of {'≥' if least else '≤'} {target:g}×"


def _target(contest: Contest, kind: str) -> float | None:
    return None if contest.target is None else dict(zip(KINDS, contest.target))[kind]


def leaves_of(data: Data, part: str = "contests") -> dict[tuple[str, Size], Data]:
    """Contest and size to what was measured."""
    found = data["parts"].get(part, {})
    return {(name.split()[0], Size(**leaf["shape"])): leaf for name, leaf in found.items()}


def rival(leaf: Data) -> tuple[str | None, dict[str, float]]:
    """The peer's name and the ratios to it."""
    names = [name for name in leaf["entries"] if name != "lrnn"]
    return (names[0], ratios(dict(leaf)).get(names[0], {})) if names else (None, {})


def about(data: Data) -> str:
    """Device, versions, commits."""
    runs = [run for run in data["runs"] if "started" in run]
    last = max(runs, key=lambda run: run["started"])
    days = sorted({run["started"][:10] for run in runs})
    wanted = ("torch", "triton", "fla-core", "mamba-ssm", "transformers")
    known = {name: version for run in runs for name, version in run.get("versions", {}).items()}
    versions = ", ".join(f"{name} {known[name]}" for name in wanted if name in known)
    commits = ", ".join(f"`{commit}`" for commit in dict.fromkeys(run.get("commit") for run in runs) if commit)
    return (
        f"{last['device']} ({last.get('multiprocessors', '?')} multiprocessors, {last['memory'] / GIB:.0f} GiB), "
        f"CUDA {last.get('cuda')}, Python {last['python']}, {versions}; {' and '.join(days)}, commit {commits}; "
        f"processes: {len(runs)}."
    )


def summary(data: Data) -> str:
    """For each contest the worst ratio of all sizes."""
    leaves = leaves_of(data)
    rows = []
    for op, contest in CONTESTS.items():
        found = [rival(leaf)[1] for (name, _), leaf in leaves.items() if name == op]
        if contest.target is None or not found:
            continue
        cells = [contest.title]
        for kind in KINDS:
            least = kind != "memory"
            values = [ratio[kind] for ratio in found if kind in ratio]
            worst = (min if least else max)(values) if len(values) == len(found) else None
            cells.append(shown(worst, _target(contest, kind), least))
        rows.append((*cells, f"{len(found)}"))
    return rows_of(("recurrence", "forward", "forward + backward", "peak memory", "sizes"), rows) if rows else NOTHING


def contests(data: Data) -> str:
    """Times, memory and errors, one table for each size."""
    leaves = leaves_of(data)
    sizes = list(dict.fromkeys(size for op in CONTESTS for name, size in leaves if name == op))
    tables = []
    for size in sizes:
        rows = [_contest_row(contest, leaves[op, size]) for op, contest in CONTESTS.items() if (op, size) in leaves]
        heads = ("recurrence", "forward, ms", "÷ ours", "forward + backward, ms", "÷ ours")
        tables.append(f"**{size}**\n\n" + rows_of((*heads, "GiB", "ours ÷", "y off", "gradients off"), rows))
    return "\n\n".join(tables) or NOTHING


def _contest_row(contest: Contest, leaf: Data) -> tuple[str, ...]:
    """Ours / the peer's in every cell."""
    name, ratio = rival(leaf)
    mine, other = leaf["entries"].get("lrnn", {}), leaf["entries"].get(name or "", {})

    def pair(cell: Callable[[Data], str]) -> str:
        cells = [cell(entry) if entry else "—" for entry in (mine, other)]
        return " / ".join(cells if contest.arguments is not None else cells[1:])

    def ms(kind: str) -> Callable[[Data], str]:
        return lambda entry: f"{entry['milliseconds'][kind]['median']:.3f}" if "milliseconds" in entry else "wrong"

    cells = [contest.title + (f" and {name}" if contest.arguments is not None and name else "")]
    for kind in KINDS[:2]:
        cells += [pair(ms(kind)), shown(ratio.get(kind), _target(contest, kind))]
    cells.append(pair(lambda entry: f"{entry['bytes'] / GIB:.2f}" if entry.get("bytes") else "—"))
    cells.append(shown(ratio.get("memory"), _target(contest, "memory"), least=False))
    y = pair(lambda entry: error_cells(entry.get("errors", {}))[0])
    return (*cells, y, pair(lambda entry: error_cells(entry.get("errors", {}))[1]))


def state(data: Data) -> str:
    """Error of the state over T, K by K."""
    leaves = list(data["parts"].get("state", {}).values())
    tables = []
    for K in dict.fromkeys(leaf["shape"]["K"] for leaf in leaves):
        chosen = sorted((leaf for leaf in leaves if leaf["shape"]["K"] == K), key=lambda leaf: leaf["shape"]["T"])
        who = list(dict.fromkeys(name for leaf in chosen for name in leaf["entries"]))
        heads = (f"K = {K}, T =", *(f"{leaf['shape']['T']:,}" for leaf in chosen), "‖S‖ at the end")
        rows = []
        for name in who:
            entries = [leaf["entries"].get(name, {}) for leaf in chosen]
            length = entries[-1].get("length")
            cells = [f"{entry['error']:.1e}" if entry.get("error") is not None else "—" for entry in entries]
            rows.append((name, *cells, "—" if length is None else f"{length:.4f}"))
        tables.append(rows_of(heads, rows))
    return "\n\n".join(tables) or NOTHING


def dtypes(data: Data) -> str:
    """Our errors in every dtype."""
    rows = []
    for name, leaf in data["parts"].get("dtypes", {}).items():
        cells = error_cells(leaf["entries"].get("lrnn", {}).get("errors", {}))
        rows.append((CONTESTS[name.split()[0]].title, leaf["dtype"], *cells))
    return rows_of(("recurrence", "dtype", "y off", "worst gradient off"), rows) if rows else NOTHING


def ceilings(data: Data) -> str:
    """Ceilings."""
    found = data["parts"].get("ceilings", {})
    lines = []
    if "copy" in found:
        lines.append(f"Copy within the memory: {found['copy']['bytes_per_second'] / 1e12:.2f} TB/s, read and written.")
    if "matmul" in found:
        speed = found["matmul"]["flops_per_second"] / 1e12
        lines.append(f"Product of two random bfloat16 matrices of 8192 × 8192: {speed:.0f} TFLOP/s.")
    return " ".join(lines) or NOTHING


def decode(data: Data) -> str:
    """Milliseconds of a step and the share of the copy's bytes per second."""
    rows = []
    for name, leaf in data["parts"].get("decode", {}).items():
        if "absent" in leaf:
            rows.append((name, leaf["absent"], *[""] * 5))
            continue
        share = math.floor(round(1000 * leaf["share_of_copy"], 6)) / 10
        cells = (f"{leaf['milliseconds']['median']:.4f}", f"{leaf['bytes'] / 1e9:.3f}")
        reached = f"**{share:.1f} %**" if leaf["share_of_copy"] >= 0.7 else f"{share:.1f} %"
        busy = f"{leaf['kernels']}, {leaf['milliseconds busy']:.3f}" if leaf.get("kernels") else ""
        rows.append((name, *cells, f"{leaf['bytes_per_second'] / 1e9:,.0f}", reached, f"{leaf['error']:.1e}", busy))
    heads = ("one token", "ms", "GB", "GB/s", "of the copy", "off", "kernels, ms busy")
    return rows_of(heads, rows) if rows else NOTHING


def training(data: Data) -> str:
    """Tokens per second of the model, and the ratio to the peer's layers where those are fastest."""
    found = data["parts"].get("training", {})
    peers = [x["tokens_per_second"] for name, x in found.items() if name.startswith("fla") and "tokens_per_second" in x]
    rows = []
    for name, leaf in found.items():
        if "absent" in leaf:
            rows.append((name, leaf["absent"], *[""] * 5))
            continue
        ratio = leaf["tokens_per_second"] / max(peers) if peers else None
        compared = shown(ratio, 1.5) if name.startswith("lrnn") else ""
        cells = (f"{leaf['parameters'] / 1e6:.0f} M", f"{leaf['batch']} × {leaf['length']:,}")
        numbers = (f"{leaf['milliseconds']['median']:.0f}", f"{leaf['tokens_per_second']:,.0f}")
        rows.append((name, *cells, *numbers, compared, f"{leaf['bytes'] / GIB:.0f}" if leaf.get("bytes") else "—"))
    heads = ("layers", "parameters", "batch × T", "ms a step", "tokens per second", "÷ the peer's best", "GiB")
    return rows_of(heads, rows) if rows else NOTHING


def first_calls(data: Data) -> str:
    """The longest first call of each recurrence."""
    leaves = leaves_of(data) | leaves_of(data, "lengths")
    rows = []
    for op, contest in CONTESTS.items():
        mine = [leaf for (name, _), leaf in leaves.items() if name == op and "lrnn" in leaf["entries"]]
        if mine:
            seconds = {
                who: max(leaf["entries"][who]["first_call"] for leaf in mine if who in leaf["entries"])
                for who in dict.fromkeys(who for leaf in mine for who in leaf["entries"])
            }
            rows.append((contest.title, " / ".join(f"{who} {x:.1f}" for who, x in seconds.items())))
    compiled = sorted({run["kernels compiled before"] for run in data["runs"] if "kernels compiled before" in run})
    cache = f"Kernels in Triton's cache when the processes began: {', '.join(map(str, compiled))}."
    return rows_of(("recurrence", "seconds, forward and backward"), rows) + f"\n\n{cache}" if rows else NOTHING


def fuzz(data: Data) -> str:
    """How many random cases, and how many failed."""
    found = data["parts"].get("fuzz", {}).get("fuzz")
    if found is None:
        return NOTHING
    failed = [failure for failure in found["failures"] if failure["case"]]
    others = ["; ".join(failure["faults"]) for failure in found["failures"] if not failure["case"]]
    left = f", {found['left_out']:,} left out for lack of time" if found.get("left_out") else ""
    said = f"{found['cases']:,} random cases against the reference in float64: {len(failed)} failed{left}."
    return " ".join([said, *(f"Besides, {other}." for other in others)])


SECTIONS: dict[str, Callable[[Data], str]] = {
    "device": about,
    "summary": summary,
    "contests": contests,
    "state": state,
    "dtypes": dtypes,
    "ceilings": ceilings,
    "decode": decode,
    "training": training,
    "first calls": first_calls,
    "fuzz": fuzz,
}
"""Name of a mark on the page to what stands there."""
