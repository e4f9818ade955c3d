"""The recipe for search events on a small log: training, storage, search with conditions, engines, resume."""

from __future__ import annotations

import json
import re

import faiss
import numpy as np
import pytest
import torch

import poeem
from benchmarks.product_search.tiny import tiny_events, tiny_tables
from poeem.data.events.search_events import SearchEvents
from poeem.engines.reference import ReferenceScorer
from poeem.training.events.scores import product_vectors
from poeem.training.options.resolve_events import EventOptions
from poeem.training.recipes.events import train_events
from tests.report.page import page_of

SMALL = {"dim": 16, "batch_size": 64, "heads": 2, "negatives": 64, "recent": 5, "short": 5, "long": 10, "show": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("events") / "run"
    torch.manual_seed(0)
    metrics = train_events(
        tiny_events(), out, spec="PQ8x4", steps=40, lr=1e-2, temperature=0.1, baselines=["pq"], **SMALL
    )
    return out, metrics, poeem.load(out)


def test_the_index_finds_what_was_chosen(run):
    out, metrics, _ = run
    assert json.loads((out / "metrics.json").read_text()) == metrics
    for block in (metrics["float"], metrics["joint_float"], metrics["index"], metrics["baselines"]["pq"]):
        # A user's brand has 20 of the 400 products for a query; chance is 100 / 400.
        assert block["recall@100"] > 0.8
        assert block["p_good@100"] > 0.4  # chance is 0.2
    assert metrics["recipe"] == "events"
    assert metrics["bytes_per_vector"] == 4


def test_a_typed_query_reads_the_user(run):
    _, _, loaded = run
    columns = loaded.bundle.columns
    for user, brand in (("u0", "acme"), ("u3", "delight")):
        _, rows, _ = loaded.search("soup", user, 20)
        best = columns.take(rows[0]).to_pylist()
        assert np.mean([row["category"] == "soup" for row in best]) > 0.7
        assert np.mean([row["brand"] == brand for row in best]) > 0.5


def test_the_report_shows_what_was_typed(run):
    report = page_of(run[0])
    assert {"Figures on the test queries", "Training", "Examples"} <= set(report.sections)
    assert "user u" in report.text
    assert re.search("user u[0-9]+: '(soup|milk|tea|bread|cola)'", report.text)


def test_conditions_come_before_the_cut(run):
    _, _, loaded = run
    columns = loaded.bundle.columns
    scores, rows, found = loaded.search("soup", "u0", 30, where="category = 'tea' AND price < 3")
    expected = np.array(
        [c == "tea" and p < 3 for c, p in zip(columns["category"].to_pylist(), columns["price"].to_pylist())]
    )
    assert found == expected.sum()
    assert (rows >= 0).sum() == min(30, found)
    reference = ReferenceScorer(loaded.bundle).scores(loaded.encode_query("soup", "u0"))[0]
    np.testing.assert_allclose(np.sort(scores[0][:found])[::-1], np.sort(reference[expected])[::-1][:30], atol=1e-5)
    _, rows, found = loaded.search("acme soup", k=100, match_title=True)
    assert found == 20
    assert {columns["brand"][row].as_py() for row in rows[0][rows[0] >= 0].tolist()} == {"acme"}
    _, rows, found = loaded.search("soup", where="price > 100")
    assert (found, set(rows[0].tolist())) == (0, {-1})


def test_bad_queries(run):
    _, _, loaded = run
    for arguments, message in (
        (("  ",), "query is empty"),
        (("soup", "nobody"), r"user \(='nobody'\) is not among the 40 known ones"),
    ):
        with pytest.raises(ValueError, match=message):
            loaded.search(*arguments)
    with pytest.raises(ValueError, match="where names a column 'colour'"):
        loaded.search("soup", where="colour = 'red'")


def test_faiss_serves_the_vectors_of_the_run(run, tmp_path):
    out, _, loaded = run
    poeem.export(out, "faiss", tmp_path / "items.faiss", fastscan=False)
    index = faiss.read_index(str(tmp_path / "items.faiss"))
    scores, _ = index.search(loaded.encode_query("milk", "u1"), 5)
    np.testing.assert_allclose(scores[0], loaded.search("milk", "u1", 5)[0][0], atol=1e-5)


def test_a_stored_run_has_the_vectors_of_its_training(run):
    _, metrics, loaded = run
    vectors = product_vectors(loaded.model, np.arange(loaded.events.n_items))
    codes, _ = loaded.model.index.encode(torch.from_numpy(vectors))
    assert (codes.numpy() == loaded.bundle.codes).all()
    assert len(loaded.query_set()) == metrics["data"]["test_queries"]


def test_options_that_do_not_fit():
    for values, message in (
        ({"steps": 1}, r"steps \(=1\) must be at least 2"),
        ({"steps": 5, "epochs": 1.0}, "both say how long to train"),
        ({"heads": 3}, r"heads \(=3\) must divide dim \(=64\)"),
        ({"metric": "l2", "mixed_negatives": 4}, "mixed_negatives needs metric"),
        ({"codes": "fixed"}, r"codes \(='fixed'\) are not a setting of --events"),
        ({"nprobe": 2}, "goes with inverted lists"),
        ({"temperature": 0.0}, r"temperature \(=0.0\)"),
        ({"mixed_low": 0.9}, "mixed_low first"),
        ({"dropout": 1.0}, r"dropout \(=1.0\)"),
    ):
        with pytest.raises(ValueError, match=message):
            EventOptions.named(**values).settings()


def test_what_training_refuses(tmp_path):
    events, items = tiny_tables(300)
    with pytest.raises(ValueError, match=r"spec \(='PQ8'\) needs at least 256 items, there are"):
        train_events(
            SearchEvents.from_table(events.drop_columns(["event"]).slice(0, 60)),
            tmp_path / "a",
            spec="PQ8",
            steps=2,
            **SMALL,
        )
    with pytest.raises(ValueError, match="category: column 'colour' is missing"):
        train_events(SearchEvents.from_table(events, items), tmp_path / "b", category="colour", steps=2, **SMALL)
    assert not (tmp_path / "b").exists()


def test_lists_and_mixed_negatives(tmp_path):
    metrics = train_events(
        tiny_events(), tmp_path / "run", spec="IVF8,PQ8x4", steps=8, baselines=[], mixed_negatives=4, **SMALL
    )
    assert metrics["nprobe"] == 3
    assert metrics["index_full_probe"] != metrics["index"]
    _, rows, found = poeem.load(tmp_path / "run").search("soup", k=50, where="brand = 'acme'", nprobe=1)
    assert found == 100
    assert (rows >= 0).all()
