"""The examples of the pages about faiss are programs: they run, each page in one go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", ["faiss.md", "load_your_codebooks.md"])
def test_the_examples_run(tmp_path, monkeypatch, page):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, page, "exec"), names)
    if page == "faiss.md":
        assert names["report"].rank_agreement == 1
        assert names["plain"].worst_score_error <= 1e-5
        assert len(names["workers"]) == 2
    else:
        assert names["report"].rank_agreement == 1
