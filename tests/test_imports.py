"""Data flows in one direction: each room imports only from the rooms below it, and importing lrnn stays light."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lrnn"
FILES = sorted(PACKAGE.rglob("*.py"))

NETWORK = ["types", "transition", "backends", "recurrence", "layers", "models"]
BELOW = {room: set(NETWORK[:position]) for position, room in enumerate(NETWORK)}
BELOW["automata"] = {"types"}
BELOW["explain"] = {"types", "automata"}
BELOW["tasks"] = {"types", "automata"}
BELOW["train"] = {*NETWORK, "automata", "tasks"}
BELOW["compiler"] = {*BELOW["train"], "train", "explain"}
BELOW["analysis"] = {*BELOW["compiler"], "compiler"}
BELOW["cli"] = {*BELOW["analysis"], "analysis"}
BELOW["__main__"] = {"cli"}


def room_of(module: str) -> str:
    """`lrnn.layers.mamba` -> `layers`; the package itself is `` and so are names it re-exports."""
    name = module.split(".")[1] if "." in module else ""
    return name if name in BELOW else ""


def imported(source: str, package: tuple[str, ...]) -> set[str]:
    """Every module and name that a file of `package` imports, at the top or anywhere inside."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def imported_by(path: Path) -> set[str]:
    return imported(path.read_text(), path.relative_to(ROOT).parts[:-1])


def is_kernel(path: Path) -> bool:
    return any(sign in path.read_text() for sign in ("@triton.jit", "@gluon.jit"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_from_the_rooms_below_it(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts == ("__init__",):
        pytest.skip("the front door: what it opens is tested below")
    room = parts[0]
    assert room in BELOW or len(parts) == 1, (
        f"lrnn/{room} is no room of the house; see the order in tests/test_imports.py"
    )
    ours = {module for module in imported_by(path) if module == "lrnn" or module.startswith("lrnn.")}
    wrong = {module for module in ours if room_of(module) not in {"", room} | BELOW.get(room, set())}
    assert not wrong, f"{path.relative_to(ROOT)} may not import {sorted(wrong)}"
    # `from lrnn import Householder` inside a room goes around the order, because lrnn/__init__.py imports many rooms
    front = {module for module in ours if room_of(module) == "" and room != "cli"} - {"lrnn"}
    assert not front or room == "__main__", f"{path.relative_to(ROOT)} imports {sorted(front)} through the front door"


@pytest.mark.parametrize("path", [path for path in FILES if is_kernel(path)], ids=lambda path: path.name)
def test_kernel_files_import_nothing_of_ours_but_kernels(path):
    assert path.stem.endswith("_kernels"), "the name says what a file is, since so much hangs on it"
    ours = {module for module in imported_by(path) if module.split(".")[0] == "lrnn"}
    assert all(re.fullmatch(r"lrnn\.backends\.triton\.\w+_kernels(\.\w+)?", module) for module in ours), ours


def test_imports_are_seen_at_every_depth_and_in_every_form():
    source = "import lrnn.train\ndef f():\n    from ..models import load\n    from . import mamba\n"
    assert imported(source, ("lrnn", "layers")) == {
        "lrnn.train",
        "lrnn.models",
        "lrnn.models.load",
        "lrnn.layers",
        "lrnn.layers.mamba",
    }
    assert room_of("lrnn.layers.mamba") == "layers"
    assert room_of("lrnn.Householder") == ""


LIGHT = """
import json, sys, time
import torch
ABSENT = {"triton", "automata", "matplotlib", "tyro", "rich", "transformers", "xlstm", "einops", "beartype",
          "tensorboard", "wandb", "mkdocs", "pytest"}
before = set(sys.modules)
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ImportError(f"lrnn imports {name} at import time")
sys.meta_path.insert(0, Refuse())
start = time.perf_counter()
import lrnn
seconds = time.perf_counter() - start
new = sorted({name.split(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"seconds": round(seconds, 3), "new": new}))
"""


def test_import_lrnn_is_light(record_property):
    """No optional or slow library comes in with `import lrnn`; the time is reported, not asserted."""
    child = subprocess.run([sys.executable, "-c", LIGHT], cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    report = json.loads(child.stdout)
    record_property("seconds_beyond_torch", report["seconds"])
    print(f"import lrnn after import torch: {report['seconds']} s; new top-level modules {report['new']}")
    third_party = {name for name in report["new"] if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party <= {"lrnn", "jaxtyping", "wadler_lindig", "numpy", "safetensors", "torch"}, third_party


def test_every_public_name_is_real():
    import lrnn

    public = getattr(lrnn, "__all__", [])
    assert public, "lrnn/__init__.py says what is public"
    missing = [name for name in public if not hasattr(lrnn, name)]
    assert not missing
