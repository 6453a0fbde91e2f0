"""The compiler turns an automaton into weights and checks them."""

from lrnn.compiler.certificate import Certificate, Reading
from lrnn.compiler.compile import compile
from lrnn.compiler.compiled import Compiled, Vocabulary, load_compiled
from lrnn.compiler.verify import QUICK, Checks, verify

__all__ = [
    "QUICK",
    "Certificate",
    "Checks",
    "Compiled",
    "Reading",
    "Vocabulary",
    "compile",
    "load_compiled",
    "verify",
]
