"""An automaton is the exact machine behind a language."""

from lrnn.automata.dfa import DFA
from lrnn.automata.generators import generators
from lrnn.automata.group import Group
from lrnn.automata.machine import Machine
from lrnn.automata.sampling import WordSampler, count_words

__all__ = ["DFA", "Group", "Machine", "WordSampler", "count_words", "generators"]
