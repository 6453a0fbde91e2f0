"""Nothing printed is unrun: code blocks, commands, help texts and the file tree of README and docs."""

import contextlib
import importlib
import io
import re
import shlex
import sys
import types
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_shape_checks  # a reader runs the examples without them

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

TINY = "--steps 2 --batch 4 --eval-batch 4 --max-length 6".split()
"""Appended to every training command of the pages: the command is run, only shorter."""


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in BLOCK.findall(page.read_text()) if found == language]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """The blocks of a page are one program, run from top to bottom."""
    from lrnn import layers

    program = types.ModuleType("page")  # in sys.modules, for dataclasses look up the annotations of their module there
    monkeypatch.setitem(sys.modules, "page", program)
    monkeypatch.chdir(tmp_path)
    known = dict(layers.MIXERS)
    try:
        for number, block in enumerate(blocks(page, "python"), 1):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block, f"{name(page)}, python block {number}", "exec"), program.__dict__)
    finally:  # the page on mixers adds one
        layers.MIXERS.clear()
        layers.MIXERS.update(known)


def commands(page: Path) -> list[tuple[str, str]]:
    """(command, printed output or nothing) of every `$ …` line in the console blocks of a page."""
    found = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command.partition("  #")[0].strip(), output.rstrip()))
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name)
def test_commands_run(page, tmp_path, monkeypatch, capsys):
    """The commands of a page, from top to bottom, in one folder with a file of words; what is printed is compared."""
    from lrnn.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    pairs = [("ab" * n + "a" * odd, ("even", "odd")[odd]) for n in range(1, 20) for odd in (0, 1)]
    Path("words.tsv").write_text("".join(f"{word}\t{label}\n" for word, label in pairs))
    for command, output in commands(page):
        program, *arguments = shlex.split(command)
        if program == "make":
            targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(arguments) <= set(targets), command
            continue
        assert program == "lrnn", f"a command that no test knows how to run: {command}"
        if arguments[0] == "train" and not {"--help", "--resume"} & set(arguments):
            arguments += TINY if "--init-from" in arguments else [*TINY, "--dim", "8"]
        elif arguments[0] in ("compile", "verify") and "--quick" not in arguments:
            arguments += ["--quick"]
        elif arguments[0] == "run" and "--help" not in arguments:
            arguments += ["--steps", "1", "--seeds", "0", "--processes", "1"]
        elif arguments[0] == "bench":
            arguments += ["--help"]  # minutes of work on a quiet machine
        assert main(arguments) == 0, f"{command}: {capsys.readouterr().err}"
        printed = capsys.readouterr().out
        if output:
            assert [line.rstrip() for line in printed.strip().splitlines()] == output.splitlines()


def test_the_file_tree_of_the_readme_is_true():
    tree = next(block for block in blocks(ROOT / "README.md", "text") if "lrnn/" in block)
    shown = {}
    for line in tree.splitlines():
        path, _, sentence = line.partition(" ")
        shown[path.strip()] = sentence.strip()
    missing = [path for path in shown if not (ROOT / path).exists()]
    assert not missing
    assert all(shown.values()), "every line says what the folder is"
    rooms = {f"lrnn/{path.parent.name}/" for path in (ROOT / "lrnn").glob("*/__init__.py")}
    assert rooms <= set(shown), f"not in the README's tree: {sorted(rooms - set(shown))}"


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{name(page)} -> {target}")
    assert not broken


@pytest.mark.parametrize(("page", "table"), [("layers.md", "MIXERS"), ("tasks.md", "TASKS")])
def test_every_name_is_on_its_page(page, table):
    room = importlib.import_module(f"lrnn.{page.removesuffix('.md')}")
    listed = re.findall(r"`([a-z0-9_]+)`", (ROOT / "docs" / page).read_text())
    missing = set(getattr(room, table)) - set(listed)
    assert not missing


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "api").glob("*.md")), ids=name)
def test_a_function_named_like_its_file_is_on_the_page(page):
    """The page of a room shows what the room exports, but of a file and a function of one name it sees the file."""
    room = importlib.import_module(f"lrnn.{page.stem}")
    files = {path.stem for path in Path(str(room.__file__)).parent.glob("*.py")}
    hidden = {public for public in room.__all__ if public in files}
    shown = set(re.findall(r"^::: [\w.]+\.(\w+)\.\1$", page.read_text(), re.MULTILINE))
    assert hidden == shown
