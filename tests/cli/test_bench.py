import importlib.util
import json
import re
import shlex
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.cli.main import main


@pytest.fixture
def files(tmp_path):
    random = np.random.default_rng(0)
    items = random.normal(size=(300, 16)).astype(np.float32)
    np.save(tmp_path / "items.npy", items)
    np.save(tmp_path / "q.npy", items[:20] + 0.2 * random.normal(size=(20, 16)).astype(np.float32))
    pairs = {"query": [*range(20), 3], "item": [*range(20), 7], "weight": [1.0] * 20 + [0.0]}
    pq.write_table(pa.table(pairs), tmp_path / "rel.parquet")
    return [
        "bench",
        *("--items", str(tmp_path / "items.npy"), "--queries", str(tmp_path / "q.npy")),
        *("--relevance", str(tmp_path / "rel.parquet"), "--out", str(tmp_path / "out"), "--methods", "lsh,sq8,binary"),
        *("--bytes", "2,4", "--seeds", "0,1"),
    ]


def test_without_matplotlib_the_tables_are_written(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "matplotlib" else find_spec(name, *rest)
    )
    assert main(files) == 0
    assert "no pictures: matplotlib is not installed (pip install" in capsys.readouterr().err
    assert (tmp_path / "out" / "bench.csv").is_file()
    assert not list((tmp_path / "out").glob("*.svg"))


def test_table_files_and_pictures(files, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(files) == 0
    message = capsys.readouterr()
    assert "items: 300 items of dim 16, 20 queries (ip); mean ± standard deviation over seeds" in message.out
    rows = [line.split() for line in message.out.splitlines() if line.startswith(("float", "lsh", "sq8", "binary"))]
    assert [(row[0], row[1]) for row in rows] == [
        ("float", "64"),
        ("lsh", "2"),
        ("binary", "2"),
        ("lsh", "4"),
        ("sq8", "16"),
    ]
    assert "[7/7]" in message.err
    # 20 queries: no figure stands without its interval.
    assert "Only 20 test queries" in message.out
    (sq8,) = [line for line in message.out.splitlines() if line.startswith("sq8")]
    assert re.findall(r"\d\.\d{4} (?!± \S+ )(?!\()", sq8) == []
    assert "recall@100_low" in (tmp_path / "out" / "bench.csv").read_text()
    for name in ("bench.csv", "bench.json", "bytes.svg", "qps.svg"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert "lsh" in (tmp_path / "out" / "bytes.svg").read_text()
    assert main([*files, "--json", "--no-plots"]) == 0
    records = json.loads(capsys.readouterr().out)["records"]
    assert len(records) == 7
    (environment,) = json.loads((tmp_path / "out" / "bench.json").read_text())["environments"]
    assert environment["command"] == shlex.join(["poeem", *files])
    assert records[0]["method"] == "float"
    assert records[0]["recall@10"] == 1.0


def test_mistakes_are_a_line(files, tmp_path, capsys):
    for extra, line in (
        (["--bytes", "2,x"], "bytes (='2,x') must be whole numbers separated by commas"),
        (["--dataset", "glove"], "--dataset NAME has its own vectors"),
        (["--rescore", "-1"], "rescore (=-1) must be different whole numbers, 0 or more"),
        (["--nprobe", "2"], "nprobe (=2) needs inverted lists"),
        (["--train-relevance", "x"], "--train-relevance needs --train-queries"),
    ):
        assert main([*files, "--no-plots", *extra]) == 2
        assert line in capsys.readouterr().err
    pq.write_table(pa.table({"query": [20], "item": [0]}), tmp_path / "rel.parquet")
    assert main([*files, "--no-plots"]) == 2
    assert "query 20 is not a row of the 20 queries" in capsys.readouterr().err
    pq.write_table(pa.table({"query": range(20), "item": [*range(19), -4]}), tmp_path / "rel.parquet")
    assert main([*files, "--no-plots"]) == 2
    assert "relevance of queries names item -4, the items are 0 to 299" in capsys.readouterr().err
    np.save(tmp_path / "q.npy", np.ones((20, 12), np.float32))
    assert main([*files, "--no-plots"]) == 2
    assert "queries must be (n, 16), as wide as the items, got (20, 12)" in capsys.readouterr().err


def test_a_column_of_parquet_files(files, tmp_path, capsys):
    vectors = np.load(tmp_path / "items.npy")
    lists = {name: pa.array(list(factor * vectors)) for name, factor in (("text", 1), ("image", 0.5))}
    pq.write_table(pa.table(lists), tmp_path / "items.parquet")
    files[2] = str(tmp_path / "items.parquet")
    pq.write_table(pa.table({"text": pa.array(list(np.load(tmp_path / "q.npy")))}), tmp_path / "q.parquet")
    files[4] = str(tmp_path / "q.parquet")
    assert main([*files, "--no-plots"]) == 2
    assert "column" in capsys.readouterr().err
    assert main([*files, "--no-plots", "--column", "text", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"][0]["recall@10"] == 1.0
