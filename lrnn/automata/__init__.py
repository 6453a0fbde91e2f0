"""An automaton is the exact machine behind a language."""

from lrnn.automata.cascade import Cascade, Component, Level
from lrnn.automata.dfa import DFA
from lrnn.automata.generators import generators
from lrnn.automata.group import Group
from lrnn.automata.holonomy import decompose
from lrnn.automata.machine import Machine
from lrnn.automata.sampling import WordSampler, count_words

__all__ = [
    "Cascade",
    "Component",
    "DFA",
    "Group",
    "Level",
    "Machine",
    "WordSampler",
    "count_words",
    "decompose",
    "generators",
]
