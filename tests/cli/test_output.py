from __future__ import annotations

import sys

import pytest

from poeem.cli.output import print_table

ROWS = [["added", "1,234", ", ".join(f"item number {number}" for number in range(40))], ["removed", "7", ""]]


def test_a_row_is_one_line_where_stdout_is_no_terminal(capsys):
    print_table("old (10 items) to a new version with a long name (1,237)", ["", "n", "ids"], ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "old (10 items) to a new version with a long name (1,237)",
        "             n  ids",
        f"added    1,234  {ROWS[0][2]}",
        "removed      7",
    ]


def test_a_terminal_has_its_width(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # of 80 columns
    print_table("title", ["", "n", "ids"], ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert "title" in lines[0]
    assert len(lines) > 5
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("cell", ["[bold]x[/bold]", "[x"])
def test_brackets_are_text(capsys, cell):
    print_table(cell, ["a"], [[cell]])
    assert capsys.readouterr().out.splitlines() == [cell, "a", cell]
