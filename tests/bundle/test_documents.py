"""The examples of the page about the life of an index are a program: it runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from poeem.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "life_cycle.md"


def test_the_examples_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for kind, block in re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        if kind == "python":
            exec(compile(block, PAGE.name, "exec"), names)
            continue
        for line in block.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line)
            assert (program, main(words)) == ("poeem", 0), line
    out = capsys.readouterr().out
    assert "2001 3\n" in out
    assert "2 items added; 2,003 items, 4 changes in the log" in out
    assert "items.faiss: 2,001 items as faiss" in out
    assert "of 80 rows rewritten" in out
    assert "rows applied; 80 items" in out
    assert (len(names["bundle"]), len(names["after"])) == (2000, 2001)
    assert names["after"].columns["title"].to_pylist()[-2:] == ["lamp", "chair"]
    assert names["difference"]["removed"] == names["facts"]["deleted"] == 1
    assert 0 < names["difference"]["changed"] == names["facts"]["replaced"] <= 100
    assert names["refused"]
