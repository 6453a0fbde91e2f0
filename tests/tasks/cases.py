"""One row for each task and way of asking: a new task joins the laws of test_task.py here."""

from __future__ import annotations

from dataclasses import dataclass

from lrnn.tasks import (
    AssociativeRecall,
    CycleNavigation,
    Dyck,
    DyckCloser,
    EvenPairs,
    FlipFlop,
    InductionHeads,
    ModularArithmetic,
    Parity,
    Regular,
    SelectiveCopying,
    Task,
    Tomita,
    WordProblem,
)
from tests.tasks import oracles
from tests.tasks.oracles import Oracle


@dataclass(frozen=True)
class Case:
    task: Task
    oracle: Oracle
    everywhere: bool = True
    """Is an answer of the oracle always asked for (but for ask="end")? Not in recall, where the filler repeats keys."""

    def __str__(self) -> str:
        settings = str(self.task).partition("(")[2].removesuffix(")")
        return f"{self.task.name}({settings})"


def of_group(name: str, factors: list[tuple[str, int]], **options) -> Case:
    task = WordProblem(group=name, **options)
    return Case(task, oracles.group(factors, task.classes, task.tokens_per_transition))


CASES = [
    *(Case(Parity(ask=ask), oracles.parity) for ask in ("end", "every")),
    *(Case(EvenPairs(ask=ask), oracles.even_pairs) for ask in ("end", "every")),
    *(Case(CycleNavigation(ask=ask), oracles.cycle(5)) for ask in ("end", "every")),
    Case(CycleNavigation(places=2, ask="every"), oracles.cycle(2)),
    *(Case(ModularArithmetic(ask=ask), oracles.arithmetic(5)) for ask in ("end", "every")),
    *(Case(ModularArithmetic(brackets=True, ask=ask), oracles.arithmetic(5)) for ask in ("end", "every")),
    Case(ModularArithmetic(modulus=12, ask="every"), oracles.arithmetic(12)),
    Case(ModularArithmetic(modulus=2, brackets=True, ask="every"), oracles.arithmetic(2)),
    Case(ModularArithmetic(multiplication=False, ask="every"), oracles.arithmetic(5)),
    Case(ModularArithmetic(brackets=True, multiplication=False, max_depth=1), oracles.arithmetic(5)),
    *(Case(FlipFlop(ask=ask), oracles.flip_flop) for ask in ("end", "every")),
    *(Case(FlipFlop(ignore=ignore), oracles.flip_flop) for ignore in (0.0, 1.0)),
    of_group("Z2", [("Z", 2)]),
    of_group("Z60", [("Z", 60)]),
    of_group("D4", [("D", 4)]),
    of_group("D5", [("D", 5)], generators="r1;s0"),
    of_group("S3", [("S", 3)], ask="end"),
    of_group("S4", [("S", 4)], generators="swaps"),
    of_group("A5", [("A", 5)], generators="two-random"),
    of_group("S5", [("S", 5)], generators="3-permutations"),
    of_group("S5", [("S", 5)], generators="swaps", tokens_per_transition=4),
    of_group("S4", [("S", 4)], tokens_per_transition=3, ask="end"),
    of_group("A4xZ5", [("A", 4), ("Z", 5)]),
    of_group("Z2xD3", [("Z", 2), ("D", 3)]),
    *(
        Case(Regular(regex="(ab|ba)*", ask=ask, rejects=rejects), oracles.regex("(ab|ba)*"))
        for ask in ("end", "every")
        for rejects in ("uniform", "near")
    ),
    Case(Regular(regex="(aa)*"), oracles.regex("(aa)*")),
    Case(Regular(regex="a*b", letters="abc", ask="every"), oracles.regex("a*b")),
    Case(Regular(regex="[a-e]*f[a-f]{2}", ask="every"), oracles.regex("[a-e]*f[a-f]{2}")),
    *(Case(Tomita(number=number, ask="every"), oracles.verdict(oracles.TOMITA[number])) for number in range(1, 8)),
    *(Case(Dyck(pairs=2, depth=3, ask=ask), oracles.dyck(3)) for ask in ("end", "every")),
    Case(Dyck(pairs=1, depth=2, rejects="near"), oracles.dyck(2)),
    *(Case(DyckCloser(pairs=2, depth=3, ask=ask), oracles.closer(3)) for ask in ("end", "every")),
    Case(DyckCloser(pairs=4, depth=1), oracles.closer(1)),
    Case(AssociativeRecall(pairs=3, keys=5, values=4), oracles.recall(3), everywhere=False),
    Case(AssociativeRecall(pairs=3, keys=3, values=3, filler="blank", power=1.0), oracles.recall(3)),
    Case(SelectiveCopying(items=4, symbols=3), oracles.copying),
    Case(InductionHeads(symbols=3), oracles.induction),
]
