"""The report of interactions, of a fit and of a bundle."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from poeem.cli.main import main
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.recipes.interactions import train_interactions
from poeem.training.recipes.vector_files import fit_files
from tests.report.page import Page, page_of
from tests.training.conftest import small  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("run") / "run"
    options = {"dim": 8, "steps": 60, "batch_size": 64, "lr": 0.01, "device": "cpu", "show": False}
    train_interactions(small, spec="OPQ2,IVF4,PQ2x4", out=out, baselines=["pq"], **options)
    return out


def test_a_run_of_interactions(run, capsys):
    assert main(["report", str(run), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    page = Page((run / "report.html").read_text())
    assert said == {"out": str(run / "report.html"), "bytes": (run / "report.html").stat().st_size}
    assert page.sections == [
        "Figures on the test queries",
        "recall@100 against bytes and time",
        "Training",
        "Where recall is lost, and what would recover it",
        "Recall against the time of a query",
        "Lists and codewords",
        "Examples",
    ]
    metrics = json.loads((run / "metrics.json").read_text())
    low, high = metrics["index"]["intervals"]["recall@10"]
    interval = f"{metrics['index']['recall@10']:.3f} ({low:.3f}-{high:.3f})".replace("(0.", "(.").replace("-0.", "-.")
    assert interval in page.text
    assert "pq, post-hoc" in page.text
    assert "What is lost" in page.text
    curves = [label.split(":")[0] for label in page.labels if "by step" in label]
    assert curves[:4] == ["loss by step", "distortion by step", "ndcg@10 by step", "perplexity by step"]
    assert "user u" in page.text
    assert "Title of i" in page.text
    # The charts of a page that is written again are the same; only times are measured anew.
    assert page_of(run).labels[:3] == page.labels[:3]


def test_a_fit_with_its_vectors_and_without(tmp_path):
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((30, 16))
    items = (topics[rng.integers(0, 30, 400)] + 0.5 * rng.standard_normal((400, 16))).astype(np.float32)
    np.save(tmp_path / "items.npy", items)
    np.save(tmp_path / "queries.npy", items[:200] + 0.1 * rng.standard_normal((200, 16)).astype(np.float32))
    files = {"queries": tmp_path / "queries.npy"}
    fit_files(tmp_path / "items.npy", tmp_path / "fit", **files, spec="PQ4x4", epochs=2, patience=5, show=False)
    page = page_of(tmp_path / "fit")
    assert page.sections == [
        "Figures on the test queries",
        "neighbour_recall@10 against bytes and time",
        "Training",
        "Lists and codewords",
    ]
    assert "Losses and examples need the vectors" in page.text
    assert any(label.startswith("loss by step") for label in page.labels)
    page = page_of(tmp_path / "fit", vectors=tmp_path / "items.npy", queries=tmp_path / "queries.npy")
    assert page.sections[-1] == "Examples"
    assert page.text.count("exact search") >= 6


def test_a_bundle_alone(tmp_path):
    x = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    layer = EmbeddingIndex(8, "PQ2x4", metric="l2")
    layer.warm_start(x)
    layer.eval().bundle([f"<b>{i}</b>" for i in range(200)], x, tmp_path / "bundle")
    assert page_of(tmp_path / "bundle").sections == ["Lists and codewords"]
    np.save(tmp_path / "x.npy", x.numpy())
    page = page_of(tmp_path / "bundle", vectors=tmp_path / "x.npy")
    assert "<b>17</b>" in page.text or "<b>18</b>" in page.text  # as text, not as an element


def test_a_run_whose_vectors_do_not_fit_its_codes_has_a_note(run, monkeypatch, tmp_path):
    def refuse(workload, options):
        raise ValueError("vectors are not those of the items")

    monkeypatch.setattr("poeem.report.build.explain_workload", refuse)
    page = page_of(run, explain=True)
    assert "could not be measured: vectors are not those of the items" in page.text
    assert page.sections[-1] == "Examples"


def test_what_cannot_be_reported_is_one_line(run, tmp_path, capsys):
    assert main(["report", str(tmp_path / "none")]) == 2
    assert "no bundle at" in capsys.readouterr().err
    for file, text, message in (
        ("metrics.json", "{", "metrics.json' cannot be read"),
        ("metrics.json", '{"index": 1}', "metrics.json' cannot be read"),
        ("checkpoints/history.jsonl", "{", "history.jsonl: cannot be read"),
    ):
        path = run / file
        good = path.read_text()
        path.write_text(text)
        try:
            assert main(["report", str(run), "--no-explain", "--out", str(tmp_path / "x.html")]) == 2
        finally:
            path.write_text(good)
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "x.html").exists()
