"""An automaton is the exact machine behind a language."""

from lrnn.automata.cascade import Cascade, Component, Level
from lrnn.automata.characters import CharacterTable, character_table
from lrnn.automata.counting import count_words, word_at
from lrnn.automata.dfa import DFA
from lrnn.automata.eggbox import eggbox_svg
from lrnn.automata.generated_maps import TooLarge
from lrnn.automata.generators import generators
from lrnn.automata.green import Green, greens_relations
from lrnn.automata.group import Group
from lrnn.automata.group_identity import GroupIdentity, identify
from lrnn.automata.group_structure import center, composition_factors, derived_series, derived_subgroup
from lrnn.automata.holonomy import decompose
from lrnn.automata.isomorphism import isomorphic
from lrnn.automata.machine import Machine
from lrnn.automata.monoid import Monoid, syntactic_monoid, transition_monoid
from lrnn.automata.representations import Representation, real_irreps
from lrnn.automata.sampling import WordSampler
from lrnn.automata.skeleton import Skeleton
from lrnn.automata.subgroups import MaximalSubgroup, maximal_subgroups

__all__ = [
    "Cascade",
    "CharacterTable",
    "Component",
    "DFA",
    "Green",
    "Group",
    "GroupIdentity",
    "Level",
    "Machine",
    "MaximalSubgroup",
    "Monoid",
    "Representation",
    "Skeleton",
    "TooLarge",
    "WordSampler",
    "center",
    "character_table",
    "composition_factors",
    "count_words",
    "decompose",
    "derived_series",
    "derived_subgroup",
    "eggbox_svg",
    "generators",
    "greens_relations",
    "identify",
    "isomorphic",
    "maximal_subgroups",
    "real_irreps",
    "syntactic_monoid",
    "transition_monoid",
    "word_at",
]
