"""Pictures with lines of text below them, and the page of an image search."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from poeem.page.document import document


@dataclass(frozen=True)
class Picture:
    """A picture with the lines below it.

    Args:
        file: bytes of a PNG or JPEG file; None shows an empty frame.
        lines: text.
        kind: ``query``, ``same`` or ``other`` (class), which gives the frame its colour; empty for none.
    """

    file: bytes | None
    lines: Sequence[str]
    kind: str = ""

    def html(self) -> str:
        """Return the HTML of the figure; lines are escaped."""
        image = f'<img alt="{html.escape(self.lines[0] if self.lines else "")}"'
        if self.file is not None:
            kind = "png" if self.file.startswith(b"\x89PNG") else "jpeg"
            image += f' src="data:image/{kind};base64,{base64.b64encode(self.file).decode()}"'
        # Long paths break behind their slashes.
        lines = "<br>".join(html.escape(line).replace("/", "/<wbr>") for line in self.lines)
        return f'<figure class="{self.kind}">{image}><figcaption>{lines}</figcaption></figure>'


def picture_row(name: str, pictures: Sequence[Picture]) -> str:
    """Return a row of pictures with its name."""
    return f'<div class="pictures"><b>{html.escape(name)}</b>{"".join(picture.html() for picture in pictures)}</div>'


def search_page(title: str, query: Picture | None, results: Sequence[Picture]) -> str:
    """Make the page of a search: the query and the results, best first."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if query is not None:
        parts.append(picture_row("query", [query]))
    parts.append(picture_row("nearest", results))
    return document(title, parts)
