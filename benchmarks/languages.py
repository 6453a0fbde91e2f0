"""The languages that the compiler is measured on: every shape that the literature asks about, and random ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lrnn.automata import DFA, Group, Machine
from lrnn.automata.group_families import named_groups
from lrnn.tasks.tomita import LANGUAGES as TOMITA


@dataclass(frozen=True)
class Entry:
    """One language of the table."""

    family: str
    name: str
    make: Callable[[], DFA | Machine | Group]
    letters: str | None = None
    """Of a group; None is a generating set."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else is asked of the compiler: a structure, a range, n_h, margin mode."""

    def language(self) -> tuple[DFA | Machine | Group, dict[str, Any]]:
        """What :func:`lrnn.compiler.compile` takes."""
        made, options = self.make(), dict(self.options)
        if isinstance(made, Group):
            options["generators"] = generating_set(made) if self.letters is None else self.letters
        return made, options


REGEXES = {
    "parity": "b*(ab*ab*)*",
    "(aa)*": "(aa)*",
    "mod 3": "(aaa)*",
    "mod 5": "(aaaaa)*",
    "mod 6, two letters": "((a|b){6})*",
    "even pairs": "((a(a|b)*a)|(b(a|b)*b)|a|b)?",
    "(ab)*": "(ab)*",
    "(a|ba)*": "(a|ba)*",
    "a*b*": "a*b*",
    "a*b*c*": "a*b*c*",
    "ends in abb": "(a|b)*abb",
    "has aba": "(a|b)*aba(a|b)*",
    "no aa": "(b|ab)*a?",
    "at least three a": "b*ab*ab*a(a|b)*",
    "exactly two b": "a*ba*ba*",
    "first is last": "a((a|b)*a)?|b((a|b)*b)?",
    "third from the end": "(a|b)*a(a|b)(a|b)",
    "(aa)*b": "(aa)*b",
    "(ab|ba)*": "(ab|ba)*",
    "(aa|bb)*": "(aa|bb)*",
    "(aa|bbb)*": "(aa|bbb)*",
    "(aab|b)*": "(aab|b)*",
    "even blocks of a": "(b|aa)*",
    "odd a behind the last b": "((a|b)*b)?a(aa)*",
    "length 2 mod 4, then c": "((a|b){4})*(a|b)(a|b)c",
    "((ab)*c)*": "((ab)*c)*",
}

GROUPS_OF_LETTERS = {
    "S3, all": ("S3", "all"),
    "D4, all": ("D4", "all"),
    "S4, all": ("S4", "all"),
    "S4, swaps": ("S4", "swaps"),
    "A5": ("A5", None),
    "A5, all": ("A5", "all"),
    "S5, swaps": ("S5", "swaps"),
    "S5, a swap and a 5-cycle": ("S5", "(1 2);(1 2 3 4 5)"),
    "S5, all": ("S5", "all"),
    "A4xZ5": ("A4xZ5", None),
    "Z60": ("Z60", None),
    "S6, neighbors": ("S6", "(1 2);(2 3);(3 4);(4 5);(5 6)"),
}


OTHERS: dict[str, tuple[dict[str, Any], dict[str, str | None]]] = {
    "margin": ({"exactness": "margin"}, dict.fromkeys("Z24 Z60 D11 S4 A5 SL(2,3) Q8".split()) | {"S5": "all"}),
    "two layers of n_h = 1": ({"num_householders": 1}, dict.fromkeys(("Z3", "Z5", "Z12"))),
    "complex diagonal": ({"structure": "complex_diagonal"}, dict.fromkeys(("Z7", "Z2xZ12", "Z60"))),
    "diagonal [-1, 1]": ({"structure": "diagonal"}, dict.fromkeys(("Z2", "Z2xZ2xZ2", "D4"))),
    "permutation-diagonal": ({"structure": "permutation_diagonal"}, dict.fromkeys(("S3", "Q8"))),
    "dense": ({"structure": "dense"}, dict.fromkeys(("S3", "A4"))),
}
"""Groups by other means than one layer of integers: what is asked for, and of which groups with which letters."""

STAR_FREE = ("(ab)*", "a*b*", "has aba", "no aa")
"""Those of the shapes above that nonnegative eigenvalues do too."""


