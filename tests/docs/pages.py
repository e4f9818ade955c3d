"""The pages of README and docs, and their code blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(<!-- options only -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GENERATED = re.compile(r"<!-- ([A-Z]+) -->\n.*?\n<!-- end -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block.

    Args:
        language: behind the opening fence.
        text: its lines.
        options_only: the mark ``<!-- options only -->`` stands above it: its commands are parsed, not run.
    """

    language: str
    text: str
    options_only: bool


def pages() -> list[str]:
    """Paths of all pages, relative to the root."""
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(file.relative_to(ROOT).as_posix() for file in files)


def read(page: str) -> str:
    """Text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """The code blocks of a page, in order.

    >>> blocks("a\\n```sh\\nmake x\\n```\\n")
    [Block(language='sh', text='make x\\n', options_only=False)]
    """
    return [Block(language, block, bool(mark)) for mark, language, block in FENCE.findall(text)]


def words_by_hand(text: str) -> int:
    """Words of a page outside the tables that the benchmarks write."""
    return len(GENERATED.sub("", text).split())
