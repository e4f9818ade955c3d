"""The tutorial as a notebook: ``python -m tests.docs.notebook`` writes it from the page."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.docs.pages import FENCE, ROOT, read

PAGE, NOTEBOOK = "docs/get_started/tutorial.md", "docs/get_started/tutorial.ipynb"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SITE = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": KERNEL}}


def notebook() -> dict[str, Any]:
    """Prose as Markdown cells, Python blocks as code cells, shell blocks as code cells with ``!``."""
    text, cells, start = read(PAGE).replace(" The same page is a [notebook](tutorial.ipynb).", ""), [], 0
    for found in FENCE.finditer(text):
        if found[2] == "text":
            continue
        cells.append(_markdown(text[start : found.start()]))
        cells.append(_code(found[3] if found[2] == "python" else re.sub(r"^(?=\S)", "!", found[3], flags=re.MULTILINE)))
        start = found.end()
    cells.append(_markdown(text[start:]))
    kept = [cell for cell in cells if cell["source"]]
    return SITE | {"cells": [cell | {"id": f"cell-{number}"} for number, cell in enumerate(kept)]}


def as_text() -> str:
    """The notebook's file."""
    return json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n"


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip().splitlines(keepends=True)}


def _code(text: str) -> dict[str, Any]:
    source = text.strip().splitlines(keepends=True)
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": source}


if __name__ == "__main__":
    (ROOT / NOTEBOOK).write_text(as_text(), encoding="utf-8")
