"""The whole way from a file to an engine, by the command line."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import poeem
from poeem.bundle import write_bundle
from poeem.cli.main import main
from poeem.engines.reference import ReferenceScorer
from poeem.explain.sources import read_workload
from poeem.training.load import load_run


def asked(capsys, *arguments: str) -> dict:
    """The JSON document of a command, which must be all there is on stdout."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_train_leaves_bundle_model_checkpoints_and_metrics(run):
    assert {"bundle", "model", "checkpoints", "metrics.json"} <= {path.name for path in run.iterdir()}
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"dataset", "spec", "bytes_per_vector", "float", "index", "index_full_probe", "joint_float"} <= set(metrics)
    assert {"baselines", "timings", "environment"} <= set(metrics)
    assert len(poeem.open(run)) == 80


def test_export_is_read_by_plain_faiss_and_scores_as_the_bundle(run, tmp_path, capsys):
    import faiss

    report = asked(
        capsys, "export", str(run), "--engine", "faiss", "--out", str(tmp_path / "items.faiss"), "--no-fastscan"
    )
    assert report["worst_score_error"] <= 1e-5
    assert (tmp_path / "items.faiss.json").is_file()
    index = faiss.read_index(str(tmp_path / "items.faiss"))
    faiss.extract_index_ivf(index).nprobe = 4
    queries = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    scores, _ = index.search(queries, 10)
    expected, _ = ReferenceScorer(poeem.open(run)).search(queries, 10)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_search_for_user_history_and_item(run, capsys):
    table = pq.read_table(run / "model" / "interactions.parquet")
    ids = pq.read_table(run / "model" / "items.parquet")["id"].to_pylist()
    users = pq.read_table(run / "model" / "users.parquet")["id"].to_pylist()
    seen = {
        ids[item] for user, item in zip(table["user"].to_pylist(), table["item"].to_pylist()) if users[user] == "u5"
    }
    for_user = asked(capsys, "search", str(run), "--user", "u5", "-k", "6")["results"]
    assert not seen & {result["id"] for result in for_user}
    assert [result["rank"] for result in for_user] == [1, 2, 3, 4, 5, 6]
    assert all(result["title"] == f"Title of {result['id']}" for result in for_user)
    assert [r["score"] for r in for_user] == sorted((r["score"] for r in for_user), reverse=True)
    for_history = asked(capsys, "search", str(run), "--history", "i3,i11", "-k", "4")["results"]
    assert not {"i3", "i11"} & {result["id"] for result in for_history}
    similar = asked(capsys, "search", str(run), "--item", "i3", "-k", "80")["results"]
    assert "i3" not in {result["id"] for result in similar}


def test_search_prints_a_table(run, capsys):
    assert main(["search", str(run), "--user", "u5", "-k", "2"]) == 0
    out = capsys.readouterr().out
    assert "for user u5" in out
    assert "Title of i" in out


def test_search_for_vectors(run, tmp_path):
    queries = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    np.save(tmp_path / "q.npy", queries)
    result = tmp_path / "r.npz"
    arguments = [
        "search",
        str(run),
        "--queries",
        str(tmp_path / "q.npy"),
        "-k",
        "7",
        "--out",
        str(result),
        "--nprobe",
        "4",
    ]
    assert main(arguments) == 0
    scores, rows = ReferenceScorer(poeem.open(run)).search(queries, 7)
    with np.load(result) as arrays:
        np.testing.assert_array_equal(arrays["scores"], scores)
        assert arrays["ids"].tolist() == poeem.open(run).ids[rows].tolist()


def test_search_for_vectors_visits_the_lists_that_the_training_chose(run, tmp_path):
    trained = poeem.open(run)
    facts = {name: getattr(trained, name) for name in ("spec", "metric", "dim", "arrays", "ids", "codes", "lists")}
    write_bundle(tmp_path / "bundle", **facts, training={"nprobe": 1})
    queries = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    np.save(tmp_path / "q.npy", queries)
    options = ["--queries", str(tmp_path / "q.npy"), "-k", "40", "--out", str(tmp_path / "r.npz")]
    assert main(["search", str(tmp_path), *options]) == 0
    with np.load(tmp_path / "r.npz") as arrays:
        np.testing.assert_array_equal(arrays["scores"], ReferenceScorer(trained).search(queries, 40, nprobe=1)[0])


