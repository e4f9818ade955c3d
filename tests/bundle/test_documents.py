"""The examples of the page about the life of an index are a program: it runs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "life_cycle.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert "2001 3\n" in capsys.readouterr().out
    assert (len(names["bundle"]), len(names["after"])) == (2000, 2001)
    assert names["after"].columns["title"].to_pylist()[-2:] == ["lamp", "chair"]
    assert names["difference"]["removed"] == names["facts"]["deleted"] == 1
    assert 0 < names["difference"]["changed"] == names["facts"]["replaced"] <= 100
    assert names["refused"]
