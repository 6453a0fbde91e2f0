"""Drawings: the description, and what is said if graphviz is not there."""

import os
import shutil
import stat

import pytest

from lrnn.automata import DFA

EVEN = DFA(alphabet=("a", "b", "c"), delta=[[1, 0, 0], [0, 1, 1]], start=1, accepting={0})


def test_the_description():
    assert EVEN.to_dot() == (
        "digraph {\n"
        "  rankdir=LR;\n"
        "  node [shape=circle];\n"
        '  start [shape=point, label=""];\n'
        "  0 [shape=doublecircle];\n"
        "  start -> 1;\n"
        '  0 -> 1 [label="a"];\n'
        '  0 -> 0 [label="b, c"];\n'
        '  1 -> 0 [label="a"];\n'
        '  1 -> 1 [label="b, c"];\n'
        "}\n"
    )


def test_letters_that_mean_something_to_graphviz():
    dfa = DFA(alphabet=('"', "\\n", "\n"), delta=[[0, 0, 0]], start=0, accepting=())
    assert r'label="\", \\n, \\n"' in dfa.to_dot()


def test_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        RuntimeError, match=r"program 'dot', which is not on the PATH; install graphviz, or take to_dot"
    ):
        EVEN.to_svg(tmp_path / "m.svg")
    assert not (tmp_path / "m.svg").exists()


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for dot")
def test_what_dot_says_is_the_picture(tmp_path, monkeypatch):
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\necho "$@"\ncat\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    EVEN.to_svg(tmp_path / "m.svg")
    assert (tmp_path / "m.svg").read_text() == "-Tsvg\n" + EVEN.to_dot()
    program.write_text("#!/bin/sh\ncat > /dev/null\necho no such font >&2\nexit 3\n")
    with pytest.raises(RuntimeError, match="dot failed: no such font"):
        EVEN.to_svg(tmp_path / "m.svg")


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_the_picture_itself(tmp_path):
    EVEN.to_svg(tmp_path / "m.svg")
    drawn = (tmp_path / "m.svg").read_text()
    assert "<svg" in drawn and "b, c" in drawn