def test_columns_of_the_items_stand_beside_rank_and_score_in_valid_json(file, tmp_path, capsys):
    ids = [f"i{number}" for number in range(80)]
    odd = pa.table({"item": ids, "rank": ["first"] * 80, "score": [7] * 80, "year": [float("nan")] * 80})
    pq.write_table(odd, tmp_path / "items.parquet")
    options = ["--index", "PQ2x4", "--dim", "4", "--steps", "4", "--baselines", "none", "--device", "cpu"]
    data = ["--interactions", str(file), "--items", str(tmp_path / "items.parquet")]
    assert main(["train", *data, "--out", str(tmp_path / "run"), *options]) == 0
    capsys.readouterr()
    assert main(["search", str(tmp_path / "run"), "--user", "u5", "-k", "1", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["results"]
    assert (result["rank"], result["item_rank"], result["item_score"], result["year"]) == (1, "first", 7, None)
    assert -1 <= result["score"] <= 1


def test_encode_known_items(run, file, tmp_path, capsys):
    pq.write_table(pa.table({"item": ["i3", "i4"]}), tmp_path / "items.parquet")
    facts = asked(capsys, "encode", str(run), "--items", str(tmp_path / "items.parquet"), "--out", str(tmp_path / "p"))
    assert facts["rows"] == 2
    assert facts["fingerprint"] == poeem.open(run).fingerprint
    assert pq.read_table(tmp_path / "p").column_names == ["id", "list", "code"]


def test_evaluate_computes_the_same_table_and_other_baselines(run, capsys):
    before = json.loads((run / "metrics.json").read_text())
    after = asked(capsys, "evaluate", str(run), "--baselines", "opq,lsh", "--device", "cpu")
    assert json.loads((run / "metrics.json").read_text()) == after
    for name in ("float", "joint_float", "index", "index_full_probe"):
        assert after[name] == before[name]
    assert set(after["baselines"]) == {"opq", "lsh"}
    assert after["baselines"]["opq"]["recall@10"] == before["baselines"]["opq"]["recall@10"]
    assert main(["evaluate", str(run), "--device", "cpu", "--baselines", "opq"]) == 0
    out = capsys.readouterr().out
    for row in ("float, trained without index", "index, trained jointly", "opq, post-hoc"):
        assert row in out


def test_csv_with_ids_that_look_like_numbers(tmp_path, capsys):
    rng = np.random.default_rng(1)
    lines = ["user,item,timestamp"]
    for user in range(60):
        lines += [f"00{user},{item:03d},{t}" for t, item in enumerate(rng.choice(40, 5, replace=False))]
    (tmp_path / "e.csv").write_text("\n".join(lines))
    run = tmp_path / "run"
    options = ["--index", "PQ2x4", "--dim", "4", "--steps", "4", "--baselines", "none", "--device", "cpu"]
    assert main(["train", "--interactions", str(tmp_path / "e.csv"), "--out", str(run), *options]) == 0
    capsys.readouterr()
    assert "007" in poeem.open(run).ids
    assert asked(capsys, "search", str(run), "--user", "001")["results"]


def test_a_finished_run_is_resumed_by_another_path_to_the_same_file(run, file, options, capsys, monkeypatch):
    monkeypatch.chdir(file.parent)
    before = json.loads((run / "metrics.json").read_text())
    after = asked(capsys, "train", "--interactions", file.name, "--out", str(run), *options, "--resume")
    assert after["index"] == before["index"]
    assert after["dataset"] == file.name


@pytest.mark.parametrize("begun", [False, True])
def test_an_interrupted_run_is_kept_only_if_it_had_begun(begun, tmp_path, capsys, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("poeem.cli.train._read", interrupt)
    if begun:
        (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    assert main(["train", "--dataset", "ml-1m", "--index", "PQ2x4", "--out", str(tmp_path / "run")]) == 130
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "poeem: interrupted"
    assert ("--resume" in said[0]) == begun


def test_explain_starts_from_the_figures_of_the_run(run, tmp_path, capsys):
    metrics = json.loads((run / "metrics.json").read_text())
    found = asked(capsys, "explain", str(run))
    for measure, name in (("labels", "recall@100"), ("neighbours", "neighbour_recall@10")):
        one = found["measures"][measure]
        assert one["name"] == name
        # Labels are counted from the float twin, neighbours are those of the run's own vectors.
        exact = metrics["float"] if measure == "labels" else metrics["joint_float"]
        assert one["exact"] == pytest.approx(exact[name], abs=1e-6)
        assert one["served"] == pytest.approx(metrics["index"][name], abs=1e-6)
        assert one["ceiling"] == pytest.approx(metrics["index_full_probe"][name], abs=1e-6)
        assert sum(step["loss"] for step in one["steps"]) == pytest.approx(one["loss"])
    # So few items that recall@100 hardly feels what is masked.
    workload, loaded = read_workload(run), load_run(run)
    numbers = np.flatnonzero(loaded.rows >= 0)
    assert workload.available is not None
    assert workload.queries.seen is not None
    np.testing.assert_array_equal(workload.available, loaded.split.seen_in_training[numbers])
    history = loaded.split.test.history
    assert [numbers[workload.queries.seen[row]].tolist() for row in range(20)] == [
        history[row].tolist() for row in range(20)
    ]
    # The exported file, with integers for the string ids, is the same index.
    asked(capsys, "export", str(run), "--out", str(tmp_path / "x.faiss"), "--no-fastscan")
    again = asked(capsys, "explain", str(run), "--faiss", str(tmp_path / "x.faiss"))
    assert again["measures"]["neighbours"]["steps"] == found["measures"]["neighbours"]["steps"]
    assert again["notes"] == found["notes"]
    assert found["twin"]
    assert again["twin"]
    assert found["recalls"] == {
        "index": metrics["index"]["recall@100"],
        "opq": metrics["baselines"]["opq"]["recall@100"],
    }
