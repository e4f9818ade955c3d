"""Docstrings for the API reference: examples become code blocks, Sphinx roles become names."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|mod|meth|attr|data):`~?([^`]+)`")


def for_markdown(text: str) -> str:
    """A docstring as Markdown.

    >>> print(for_markdown("See :func:`~a.b`.\\n\\n>>> 1 + 1\\n2"))
    See `b`.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    text = ROLE.sub(lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


class Docstrings(griffe.Extension):
    """Changes every docstring when it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = for_markdown(obj.docstring.value)
