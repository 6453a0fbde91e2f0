"""A task says what is to be computed and deals endless labelled words."""

from lrnn.tasks.associative_recall import AssociativeRecall
from lrnn.tasks.cycle_navigation import CycleNavigation
from lrnn.tasks.dyck import Dyck, DyckCloser
from lrnn.tasks.even_pairs import EvenPairs
from lrnn.tasks.flip_flop import FlipFlop
from lrnn.tasks.induction_heads import InductionHeads
from lrnn.tasks.metric import Metric, Score, scaled_accuracy
from lrnn.tasks.modular_arithmetic import ModularArithmetic
from lrnn.tasks.parity import Parity
from lrnn.tasks.regular import Regular
from lrnn.tasks.selective_copying import SelectiveCopying
from lrnn.tasks.task import NOT_ASKED, Ask, Batch, Seed, Split, Task
from lrnn.tasks.tomita import Tomita
from lrnn.tasks.word_problem import WordProblem
from lrnn.tasks.words import Words

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Parity,
        EvenPairs,
        CycleNavigation,
        ModularArithmetic,
        FlipFlop,
        WordProblem,
        Regular,
        Tomita,
        Dyck,
        DyckCloser,
        Words,
        AssociativeRecall,
        SelectiveCopying,
        InductionHeads,
    )
}
"""Name on the command line to the task; every task is a frozen dataclass, so its fields are its options."""

__all__ = [
    "NOT_ASKED",
    "TASKS",
    "Ask",
    "AssociativeRecall",
    "Batch",
    "CycleNavigation",
    "Dyck",
    "DyckCloser",
    "EvenPairs",
    "FlipFlop",
    "InductionHeads",
    "Metric",
    "ModularArithmetic",
    "Parity",
    "Regular",
    "Score",
    "Seed",
    "SelectiveCopying",
    "Split",
    "Task",
    "Tomita",
    "WordProblem",
    "Words",
    "scaled_accuracy",
]
