"""Flags are made from dataclasses: one flag per field, its help the text that stands below the field."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

T = TypeVar("T")

POSITIONAL = "positional"
"""``Annotated[Path, POSITIONAL]``: the value stands without a flag."""

ALIASES = {"num_householders": ("--n-h",), "output": ("-o",)}
"""Field to the other spellings of its flag."""


class Usage(ValueError):
    """What was typed cannot be meant; the message names the flag and what is legal."""


@dataclass(frozen=True)
class Part:
    """The fields of one dataclass as flags.

    Arguments:
        title: the heading over its flags in the help text, and the key of its values in what :func:`parse` returns.
        kind: the dataclass.
        without: fields that are no flags, because something else decides them.
        defaults: values that replace the defaults of the dataclass.
    """

    title: str
    kind: type
    without: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Field name to (type, default or MISSING), for every field that can be a flag."""
        hints = typing.get_type_hints(self.kind, include_extras=True)
        found = {}
        for entry in dataclasses.fields(self.kind):
            if not entry.init or entry.name in self.without or not _is_simple(hints[entry.name]):
                continue
            default = entry.default
            if entry.default_factory is not MISSING:
                default = entry.default_factory()
            found[entry.name] = (hints[entry.name], self.defaults.get(entry.name, default))
        return found

    def flags(self) -> dict[str, str]:
        """Flag, in each of its spellings, to the field behind it."""
        found = {}
        for name, (kind, _) in self.fields().items():
            if _is_positional(kind):
                continue
            for flag in (spelled(name), *ALIASES.get(name, ())):
                found[flag] = name
            if kind is bool:
                found[spelled("no_" + name)] = name
        return found


def spelled(name: str) -> str:
    """The flag of a field: ``max_length`` is ``--max-length``."""
    return "--" + name.replace("_", "-")


def parse(parts: Sequence[Part], argv: Sequence[str], prog: str, description: str) -> dict[str, dict[str, Any]]:
    """The values of all fields, by the titles of their parts.

    Raises Usage for a flag that no part has; SystemExit, after a message, for a value that does not fit (code 2) and
    for ``--help`` (code 0).
    """
    import tyro

    legal = {flag for part in parts for flag in part.flags()}
    argv = _split_commas(argv, parts)
    for flag in given(argv):
        if flag not in legal and flag not in ("--help", "-h"):
            raise Usage(f"{flag} is no flag of {prog}{suggestion(flag, legal)}")
    groups = [(part.title, _as_dataclass(part)) for part in parts]
    whole = dataclasses.make_dataclass(
        "Flags",
        [(title, group, field(default_factory=group) if _optional(group) else field()) for title, group in groups],
        kw_only=True,
    )
    whole.__doc__ = description
    values = tyro.cli(whole, args=list(argv), prog=prog, description=description, config=(tyro.conf.OmitArgPrefixes,))
    return {title: dict(vars(getattr(values, title))) for title, _ in groups}


def typed(kind: type[T], argv: Sequence[str], verb: Callable[..., None]) -> T:
    """The flags of a verb that has one dataclass of them."""
    values = parse([Part(title=verb.__name__, kind=kind)], argv, f"lrnn {verb.__name__}", verb.__doc__ or "")
    return kind(**values[verb.__name__])


def given(argv: Iterable[str]) -> list[str]:
    """The flags in what was typed, without their values; a negative number is a value."""
    flags = []
    for word in argv:
        if word == "--":
            break
        if word.startswith("-") and len(word) > 1 and not (word[1].isdigit() or word[1] == "."):
            flags.append(word.split("=")[0].replace("_", "-"))
    return flags


def value_of(argv: Sequence[str], flag: str) -> str | None:
    """What was typed behind a flag, before anything is parsed."""
    for number, word in enumerate(argv):
        if word == flag:
            if number + 1 == len(argv):
                raise Usage(f"{flag} needs a value")
            return argv[number + 1]
        if word.startswith(flag + "="):
            return word.partition("=")[2]
    return None


def require_choice(flag: str, value: str, legal: Iterable[str]) -> str:
    """The value, or Usage with the legal ones."""
    legal = list(legal)
    if value in legal:
        return value
    raise Usage(f"{flag} {value}: no such name{suggestion(value, legal)}; legal are {', '.join(legal)}")


def suggestion(word: str, legal: Iterable[str]) -> str:
    """``; did you mean X?`` if something legal is close."""
    close = difflib.get_close_matches(word, list(legal), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def helps(kind: type) -> dict[str, str]:
    """Field to its text: the string below it in the source, or its entry under ``Arguments:`` in the docstring."""
    import docstring_parser

    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        for entry in docstring_parser.parse(base.__dict__.get("__doc__") or "").params:
            names = entry.arg_name.replace(",", " ").split()
            found |= dict.fromkeys(names, " ".join((entry.description or "").split()))
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for node, below in itertools.pairwise(body):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(below, ast.Expr):
                if isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
                    found[node.target.id] = " ".join(below.value.value.split())
    return found


def plain(docstring: str, lines: bool = False) -> str:
    """A docstring without markup, as one line unless ``lines`` are wanted."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"\1", docstring).replace("`", "").strip()
    return text if lines else " ".join(text.split())


def _as_dataclass(part: Part) -> type:
    """A dataclass with exactly the flags of a part, in tyro's words."""
    import tyro

    texts = helps(part.kind)
    made = []
    for name, (kind, default) in part.fields().items():
        text = plain(texts.get(name, ""))
        extra: list[Any] = [tyro.conf.arg(help=text, aliases=ALIASES.get(name))]
        if _is_positional(kind):
            extra = [tyro.conf.arg(help=text, metavar=name.upper()), tyro.conf.Positional]
        made.append((name, Annotated[(kind, *extra)], field() if default is MISSING else field(default=default)))
    group = dataclasses.make_dataclass(part.title, made, kw_only=True)
    group.__doc__ = plain((part.kind.__doc__ or "").strip().partition("\n\n")[0])
    return group


def _optional(group: type) -> bool:
    return all(entry.default is not MISSING for entry in dataclasses.fields(group))


def _split_commas(argv: Sequence[str], parts: Sequence[Part]) -> list[str]:
    """``--eigenvalues -1,1`` as ``--eigenvalues -1 1``, for every flag that takes several values."""
    several = {flag for part in parts for flag, name in part.flags().items() if _is_tuple(part.fields()[name][0])}
    split: list[str] = []
    inside = False
    for word in argv:
        flag, equals, value = word.partition("=")
        if given([word]):
            inside = flag in several
            split += [flag, *_values(value)] if inside and equals else [word]
        else:
            split += _values(word) if inside else [word]
    return split


def _values(word: str) -> list[str]:
    return [value for value in word.strip("()[]").replace(",", " ").split() if value]


def _is_tuple(kind: Any) -> bool:
    return any(typing.get_origin(option) is tuple for option in _options(kind))


def _is_positional(kind: Any) -> bool:
    return typing.get_origin(kind) is Annotated and POSITIONAL in typing.get_args(kind)


def _is_simple(kind: Any) -> bool:
    """Can a value of this type be typed on a command line?"""
    for option in _options(kind):
        origin = typing.get_origin(option)
        if origin is tuple:
            if not all(inner is Ellipsis or _is_simple(inner) for inner in typing.get_args(option)):
                return False
        elif origin is not typing.Literal and option not in (bool, int, float, str, Path, type(None)):
            return False
    return True


def _options(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone; what Annotated adds is put aside."""
    if typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(inner for option in typing.get_args(kind) for inner in _options(option))
    return (kind,)