def languages() -> tuple[Entry, ...]:
    """All of them, in the order of the table."""
    return tuple(
        itertools.chain(
            (Entry("Tomita", f"Tomita {number}", _tomita(number)) for number in TOMITA),
            (Entry("shape", name, _regex(pattern)) for name, pattern in REGEXES.items()),
            (Entry("shape", name, make) for name, make in MACHINES.items()),
            (Entry("group", name, _named(group), letters) for name, (group, letters) in GROUPS_OF_LETTERS.items()),
            (Entry("group of order <= 24", name, make) for name, make in small_groups()),
            (
                Entry("random DFA", f"{states} states, {2 + i % 2} letters, number {i}", _random(states, i))
                for states in range(3, 9)
                for i in range(5)
            ),
            (
                Entry(means, f"{means}: {name}", _named(name), letters, options)
                for means, (options, groups) in OTHERS.items()
                for name, letters in groups.items()
            ),
            (
                Entry(f"{structure} [0, 1]", f"{structure} [0, 1]: {name}", _regex(REGEXES[name]), None, options)
                for structure in ("diagonal", "householder")
                for options in ({"structure": structure, "eigenvalues": (0, 1)},)
                for name in STAR_FREE
            ),
        )
    )


def generating_set(group: Group) -> list[int]:
    """Few elements that generate the group: each time the one of highest order that reaches most more."""
    chosen: list[int] = []
    while not chosen or not group.span(np.array(chosen)).all():
        reach = [(int(group.span(np.array([*chosen, g])).sum()), int(group.orders[g]), -g) for g in range(group.order)]
        chosen.append(-max(reach)[2])
    return chosen


def small_groups() -> Iterator[tuple[str, Callable[[], Group]]]:
    """All 74 groups of order at most 24, up to isomorphism."""
    products = """Z1 Z2 Z3 Z4 Z2xZ2 Z5 Z6 S3 Z7 Z8 Z2xZ4 Z2xZ2xZ2 D4 Q8 Z9 Z3xZ3 Z10 D5 Z11 Z12 Z2xZ6 D6 A4 Dic3 Z13 Z14
        D7 Z15 Z16 Z2xZ8 Z4xZ4 Z2xZ2xZ4 Z2xZ2xZ2xZ2 D8 Q16 D4xZ2 Q8xZ2 D4oZ4 Z17 Z18 Z3xZ6 D9 S3xZ3 Z19 Z20 Z2xZ10
        D10 Dic5 Z21 Z22 D11 Z23 Z24 Z2xZ12 Z2xZ2xZ6 S4 SL(2,3) Dic6 D12 Z4xS3 Z2xZ2xS3 Dic3xZ2 Z3xD4 Z3xQ8 A4xZ2"""
    for name in products.split():
        yield name, _named(name)
    for name, (modulus, action, order) in SEMIDIRECT.items():
        yield name, _semidirect(name, modulus, action, order)


SEMIDIRECT: dict[str, tuple[Sequence[int], Sequence[Sequence[int]], int]] = {
    "SD16": ((8,), [[3]], 2),
    "M16": ((8,), [[5]], 2),
    "Z4:Z4": ((4,), [[3]], 4),
    "(Z4xZ2):Z2": ((4, 2), [[1, 0], [1, 1]], 2),
    "(Z3xZ3):Z2": ((3, 3), [[2, 0], [0, 2]], 2),
    "Z5:Z4": ((5,), [[2]], 4),
    "Z7:Z3": ((7,), [[2]], 3),
    "Z3:Z8": ((3,), [[2]], 8),
    "Z3:D4": ((3, 2, 2), [[2, 0, 0], [0, 0, 1], [0, 1, 0]], 2),
}
"""Vectors modulo some numbers by the powers of a matrix: the numbers, the matrix, how many powers are told apart."""


def _semidirect(name: str, modulus: Sequence[int], action: Sequence[Sequence[int]], order: int) -> Callable[[], Group]:
    """(x, e)(y, f) = (x + Aᵉ y, e + f), acting on itself from the left."""

    def make() -> Group:
        vectors = list(itertools.product(*map(range, modulus)))
        points = [(vector, e) for vector in vectors for e in range(order)]
        number = {point: i for i, point in enumerate(points)}
        matrix = np.array(action)
        rows = []
        for axis in range(len(modulus) + 1):
            unit = np.zeros(len(modulus), dtype=int)
            turn = axis == len(modulus)
            if not turn:
                unit[axis] = 1
            moved = (matrix if turn else np.eye(len(modulus), dtype=int)) @ np.array([x for x, _ in points]).T
            sums = ((moved.T + unit) % modulus).tolist()
            rows.append([number[tuple(x), (e + turn) % order] for x, (_, e) in zip(sums, points)])
        return Group.generated(rows, name=name)

    return make


