"""A task says what is to be computed and deals endless labelled words."""

from lrnn.tasks.metric import Metric, Score, scaled_accuracy
from lrnn.tasks.parity import Parity
from lrnn.tasks.task import NOT_ASKED, Ask, Batch, Seed, Split, Task

TASKS: dict[str, type[Task]] = {task.name: task for task in (Parity,)}
"""Name on the command line to the task; every task is a frozen dataclass, so its fields are its options."""

__all__ = [
    "NOT_ASKED",
    "TASKS",
    "Ask",
    "Batch",
    "Metric",
    "Parity",
    "Score",
    "Seed",
    "Split",
    "Task",
    "scaled_accuracy",
]
