"""Training on pairs of texts: from a file to search, by the library and by the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import poeem
from poeem.bundle.encoder import Encoder
from poeem.cli.main import main
from poeem.data.pairs.text_pairs import read_text_pairs
from poeem.engines.reference import ReferenceScorer
from poeem.functional.packing import unpack_codes
from poeem.training.pairs.run import PairRun
from poeem.training.recipes.pairs import train_pairs
from tests.report.page import page_of
from tests.texts import small_table, small_texts, write_bert

pytest.importorskip("tokenizers")
TRAIN = [
    "--index",
    "RQ4x4",
    "--dim",
    "16",
    "--steps",
    "60",
    "--lr",
    "0.02",
    "--set",
    "index_lr=0.1",
    "--batch-size",
    "64",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module", autouse=True)
def table():
    """A small table of tokens in place of the one that is downloaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("poeem.data.encoders.token_table.token_table", small_table)
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    queries, items = small_texts()
    path = tmp_path_factory.mktemp("data") / "pairs.parquet"
    ids = [f"d{number}" for number in range(len(items))]
    pq.write_table(pa.table({"query": queries, "item": items, "item_id": ids, "negative": items[5:] + items[:5]}), path)
    return path


@pytest.fixture(scope="module")
def run(file, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--pairs", str(file), "--out", str(folder), *TRAIN, "--baselines", "rq"]) == 0
    return folder


def asked(capsys, *arguments: object) -> dict:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_trained_index_finds_items_of_the_topic(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["recipe"] == "pairs"
    assert metrics["dataset"] == "pairs.parquet"
    assert metrics["data"] == {"queries": 240, "items": 240, "pairs": 240, "test_queries": 24}
    assert {"mrr@10", "recall@10", "recall@100", "neighbour_recall@10"} <= set(metrics["index"])
    assert set(metrics["baselines"]) == {"rq"}
    # Queries and items share no words of topics: before the training the topics mean nothing.
    assert metrics["float"]["mrr@10"] > 0.4
    assert metrics["index"]["recall@10"] > 0.7


def test_stock_faiss_answers_texts(run, tmp_path):
    poeem.export(run, "faiss", tmp_path / "items.faiss", fastscan=False)
    loaded = poeem.load(run)
    vectors = loaded.encode_queries(["q3w1 q3w2", "q5w0"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    scores, _ = faiss.read_index(str(tmp_path / "items.faiss")).search(vectors, 5)
    np.testing.assert_allclose(scores, ReferenceScorer(loaded.bundle).search(vectors, 5)[0], atol=1e-5)


def test_a_loaded_run_gives_the_vectors_of_the_training(run, file):
    loaded = poeem.load(run)
    pairs = read_text_pairs(file)
    np.testing.assert_allclose(loaded.item_vectors(), loaded.encode_items(pairs.items), atol=1e-6)
    codes, _ = loaded.model.index.encode(loaded.item_vectors())
    np.testing.assert_array_equal(codes, loaded.bundle.codes)
    assert loaded.pairs.queries == list(pairs.queries)
    assert loaded.pairs.negatives.values.tolist() == pairs.negatives.values.tolist()
    with pytest.raises(ValueError, match="query number 1 is empty"):
        loaded.encode_queries(["q3w1", " "])


def test_search_by_text_and_by_item(run, capsys):
    results = asked(capsys, "search", run, "--query", "q3w1 q3w2", "-k", 5)["results"]
    assert len(results) == 5
    assert all("t3w" in result["title"] for result in results[:3])
    similar = asked(capsys, "search", run, "--item", "d15", "-k", 240)["results"]
    assert "d15" not in {result["id"] for result in similar}
    assert main(["search", str(run), "--user", "u3"]) == 2
    assert "is a run of --pairs; search it with --query, --item or --queries" in capsys.readouterr().err
    assert "knows no word" not in capsys.readouterr().err
    assert main(["search", str(run), "--query", "unheard of"]) == 0
    assert "note: the encoder knows no word of the query" in capsys.readouterr().err
    assert main(["search", str(run), "--query", " "]) == 2
    assert "--query is empty" in capsys.readouterr().err


def test_encode_takes_new_texts(run, tmp_path, capsys):
    (tmp_path / "new.jsonl").write_text('{"item_id": "n1", "item": "t1w1 t1w2"}\n{"item_id": "n2", "item": "t2w1"}\n')
    facts = asked(capsys, "encode", run, "--items", tmp_path / "new.jsonl", "--out", tmp_path / "parts")
    assert facts["rows"] == 2
    assert pq.read_table(tmp_path / "parts")["id"].to_pylist() == ["n1", "n2"]
    (tmp_path / "bad.jsonl").write_text('{"item": "t1w1"}\n')
    assert main(["encode", str(run), "--items", str(tmp_path / "bad.jsonl"), "--out", str(tmp_path / "p2")]) == 2
    assert "column 'item_id' is missing" in capsys.readouterr().err


def test_new_texts_are_added_and_found(run, tmp_path, capsys):
    shop = Path(shutil.copytree(run, tmp_path / "shop"))
    new = {"doc_id": ["n1", "n2"], "text": ["t7w1 t7w2 t7w1", "t2w1\n t2w1 t2w2"]}
    pq.write_table(pa.table(new), tmp_path / "new.parquet")
    assert asked(capsys, "add", shop, "--items", tmp_path / "new.parquet")["items"] == 242
    found = asked(capsys, "search", shop, "--query", "q7w1 q7w2", "-k", 240)["results"]
    assert next(result["title"] for result in found if result["id"] == "n1") == "t7w1 t7w2 t7w1"
    # The same text is a row with the same code.
    loaded = poeem.load(shop)
    codes, _ = loaded.model.index.encode(loaded.encode_items(new["text"]))
    np.testing.assert_array_equal(loaded.bundle.codes[-2:], codes)
    assert loaded.bundle.columns["title"].to_pylist()[-1] == "t2w1 t2w1 t2w2"
    (tmp_path / "other.csv").write_text("item_id,item\nn1,t1w1 t1w2\n")
    asked(capsys, "replace", shop, "--items", tmp_path / "other.csv")
    changed = poeem.load(shop)
    expected, _ = changed.model.index.encode(changed.encode_items(["t1w1 t1w2"]))
    np.testing.assert_array_equal(changed.bundle.codes[-2:][0], expected[0])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"item_id": "n1", "item": " "}\n', "item is missing or empty in row 1"),
        ("a.jsonl", '{"item": "t1w1"}\n', "the items of this index have strings as ids"),
        ("a.jsonl", '{"item_id": "d5", "item": "t1w1"}\n', "d5"),
        ("a.csv", "item_id,words\nn1,t1w1\n", "column 'item' is missing"),
    ],
)
def test_new_texts_that_are_refused(run, tmp_path, capsys, name, text, message):
    (tmp_path / name).write_text(text)
    before = poeem.open(run)
    assert main(["add", str(run), "--items", str(tmp_path / name)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert len(poeem.open(run)) == len(before)


def test_ids_of_new_texts_follow_those_of_the_texts(tmp_path, capsys):
    queries, items = small_texts(60)
    (tmp_path / "p.csv").write_text("query,item\n" + "".join(f"{q},{i}\n" for q, i in zip(queries, items)))
    n = len(read_text_pairs(tmp_path / "p.csv").items)
    train = [*TRAIN, "--steps", "4", "--baselines", "none", "--out", str(tmp_path / "run")]
    assert main(["train", "--pairs", str(tmp_path / "p.csv"), *train]) == 0
    (tmp_path / "new.csv").write_text("item,title\nt1w1 t1w2,one\nt2w2,\n")
    capsys.readouterr()
    assert main(["add", str(tmp_path / "run"), "--items", str(tmp_path / "new.csv")]) == 0
    assert f"new items have the ids {n} to {n + 1}" in capsys.readouterr().err
    bundle = poeem.open(tmp_path / "run")
    assert bundle.ids.tolist()[-2:] == [n, n + 1]
    assert bundle.columns["title"].to_pylist()[-2:] == ["one", "t2w2"]


def test_texts_of_parquet_files_are_encoded_a_few_at_a_time(run, tmp_path, capsys, monkeypatch):
    _, texts = small_texts(90, seed=5)
    (tmp_path / "in").mkdir()
    for part in range(3):
        rows = range(part * 30, part * 30 + 30)
        columns = {"doc_id": [f"n{i}" for i in rows], "text": [texts[i] for i in rows]}
        pq.write_table(pa.table(columns), tmp_path / "in" / f"{part}.parquet", row_group_size=20)
    sizes = []
    encode = PairRun.encode_items
    monkeypatch.setattr(PairRun, "encode_items", lambda self, some: sizes.append(len(some)) or encode(self, some))
    facts = asked(capsys, "encode", run, "--items", tmp_path / "in" / "*.parquet", "--out", tmp_path / "parts")
    assert (facts["rows"], facts["parts"], max(sizes)) == (90, 3, 30)
    loaded = poeem.load(run)
    codes, _ = Encoder(loaded.bundle).encode(encode(loaded, texts))
    table = pq.read_table(tmp_path / "parts")
    assert table["id"].to_pylist() == [f"n{i}" for i in range(90)]
    packed = np.frombuffer(b"".join(table["code"].to_pylist()), np.uint8).reshape(90, -1)
    # The network may round a batch of another size differently; a code changes at a tie only.
    assert (unpack_codes(packed, 4, 4) == codes).mean() > 0.99
    pq.write_table(pa.table({"item_id": ["a"], "item": [" "]}), tmp_path / "bad.parquet")
    command = ["encode", run, "--items", tmp_path / "bad.parquet", "--out", tmp_path / "p2"]
    assert main([*map(str, command)]) == 2
    assert "bad.parquet: row 0: item is missing, empty or no text" in capsys.readouterr().err


def test_the_report_shows_the_texts(run):
    report = page_of(run)
    assert {"Figures on the test queries", "Training", "Examples"} <= set(report.sections)
    queries = poeem.load(run).pairs.queries
    assert sum(query in report.text for query in queries) == 6


def test_evaluate_and_explain(run, capsys):
    before = json.loads((run / "metrics.json").read_text())
    after = asked(capsys, "evaluate", run, "--baselines", "rq,lsh", "--device", "cpu")
    assert after["index"] == before["index"]
    assert after["float"] == before["float"]
    assert set(after["baselines"]) == {"rq", "lsh"}
    found = asked(capsys, "explain", run)
    assert found["spec"] == "RQ4x4"


def test_the_same_seed_gives_the_same_run_and_a_finished_one_is_resumed(run, file, tmp_path, capsys):
    pairs, options = (
        read_text_pairs(file),
        {"spec": "RQ4x4", "dim": 16, "steps": 60, "lr": 0.02, "batch_size": 64, "index_lr": 0.1},
    )
    again = train_pairs(pairs, tmp_path / "same", baselines=(), device="cpu", show=False, **options)
    first = json.loads((run / "metrics.json").read_text())
    assert again["index"] == first["index"]
    copied = Path(shutil.copytree(run, tmp_path / "copy"))
    resumed = asked(capsys, "train", "--pairs", file, "--out", copied, *TRAIN, "--baselines", "rq", "--resume")
    assert resumed["baselines"]["rq"]["mrr@10"] == first["baselines"]["rq"]["mrr@10"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tower", "history"], "--tower goes with --interactions"),
        (["--dim", "6", "--index", "PQ4x4"], "must be divisible by M"),
        (["--index", "RQ8"], "needs at least 256 items, there are 240"),
        (["--set", "max_tokens=0"], "max_tokens (=0) must be at least 1"),
        (["--set", "encoder=x", "--dim", "8"], "--dim (=8) goes with --encoder static"),
    ],
    ids=str,
)
def test_bad_options_are_one_line_and_leave_nothing(file, tmp_path, capsys, options, message):
    given = [*TRAIN[4:], "--baselines", "none"]
    assert main(["train", "--pairs", str(file), "--out", str(tmp_path / "run"), *given, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "run" / "bundle").exists()


def test_items_in_another_language_are_named(tmp_path, caplog):
    queries, items = small_texts(60)
    # A third of the words is unknown.
    rows = "".join(f"{query},{item} mots inconnus ici\n" for query, item in zip(queries, items))
    (tmp_path / "p.csv").write_text(f"query,item\n{rows}")
    train_pairs(
        read_text_pairs(tmp_path / "p.csv"), tmp_path / "run", spec="RQ2x4", dim=16, steps=2, baselines=(), show=False
    )
    assert "33 % of the items' tokens are unknown to the static encoder" in caplog.text


def test_few_queries_are_refused(tmp_path, capsys):
    (tmp_path / "p.csv").write_text("query,item\na,b\nc,d\n")
    assert main(["train", "--pairs", str(tmp_path / "p.csv"), "--out", str(tmp_path / "run")]) == 2
    assert "2 queries with an item are too few" in capsys.readouterr().err


def test_a_sentence_transformers_folder_is_the_encoder(file, tmp_path, capsys):
    pytest.importorskip("sentence_transformers")
    write_bert(tmp_path / "bert")
    options = ["--index", "RQ2x4", "--encoder", str(tmp_path / "bert"), "--lr", "0.003", "--set", "index_lr=1"]
    options += ["--steps", "12", "--batch-size", "64", "--baselines", "rq", "--device", "cpu"]
    metrics = asked(capsys, "train", "--pairs", file, "--out", tmp_path / "run", *options)
    assert metrics["settings"]["dim"] == 16
    run = poeem.load(tmp_path / "run")
    codes, _ = run.model.index.encode(run.item_vectors())
    # Rows of a block are padded to the longest: a code may differ in the last bits of its vector.
    assert (codes == run.bundle.codes).mean() > 0.99
    assert asked(capsys, "search", tmp_path / "run", "--query", "q3w1 q3w2", "-k", 3)["results"]
    assert main(["train", "--pairs", str(file), "--out", str(tmp_path / "x"), "--encoder", str(tmp_path / "none")]) == 2
    assert "cannot be read as a Sentence Transformers model" in capsys.readouterr().err
