"""Flags are made from dataclasses, and a mistake is answered with what is legal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from lrnn.cli.flags import Part, Usage, given, helps, parse, require_choice, value_of


@dataclass(frozen=True, kw_only=True)
class Kettle:
    """How water is heated.

    Arguments:
        lid: closed or open,
            said over two lines.
    """

    liters: float = 1.5
    """Volume in liters."""
    mode: Literal["slow", "fast"] = "slow"
    """How fast."""
    range: tuple[int, int] = (0, 1)
    """Both ends."""
    stages: tuple[int, ...] = ()
    """Any number of them."""
    lid: bool = True
    num_householders: int = 1
    table: dict[str, int] | None = None
    """No flag: it cannot be typed."""


@dataclass(frozen=True, kw_only=True)
class Cup:
    """Where the water goes."""

    file: Path
    """Required."""


def kettle(*argv: str, **changes) -> dict:
    return parse([Part(title="kettle", kind=Kettle, **changes)], argv, "boil", "Boil water.")["kettle"]


def test_defaults_are_those_of_the_dataclass():
    values = kettle()
    assert Kettle(**values) == Kettle()
    assert "table" not in values


def test_other_defaults_and_fields_left_out():
    assert kettle(defaults={"liters": 2.0}, without=("lid",))["liters"] == 2.0
    with pytest.raises(Usage, match="--lid is no flag of boil"):
        kettle("--lid", without=("lid",))


@pytest.mark.parametrize(
    "argv",
    [
        ["--range", "-1,1", "--stages", "4,6,8"],
        ["--range=-1,1", "--stages=4,6,8"],
        ["--range", "-1", "1", "--stages", "4", "6", "8"],
        ["--range", "(-1,1)", "--stages", "[4, 6, 8]"],
    ],
)
def test_several_values_with_commas_or_spaces(argv):
    values = kettle(*argv)
    assert values["range"] == (-1, 1)
    assert values["stages"] == (4, 6, 8)


def test_short_spelling_and_underscores():
    assert kettle("--n-h", "3")["num_householders"] == 3
    assert kettle("--num_householders", "3")["num_householders"] == 3
    assert kettle("--no-lid")["lid"] is False


def test_an_unknown_flag_gets_the_nearest_one():
    with pytest.raises(Usage, match=r"--litres is no flag of boil; did you mean --liters\?"):
        kettle("--litres", "2")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--mode", "medium"], ["--mode", "slow", "fast"]),
        (["--liters", "x"], ["--liters"]),
        (["--range", "1"], ["--range"]),
    ],
)
def test_a_value_that_does_not_fit(argv, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        kettle(*argv)
    assert stopped.value.code == 2
    printed = "".join(capsys.readouterr())
    assert all(word in printed for word in said)


def test_help_names_every_flag_with_its_text(capsys):
    with pytest.raises(SystemExit) as stopped:
        kettle("--help")
    assert stopped.value.code == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in ("Boil water.", "Volume in liters. (default: 1.5)", "--mode {slow,fast}", "said over two lines"):
        assert words in printed
    assert "--table" not in printed


def test_a_required_flag_is_asked_for(capsys):
    with pytest.raises(SystemExit) as stopped:
        parse([Part(title="cup", kind=Cup)], [], "boil", "")
    assert stopped.value.code == 2
    assert "--file" in "".join(capsys.readouterr())
    assert parse([Part(title="cup", kind=Cup)], ["--file", "a.tsv"], "boil", "")["cup"] == {"file": Path("a.tsv")}


def test_helps_come_from_below_the_field_and_from_the_docstring():
    assert helps(Kettle)["liters"] == "Volume in liters."
    assert helps(Kettle)["lid"] == "closed or open, said over two lines."


def test_what_was_typed():
    assert given(["--a", "-1,1", "--b_c=3", "x", "-h", "-.5", "--", "--d"]) == ["--a", "--b-c", "-h"]
    assert value_of(["--a", "1", "--b=2"], "--b") == "2"
    assert value_of(["--a", "1"], "--b") is None
    with pytest.raises(Usage, match="--a needs a value"):
        value_of(["--a"], "--a")


def test_a_name_that_does_not_exist():
    assert require_choice("--mixer", "gla", ["gla", "lru"]) == "gla"
    with pytest.raises(Usage, match=r"--mixer glaa: no such name; did you mean gla\?; legal are gla, lru"):
        require_choice("--mixer", "glaa", ["gla", "lru"])
