"""Docstrings for the API reference: examples become code blocks, Sphinx roles become names."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|mod|meth|attr|data):`~?([^`]+)`")


def for_markdown(text: str) -> str:
    """A docstring as Markdown: doctest lines become a block in the language ``pycon``.

    >>> for_markdown("See :func:`~a.b`.")
    'See `b`.'
    """
    text = ROLE.sub(lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


class Docstrings(griffe.Extension):
    """Changes every docstring when it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = for_markdown(obj.docstring.value)
