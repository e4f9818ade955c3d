"""From files as people have them to a run, by the command line."""

from __future__ import annotations

import random

import pytest

from poeem.bundle import open_bundle
from poeem.cli.main import main

SMALL = ["--index", "PQ2x4", "--dim", "4", "--steps", "4", "--baselines", "none", "--device", "cpu"]


@pytest.fixture
def rows() -> list[tuple[str, str, int, int]]:
    rng = random.Random(0)
    return [
        (f"u{user}", f"i{item}", time, rng.randint(1, 5))
        for user in range(60)
        for time, item in enumerate(rng.sample(range(40), 6))
    ]


def test_a_csv_file_of_a_newcomer(rows, tmp_path, capsys):
    (tmp_path / "events.csv").write_text("user_id;item_id;ts\n" + "".join(f"{u};{i};{t}\n" for u, i, t, _ in rows))
    assert main(["train", "--interactions", str(tmp_path / "events.csv"), "--out", str(tmp_path / "run"), *SMALL]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == "columns: user='user_id', item='item_id', timestamp='ts'"
    assert "index, trained jointly" in said.out
    assert len(open_bundle(tmp_path / "run")) == 40


def test_a_file_without_header_and_with_ratings(rows, tmp_path, capsys):
    (tmp_path / "u.data").write_text("".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, t, r in rows))
    train = ["train", "--interactions", str(tmp_path / "u.data"), "--out", str(tmp_path / "run"), *SMALL]
    columns = ["--user-column", "1", "--item-column", "2", "--rating-column", "3", "--time-column", "4"]
    assert main([*train, "--delimiter", "tab", "--no-header", *columns, "--min-rating", "2"]) == 0
    assert "rating='3'" in capsys.readouterr().err
    for options, message in (
        (columns, "give the delimiter, such as --delimiter ,"),
        (["--delimiter", "tab"], "--no-header, and columns by number, such as --user-column 1"),
        (["--delimiter", "tab", "--user-column", "who"], "--user-column (='who') is not in the file"),
        (["--min-rating", "nan"], "--min-rating (=nan) must be"),
    ):
        assert main([*train, *options]) == 2
        assert message in capsys.readouterr().err
