"""The examples of the page about Lance are a program: it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("lancedb", reason="the page needs lance and lancedb: pip install 'poeem-torch[lance]'")

PAGE = Path(__file__).parents[3] / "docs" / "lance.md"


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert names["report"].worst_score_error <= 1e-5
    assert names["exact_ids"][:, 0].tolist() == list(range(10_000, 10_005))
