"""A regular expression: the tree that a pattern is read into."""

from __future__ import annotations

from dataclasses import dataclass, field

SYNTAX = (
    "letters, | or, * + ? {m} {m,} {m,n} repetition, ( ) grouping, . any letter, [abc] [a-c] [^ab] sets, "
    r"ε or () the empty word, ∅ the empty language, \ before a special letter to mean itself"
)


@dataclass(frozen=True)
class Letters:
    """One letter out of a set; if negated, out of the rest of the alphabet."""

    letters: frozenset[str]
    negated: bool = False
    at: int = field(default=0, compare=False)
    """Where it stands in the pattern."""


@dataclass(frozen=True)
class Concat:
    """All parts, one after the other; no parts is the empty word."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Union:
    """Any of the parts; no parts is the empty language."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """The inner part at least ``least`` and at most ``most`` times (None: any number)."""

    inner: Node
    least: int
    most: int | None


Node = Letters | Concat | Union | Repeat


class Reader:
    """A recursive-descent reader that says where and why an expression is not one."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def fail(self, reason: str, at: int) -> ValueError:
        """The error, with a caret under the position, which counts from 0."""
        return ValueError(
            f"regular expression, position {at}: {reason}\n  {self.pattern}\n  {' ' * at}^\nlegal: {SYNTAX}"
        )

    def read(self) -> Node:
        """The tree of the whole pattern."""
        node = self.union()
        if self.at < len(self.pattern):
            raise self.fail("this ')' closes nothing", self.at)
        return node

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def union(self) -> Node:
        parts = [self.concat()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.concat())
        return parts[0] if len(parts) == 1 else Union(tuple(parts))

    def concat(self) -> Node:
        parts = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated())
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def repeated(self) -> Node:
        node = self.atom()
        while (sign := self.peek()) and sign in "*+?{":
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(sign) or self.bounds()
            self.at += 1
            if isinstance(node, Repeat) and max(least, node.least) <= 1 and {most, node.most} <= {1, None}:
                # (x?)+ is x*, and so on: said here so that a pile of signs stays shallow
                node, least, most = node.inner, least * node.least, 1 if most == node.most == 1 else None
            node = Repeat(node, least, most)
        return node

    def bounds(self) -> tuple[int, int | None]:
        """``{m}``, ``{m,}`` or ``{m,n}``; leaves the reader on the closing brace."""
        start = self.at
        end = self.pattern.find("}", start)
        inside = self.pattern[start + 1 : end] if end >= 0 else ""
        low, comma, high = (part.strip() for part in inside.partition(","))
        if end < 0 or not low.isdecimal() or (high and not high.isdecimal()):
            raise self.fail(r"'{' begins a repetition {m}, {m,} or {m,n}; write \{ for the letter", start)
        least, most = int(low), int(high) if high else (None if comma else int(low))
        if most is not None and most < least:
            raise self.fail(f"the repetition {{{inside}}} has its bounds the wrong way round", start)
        self.at = end
        return least, most

    def atom(self) -> Node:
        start, letter = self.at, self.peek()
        self.at += 1
        match letter:
            case "(":
                node = self.union()
                if self.peek() != ")":
                    raise self.fail("this '(' is never closed", start)
                self.at += 1
                return node
            case "[":
                return self.letter_set(start)
            case "*" | "+" | "?" | "{":
                raise self.fail(f"there is nothing before {letter!r} to repeat", start)
            case "]" | "}":
                raise self.fail(f"this {letter!r} closes nothing; write \\{letter} for the letter", start)
            case ".":
                return Letters(frozenset(), negated=True, at=start)
            case "ε":
                return Concat(())
            case "∅":
                return Union(())
            case "\\":
                return Letters(frozenset(self.escaped(start)), at=start)
        return Letters(frozenset(letter), at=start)

    def escaped(self, start: int) -> str:
        letter = self.peek()
        if not letter:
            raise self.fail("nothing follows the '\\'", start)
        if letter.isalnum() and letter != "ε":
            raise self.fail(f"'\\{letter}' has no meaning here; \\ goes before a special letter", start)
        self.at += 1
        return letter

    def letter_set(self, start: int) -> Node:
        negated = self.peek() == "^"
        self.at += negated
        letters: set[str] = set()
        while self.peek() != "]":
            first, at = self.set_letter(start), self.at
            if self.peek() == "-" and self.pattern[at + 1 : at + 2] not in ("]", ""):
                self.at += 1
                last = self.set_letter(start)
                if last < first:
                    raise self.fail(f"the range {first}-{last} is the wrong way round", at - 1)
                letters |= {chr(code) for code in range(ord(first), ord(last) + 1)}
            else:
                letters.add(first)
        self.at += 1
        if not letters and not negated:
            raise self.fail("this set of letters is empty; write ∅ for the empty language", start)
        return Letters(frozenset(letters), negated, start)

    def set_letter(self, start: int) -> str:
        letter, at = self.peek(), self.at
        if not letter:
            raise self.fail("this '[' is never closed", start)
        self.at += 1
        return self.escaped(at) if letter == "\\" else letter


def read_regex(pattern: str) -> Node:
    """The tree of a pattern. Raises ValueError with the position, which counts from 0, and the reason."""
    return Reader(pattern).read()
