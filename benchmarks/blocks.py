"""Marked blocks of documents, which scripts fill: from ``<!-- NAME -->`` to the next ``<!-- end -->``."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]


def fill(text: str, name: str, block: str) -> str:
    """``text`` with the block ``name`` exchanged; an empty one leaves it as it was.

    >>> fill("a <!-- X --> old <!-- end --> b", "X", "new")
    'a <!-- X -->\\nnew\\n<!-- end --> b'
    """
    before, mark, rest = text.partition(f"<!-- {name} -->")
    _, end, after = rest.partition("<!-- end -->")
    assert mark, name
    assert end, name
    return f"{before}{mark}\n{block}\n{end}{after}" if block else text


def fill_page(page: str, blocks: dict[str, str]) -> None:
    """Exchange the blocks of a page, named from the root of the repository."""
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    for name, block in blocks.items():
        text = fill(text, name, block)
        print(f"{page}, {name}: {'filled' if block else 'no results'}")
    path.write_text(text, encoding="utf-8")


def row(*cells: object) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def rule(cells: int) -> str:
    """What stands under its head."""
    return "|" + "---|" * cells