def _named(name: str) -> Callable[[], Group]:
    """A group by the name of its factors; those that Group does not know are in the families."""

    def make() -> Group:
        known = {"Q8": 4, "Q16": 8, "Dic3": 6, "Dic5": 10, "Dic6": 12, "D4oZ4": 4, "SL(2,3)": 6}
        parts = name.split("x")
        if not set(parts) & set(known):
            return Group(name)
        orders = {"Q8": 8, "Q16": 16, "Dic3": 12, "Dic5": 20, "Dic6": 24, "D4oZ4": 16, "SL(2,3)": 24}
        factors = [
            dict(named_groups(orders[part], known[part]))[part] if part in known else Group(part) for part in parts
        ]
        return side_by_side(name, factors)

    return make


def side_by_side(name: str, factors: Sequence[Group]) -> Group:
    """The direct product, which permutes the points of its factors side by side."""
    total, first, rows = sum(factor.permutations.shape[1] for factor in factors), 0, []
    for factor in factors:
        width = factor.permutations.shape[1]
        for permutation in factor.permutations:
            row = np.arange(total)
            row[first : first + width] = permutation + first
            rows.append(row)
        first += width
    return Group.generated(np.array(rows), name=name)


def _regex(pattern: str) -> Callable[[], DFA]:
    return lambda: DFA.from_regex(pattern)


def _tomita(number: int) -> Callable[[], DFA]:
    return lambda: ~DFA.from_regex(TOMITA[number], "01") if number == 3 else DFA.from_regex(TOMITA[number], "01")


def _random(states: int, number: int) -> Callable[[], DFA]:
    """A minimal DFA whose entries and verdicts were drawn uniformly; drawn again until it has as many states."""

    def make() -> DFA:
        rng = np.random.default_rng((states, number))
        letters = "abc"[: 2 + number % 2]
        while True:
            delta = rng.integers(0, states, (states, len(letters)))
            dfa = DFA.trimmed(letters, delta, 0, np.flatnonzero(rng.random(states) < 0.5).tolist()).minimal
            if dfa.num_states == states:
                return dfa

    return make


def _dyck(depth: int) -> Callable[[], DFA]:
    def step(state: int, letter: str) -> int:
        state = -1 if state < 0 else state + (1 if letter == "(" else -1)
        return state if 0 <= state <= depth else -1

    return lambda: DFA.from_step("()", step, 0, lambda state: state == 0)


def _flip_flop() -> Machine:
    """What was last written; i is idle."""
    return Machine(
        alphabet=("w0", "w1", "i"), delta=[[1, 2, 0], [1, 2, 1], [1, 2, 2]], start=0, labels=[0, 1, 2], names="?01"
    )


def _cycle() -> Machine:
    """Where one is on a cycle of five, going forward, back or staying."""
    delta = [[(q + 1) % 5, (q - 1) % 5, q] for q in range(5)]
    return Machine(alphabet=("+1", "-1", "0"), delta=delta, start=0, labels=range(5), names="01234")


def _modular_arithmetic() -> Machine:
    """The value modulo 5 of digits with +, - and * between them, read from left to right, and ? behind a sign; of two
    signs the last one counts, of two digits the last one too."""
    operations = "+-*"
    states = [(value, operation) for value in range(5) for operation in ("", *operations)]
    alphabet = [*"01234", *operations]

    def after(value: int, operation: str, letter: str) -> tuple[int, str]:
        if letter in operations:
            return value, letter
        digit = int(letter)
        results = {"": digit, "+": value + digit, "-": value - digit, "*": value * digit}
        return results[operation] % 5, ""

    delta = [[states.index(after(*state, letter)) for letter in alphabet] for state in states]
    labels = [value if not operation else 5 for value, operation in states]
    return Machine(alphabet=alphabet, delta=delta, start=0, labels=labels, names="01234?")


def _group_with_reset(name: str) -> Callable[[], Machine]:
    """The word problem of a group since the last r."""

    def make() -> Machine:
        group = Group(name)
        machine = Machine.of_group(group, generating_set(group))
        delta = np.concatenate([machine.delta, np.zeros((machine.num_states, 1), dtype=np.int64)], axis=1)
        return Machine(
            alphabet=(*machine.alphabet, "r"), delta=delta, start=0, labels=machine.labels, names=machine.names
        )

    return make


MACHINES: dict[str, Callable[[], DFA | Machine]] = {
    "Dyck, depth 1": _dyck(1),
    "Dyck, depth 2": _dyck(2),
    "Dyck, depth 4": _dyck(4),
    "flip-flop": _flip_flop,
    "cycle navigation": _cycle,
    "modular arithmetic": _modular_arithmetic,
    "Z3 with reset": _group_with_reset("Z3"),
    "S3 with reset": _group_with_reset("S3"),
    "S4 with reset": _group_with_reset("S4"),
}
