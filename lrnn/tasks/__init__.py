"""A task says what is to be computed and deals endless labelled words."""

from lrnn.tasks.even_pairs import EvenPairs
from lrnn.tasks.metric import Metric, Score, scaled_accuracy
from lrnn.tasks.parity import Parity
from lrnn.tasks.regular import Regular
from lrnn.tasks.task import NOT_ASKED, Ask, Batch, Seed, Split, Task
from lrnn.tasks.tomita import Tomita
from lrnn.tasks.word_problem import WordProblem

TASKS: dict[str, type[Task]] = {task.name: task for task in (Parity, EvenPairs, WordProblem, Regular, Tomita)}
"""Name on the command line to the task; every task is a frozen dataclass, so its fields are its options."""

__all__ = [
    "NOT_ASKED",
    "TASKS",
    "Ask",
    "Batch",
    "EvenPairs",
    "Metric",
    "Parity",
    "Regular",
    "Score",
    "Seed",
    "Split",
    "Task",
    "Tomita",
    "WordProblem",
    "scaled_accuracy",
]
