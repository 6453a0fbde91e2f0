"""A drawing of an automaton: a description in graphviz's language, and its picture.

Shapes: Q states · A letters of the alphabet.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64


def dot_text(alphabet: Sequence[str], delta: Int64[np.ndarray, "Q A"], start: int, accepting: Collection[int]) -> str:
    """Accepting states have a double ring, an arrow from nowhere marks the start, and letters that lead from the same
    state to the same state share an arrow."""
    lines = ["digraph {", "  rankdir=LR;", "  node [shape=circle];", '  start [shape=point, label=""];']
    lines += [f"  {state} [shape=doublecircle];" for state in sorted(accepting)]
    lines.append(f"  start -> {start};")
    for state, row in enumerate(delta.tolist()):
        for after in dict.fromkeys(row):
            label = ", ".join(letter for letter, there in zip(alphabet, row) if there == after)
            lines.append(f"  {state} -> {after} [label={_quoted(label)}];")
    return "\n".join([*lines, "}"]) + "\n"


def draw_svg(description: str, path: Path) -> None:
    """The picture that graphviz's ``dot`` makes of it. Raises RuntimeError if there is no ``dot``, or if it fails."""
    program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            "to_svg draws with graphviz's program 'dot', which is not on the PATH; install graphviz, or take to_dot(), "
            "which works without"
        )
    done = subprocess.run([program, "-Tsvg"], input=description.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")
    path.write_bytes(done.stdout)


def _quoted(text: str) -> str:
    """In quotes, so that graphviz shows just this; control characters as Python writes them."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
