"""The examples of the page about ScaNN are a program: it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("scann", reason="the page needs scann: pip install 'poeem-torch[scann]' (on Linux)")

PAGE = Path(__file__).parents[3] / "docs" / "scann.md"


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert names["report"].rank_agreement >= 0.99
