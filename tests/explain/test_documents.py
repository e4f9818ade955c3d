"""The examples of the page about explaining are a program: it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    neighbours = names["neighbours"]
    assert sum(step.loss for step in neighbours.steps) == pytest.approx(neighbours.exact - neighbours.served)
    assert names["found"].main_cause in {"code", "probing"}
    assert names["reached"].choice.recall >= 0.95
    assert names["best"].bytes_per_vector == 2
    assert "Main cause: " in capsys.readouterr().out
