"""`poeem train --events` and `poeem search --query` from the command line."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from benchmarks.product_search.tiny import tiny_tables
from poeem.cli.main import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    for name, table in zip(("events", "items"), tiny_tables()):
        pq.write_table(table, folder / f"{name}.parquet")
    command = f"train --events {folder}/events.parquet --items {folder}/items.parquet --out {folder}/run --index PQ4x4"
    options = "--steps 6 --dim 8 --baselines none --no-progress --set heads=2 --set recent=3 --set short=3 --set long=3"
    assert main([*command.split(), *options.split()]) == 0
    return folder / "run"


def test_search(run, capsys):
    condition = "category = 'milk' AND price < 3"
    assert main(["search", str(run), "--user", "u3", "--query", "milk", "--where", condition, "-k", "3"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"for 'milk' of user u3 where {condition}\nrank")
    assert "of 400 items match" in captured.err
    assert main(["search", str(run), "--query", "молоко", "--json", "-k", "2"]) == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    assert len(answer["results"]) == 2
    assert "perhaps because of its script" in answer["notes"][0]
    assert main(["search", str(run), "--query", "soup", "--match-title", "--json", "-k", "400"]) == 0
    assert {row["category"] for row in json.loads(capsys.readouterr().out)["results"]} == {"soup"}
    assert main(["search", str(run), "--item", "p3", "-k", "2"]) == 0
    assert main(["search", str(run), "--query", "soup", "--where", "price > 99"]) == 0
    assert "no item matches the condition" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--query", " "], "query is empty"),
        (["--query", "soup", "--where", "colour = 1"], "where names a column 'colour'"),
        (["--query", "soup", "--where", "os.system('x')"], "which is no comparison"),
        (["--user", "u1"], "give what is typed: --query TEXT"),
        (["--history", "p1"], "is a run of --events"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(run, options, message, capsys):
    assert main(["search", str(run), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_evaluate_encode_and_explain_follow_the_recipe(run, tmp_path, capsys):
    assert main(["evaluate", str(run), "--baselines", "none"]) == 0
    assert "p_good@100" in capsys.readouterr().out


def test_a_log_without_queries(tmp_path, capsys):
    events, _ = tiny_tables(50)
    pq.write_table(events.drop_columns(["query"]), tmp_path / "log.parquet")
    assert main(["train", "--events", str(tmp_path / "log.parquet"), "--out", str(tmp_path / "run")]) == 2
    assert "column 'query' is missing" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
