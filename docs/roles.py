"""Docstrings are written to be read in a terminal; on a page three of their habits need a hand.

:class:`Chunked` marks what is a name of ours, where the name alone is enough; a doctest becomes a block of code; and a
set of letters like [^ab] is no link.
"""

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:class|meth|func|attr|mod|data|exc):`~?([^`]+)`")
DOCTEST = re.compile(r"((?:^[ \t]*>>> .*\n)(?:^[ \t]*\S.*(?:\n|\Z))*)", re.MULTILINE)
DIRECTIVE = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:^(?: {4}.*)?\n?)+)", re.MULTILINE)
BRACKET = re.compile(r"(?<![`\w])\[(?=[\^a-z])(?=[^\]]*\][ ,])")


class Pages(Extension):
    """Prepares every docstring for a page."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is None:
            return
        text = ROLE.sub(r"`\1`", obj.docstring.value)
        text = DIRECTIVE.sub(r"```\1\n\2```\n", text)
        text = DOCTEST.sub(lambda found: f"\n```pycon\n{found[1].rstrip()}\n```\n", text + "\n")
        if obj.is_attribute:
            text = BRACKET.sub(r"\\[", text)
        obj.docstring.value = text.rstrip("\n")
