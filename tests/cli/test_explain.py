"""``poeem explain``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from poeem.cli.main import main
from poeem.layers.embedding_index import EmbeddingIndex


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    items = (rng.standard_normal((1200, 4)) @ rng.standard_normal((4, 8))).astype("float32")
    items += 0.1 * rng.standard_normal(items.shape).astype("float32")
    index = EmbeddingIndex(8, "IVF8,PQ4x4", metric="cosine")
    index.warm_start(torch.from_numpy(items))
    index.eval().bundle(np.arange(1200), items, path / "run" / "bundle")
    np.save(path / "items.npy", items)
    np.save(path / "queries.npy", items[:100] + 0.1)
    return path


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def files(folder):
    return "--items", folder / "items.npy", "--queries", folder / "queries.npy"


def test_explain(folder, capsys):
    code, out, err = run(capsys, "explain", folder / "run", *files(folder), "--nprobe", 1, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["spec"], found["nprobe"], found["items"], found["queries"]) == ("IVF8,PQ4x4", 1, 1200, 100)
    neighbours = found["measures"]["neighbours"]
    lost = neighbours["exact"] - neighbours["served"]
    assert sum(step["loss"] for step in neighbours["steps"]) == pytest.approx(lost)
    assert sum(neighbours["causes"].values()) == pytest.approx(lost)
    assert found["next"] in found["remedies"]
    assert err.startswith("explain: ")
    code, out, _ = run(capsys, "explain", folder / "run", *files(folder), "--nprobe", 1)
    assert code == 0
    for message in ("What is lost", "the index as it is served", "Main cause: ", "Change next: ", "-> "):
        assert message in out


def test_explain_with_a_target(folder, capsys):
    arguments = ("explain", folder / "run", *files(folder), "--target", "recall=0.9")
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["target"] == {"recall": 0.9}
    assert found["choice"]["recall"] >= 0.9
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "Search with nprobe" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name what to explain"),
        (("nowhere",), "nowhere"),
        (("run",), "holds codes, no float vectors"),
        (("run", "--items", "items.npy", "--target", "speed=1"), "target (='speed=1') must be one of"),
        (("run", "--items", "queries.npy"), "must be (1200, 8)"),
        (("run", "--items", "items.npy", "--faiss", "none.faiss"), "none.faiss"),
    ],
)
def test_mistakes(folder, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    code, out, err = run(capsys, "explain", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
