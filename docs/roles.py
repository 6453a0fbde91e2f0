"""Docstrings say :class:`Chunked` to mark what is a name of ours; on a page the name alone is enough."""

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:class|meth|func|attr|mod|data|exc):`~?([^`]+)`")


class Roles(Extension):
    """Turns every role of a docstring into plain code."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
