"""Markdown tables, and the marked blocks of the documents in which they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"<!-- ([A-Z]+) -->\n(.*?)\n<!-- end -->", re.DOTALL)


def pages(root: Path = ROOT) -> list[Path]:
    """Every document that may have blocks: the README and all pages of the docs."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def blocks(text: str) -> dict[str, str]:
    """The blocks of a text by name: the text between ``<!-- NAME -->`` and ``<!-- end -->``.

    >>> blocks("a\\n<!-- X -->\\n1\\n<!-- end -->\\nb")
    {'X': '1'}
    """
    return dict(MARK.findall(text))


def fill(text: str, tables: Mapping[str, str]) -> str:
    """The text with its blocks replaced; a block without a table, or with an empty one, stays.

    >>> fill("a\\n<!-- X -->\\nold\\n<!-- end -->\\nb", {"X": "new"})
    'a\\n<!-- X -->\\nnew\\n<!-- end -->\\nb'
    """

    def replaced(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n{tables.get(found[1]) or found[2]}\n<!-- end -->"

    return MARK.sub(replaced, text)


def table(title: str, head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A table with a title in bold above it (none if empty).

    >>> print(table("T", ("", "x"), [("a", 1)]))
    **T**
    <BLANKLINE>
    | | x |
    |---|---|
    | a | 1 |
    """
    cells = list(head)
    lines = [_row(cells).replace("|  |", "| |").replace("|  |", "| |"), "|" + "---|" * len(cells), *map(_row, rows)]
    return "\n".join([f"**{title}**", "", *lines] if title else lines)


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
