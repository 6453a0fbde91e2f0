"""An automaton is the exact machine behind a language."""

from lrnn.automata.cascade import Cascade, Component, Level
from lrnn.automata.dfa import DFA
from lrnn.automata.generators import generators
from lrnn.automata.green import Green, greens_relations
from lrnn.automata.group import Group
from lrnn.automata.holonomy import decompose
from lrnn.automata.machine import Machine
from lrnn.automata.monoid import Monoid, TooLarge, syntactic_monoid, transition_monoid
from lrnn.automata.sampling import WordSampler, count_words

__all__ = [
    "Cascade",
    "Component",
    "DFA",
    "Green",
    "Group",
    "Level",
    "Machine",
    "Monoid",
    "TooLarge",
    "WordSampler",
    "count_words",
    "decompose",
    "generators",
    "greens_relations",
    "syntactic_monoid",
    "transition_monoid",
]
