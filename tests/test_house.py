"""The habits of the house that a machine can check: lengths of files, names of rooms, words that do not belong here."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def tracked() -> list[Path]:
    """The files of the repository, or of the source archive when there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]
    skip = {".venv", "runs", "site", "dist", "build", "__pycache__", ".pytest_cache", ".ruff_cache"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not skip & set(path.relative_to(ROOT).parts)]


FILES = tracked()
PYTHON = [path for path in FILES if path.suffix == ".py"]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_about_one_noun(path):
    text = path.read_text()
    limit = 600 if ("triton.jit" in text or "gluon.jit" in text) and "lrnn" in path.parts else 300
    lines = text.count("\n")
    assert lines <= limit, f"{path.relative_to(ROOT)} has {lines} lines, more than {limit}: it is probably two nouns"


def test_no_room_is_a_drawer():
    """`utils` and its kin say nothing about what is inside."""
    drawers = {"utils", "util", "common", "core", "helpers", "helper", "misc", "registry", "base_classes"}
    found = [
        path.relative_to(ROOT)
        for path in PYTHON
        for part in path.relative_to(ROOT).with_suffix("").parts
        if part in drawers
    ]
    assert not found


# Written in two halves so that this file does not contain what it looks for.
FORBIDDEN = [
    "/wor" + "k/",
    "/roo" + "t/",
    "/opt/whe" + "els",
    "/opt/py" + "pi",
    "pypi" + ".org",
    "pythonhos" + "ted",
    "npmjs" + ".",
    "debian" + ".org",
    "download.py" + "torch",
]


def test_nothing_names_a_machine_of_ours_or_a_registry():
    found = []
    for path in FILES:
        try:
            text = path.read_text()
        except UnicodeDecodeError:  # a picture
            continue
        found += [f"{path.relative_to(ROOT)}: {word}" for word in FORBIDDEN if word in text]
    assert not found


def test_no_stub_is_left():
    """A `NotImplementedError` without a reason, or a note to do it later, is work that was not done."""
    found = []
    for path in PYTHON:
        if path.name == "test_house.py":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            bare = re.search(r"raise NotImplementedError(?!\(f?\")", line)
            if bare or "TO" + "DO" in line or "FIX" + "ME" in line:
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found


def test_every_room_has_a_page_and_tests():
    for room in sorted(path.parent.name for path in (ROOT / "lrnn").glob("*/__init__.py")):
        assert (ROOT / "docs" / f"{room}.md").is_file(), f"docs/{room}.md is missing"
        assert list((ROOT / "tests" / room).glob("test_*.py")), f"tests/{room} has no test"
