"""Every task's labels, worked out again the slow and obvious way, one word at a time.

An oracle takes the letters of a word and gives, for each of them, the answer there, or None where there is no question.
Nothing here uses lrnn: no table, no automaton, no shared formula.
"""

from __future__ import annotations

import cmath
import re
from collections.abc import Callable, Sequence

Oracle = Callable[[Sequence[str]], list[str | None]]


def of_prefixes(answer: Callable[[Sequence[str]], str | None]) -> Oracle:
    """The oracle that asks ``answer`` about every prefix."""
    return lambda word: [answer(word[:t]) for t in range(1, len(word) + 1)]


parity = of_prefixes(lambda prefix: "odd" if prefix.count("1") % 2 else "even")


@of_prefixes
def even_pairs(prefix: Sequence[str]) -> str | None:
    pairs = sum("".join(pair) in ("ab", "ba") for pair in zip(prefix, prefix[1:]))
    return None if len(prefix) < 2 else ("odd" if pairs % 2 else "even")


def cycle(places: int) -> Oracle:
    return of_prefixes(lambda prefix: str(sum(map(int, prefix)) % places))


def arithmetic(modulus: int) -> Oracle:
    """Python knows precedence and brackets; what it cannot read is no expression."""

    def value(prefix: Sequence[str]) -> str | None:
        text = " ".join(prefix).removesuffix(" =")
        try:
            return str(eval(text) % modulus)
        except SyntaxError:
            return None

    return of_prefixes(value)


def flip_flop(word: Sequence[str]) -> list[str | None]:
    answers: list[str | None] = []
    memory = None
    for t, letter in enumerate(word):
        if letter == "w" and t + 1 < len(word):
            memory = word[t + 1]
        if letter == "r":
            assert memory is not None, "a word begins with a write"
            assert t + 1 == len(word) or word[t + 1] == memory, "behind a read stands what is remembered"
        answers.append(memory if letter == "r" else None)
    return answers


Map = tuple[complex, ...]


def as_map(kind: str, size: int, name: str) -> Map:
    """A group's element as what it does to each point: rotations of the plane, or permutations of numbers."""
    if kind in "ZD":
        turn = int(name.lstrip("rs"))
        points = [cmath.exp(2j * cmath.pi * (corner + 0.1) / size) for corner in range(size)]
        flipped = [point.conjugate() if name.startswith("s") else point for point in points]
        return tuple(cmath.exp(2j * cmath.pi * turn / size) * point for point in flipped)
    image = list(range(size))
    for cycle_text in re.findall(r"\(([\d ]+)\)", name):
        points_of = [int(point) - 1 for point in cycle_text.split()]
        for here, there in zip(points_of, points_of[1:] + points_of[:1]):
            image[here] = there
    return tuple(complex(point) for point in image)


def plane_letter(kind: str, size: int, name: str) -> Callable[[complex], complex]:
    """The same element as a function of one point."""
    if kind in "ZD":
        turn = cmath.exp(2j * cmath.pi * int(name.lstrip("rs")) / size)
        return lambda point: turn * (point.conjugate() if name.startswith("s") else point)
    image = as_map(kind, size, name)
    return lambda point: image[round(point.real)]


def group(factors: Sequence[tuple[str, int]], classes: Sequence[str], k: int = 1) -> Oracle:
    """The product of the letters, found by moving every point through the letters in the order they are read."""

    def parts(name: str) -> list[str]:
        return name.split(",")

    known = {name: [as_map(*factor, part) for factor, part in zip(factors, parts(name))] for name in classes}

    def product(prefix: Sequence[str]) -> str | None:
        letters = [letter for letter in prefix if letter != "_"]
        if len(prefix) % k:
            return None
        moved = []
        for place, (kind, size) in enumerate(factors):
            identity = {"Z": "0", "D": "r0"}.get(kind, "()")
            points = list(as_map(kind, size, identity))
            for letter in letters:
                step = plane_letter(kind, size, parts(letter)[place])
                points = [step(point) for point in points]
            moved.append(points)
        close = [
            name
            for name, maps in known.items()
            if all(abs(a - b) < 1e-6 for points, image in zip(moved, maps) for a, b in zip(points, image))
        ]
        assert len(close) == 1, close
        return close[0]

    return of_prefixes(product)


def verdict(accepts: Callable[[str], bool]) -> Oracle:
    return of_prefixes(lambda prefix: "accept" if accepts("".join(prefix)) else "reject")


def regex(pattern: str) -> Oracle:
    compiled = re.compile(pattern)
    return verdict(lambda word: compiled.fullmatch(word) is not None)


def no_odd_ones_before_odd_zeros(word: str) -> bool:
    seen = False
    for block in re.findall("0+|1+", word):
        seen |= block[0] == "1" and len(block) % 2 == 1
        if seen and block[0] == "0" and len(block) % 2 == 1:
            return False
    return True


TOMITA: dict[int, Callable[[str], bool]] = {
    1: lambda word: "0" not in word,
    2: lambda word: word == "10" * (len(word) // 2),
    3: no_odd_ones_before_odd_zeros,
    4: lambda word: "000" not in word,
    5: lambda word: word.count("0") % 2 == 0 and word.count("1") % 2 == 0,
    6: lambda word: (word.count("0") - word.count("1")) % 3 == 0,
    7: lambda word: len(re.findall("10", word)) <= 1,
}

CLOSERS = {"(": ")", "[": "]", "{": "}", "<": ">"}


def open_brackets(word: Sequence[str], depth: int) -> list[str] | None:
    """The brackets that are open at the end; None if the word cannot be the beginning of a balanced one."""
    stack: list[str] = []
    for letter in word:
        if letter in CLOSERS:
            stack.append(letter)
        elif not stack or CLOSERS[stack.pop()] != letter:
            return None
        if len(stack) > depth:
            return None
    return stack


def dyck(depth: int) -> Oracle:
    return verdict(lambda word: open_brackets(word, depth) == [])


def closer(depth: int) -> Oracle:
    def innermost(prefix: Sequence[str]) -> str | None:
        stack = open_brackets(prefix, depth)
        assert stack is not None, "every word is the beginning of a balanced one"
        return stack[-1] + CLOSERS[stack[-1]] if stack else "none"

    return of_prefixes(innermost)


def recall(pairs: int) -> Oracle:
    """The answer of every known key; the task asks at one coming of each."""

    def oracle(word: Sequence[str]) -> list[str | None]:
        known = dict(zip(word[: 2 * pairs : 2], word[1 : 2 * pairs : 2]))
        assert len(known) == len(set(known.values())) == pairs
        return [None] * (2 * pairs) + [known.get(letter) for letter in word[2 * pairs :]]

    return oracle


def copying(word: Sequence[str]) -> list[str | None]:
    symbols = iter([letter for letter in word if letter not in "_?"])
    answers = [next(symbols) if letter == "?" else None for letter in word]
    assert next(symbols, None) is None, "as many question marks as symbols"
    return answers


def induction(word: Sequence[str]) -> list[str | None]:
    first = list(word).index("!")
    assert word[-1] == "!" and list(word).count("!") == 2 and first < len(word) - 2
    return [None] * (len(word) - 1) + [word[first + 1]]
