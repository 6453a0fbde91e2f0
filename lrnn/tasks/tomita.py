"""The seven languages of Tomita."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lrnn.automata import DFA
from lrnn.tasks.membership import Membership
from lrnn.tasks.task import refuse, require_choice

LANGUAGES = {
    1: "1*",
    2: "(10)*",
    3: "((0|1)*0)?1(11)*(0(0|1)*1)?0(00)*(1(0|1)*)?",  # of this one the complement
    4: "(1|01|001)*(0|00)?",
    5: "((01|10)(00|11)*(01|10)|00|11)*",
    6: "(01|10|00(10)*0|11(01)*1|00(10)*11|11(01)*00)*",
    7: "0*1*0*1*",
}


@dataclass(frozen=True, kw_only=True)
class Tomita(Membership):
    """Is the word of zeros and ones in Tomita's language ``number``?

    ====== =====================================================================================
    number words
    ====== =====================================================================================
    1      ones only
    2      (10)*
    3      no odd block of ones anywhere before an odd block of zeros
    4      no three zeros in a row
    5      an even number of zeros and an even number of ones
    6      the numbers of zeros and of ones differ by a multiple of three
    7      0*1*0*1*
    ====== =====================================================================================

    In languages 1, 2 and 7 there are very few accepted words of a given length, so that half of a batch repeats them.

    Raises ValueError if ``number`` is not 1 … 7.

    Source: Tomita, "Dynamic construction of finite automata from examples using hill-climbing", Proceedings of the
    Fourth Annual Conference of the Cognitive Science Society, 1982, pages 105-108.

    >>> "000" in Tomita(number=4).language
    False
    """

    number: int = 5
    """Which of the seven languages, 1 to 7."""

    name: ClassVar[str] = "tomita"

    def __post_init__(self) -> None:
        refuse(require_choice("number", self.number, tuple(LANGUAGES)))
        super().__post_init__()

    @cached_property
    def language(self) -> DFA:
        language = DFA.from_regex(LANGUAGES[self.number], "01")
        return ~language if self.number == 3 else language
