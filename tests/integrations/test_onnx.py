"""ONNX files of an index and of text runs, run by onnxruntime."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import poeem
from poeem.data.pairs.text_pairs import read_text_pairs
from poeem.integrations.onnx import export_index, export_texts
from poeem.training.recipes.pairs import train_pairs
from tests.texts import small_table, small_texts, write_bert

for package in ("onnx", "onnxscript", "sentence_transformers"):
    pytest.importorskip(package, exc_type=ImportError)
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter warns about torch itself
QUERIES, ITEMS = small_texts()


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def ready(spec: str, metric: str) -> poeem.EmbeddingIndex:
    index = poeem.EmbeddingIndex(16, spec, metric=metric)
    index.warm_start(sample(600))
    return index


def sample(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(seed))


def differing(found, expected) -> float:
    """Share of rows that differ: at most those whose nearest codewords are equally near up to rounding."""
    return float((found.reshape(len(found), -1) != expected.numpy().reshape(len(found), -1)).any(1).mean())


@pytest.mark.parametrize(("spec", "metric"), [("OPQ4,IVF8,PQ4x4", "cosine"), ("IVF8,RQ3x4", "ip")])
def test_codes_and_lists_of_an_index(spec, metric, tmp_path):
    index = ready(spec, metric)
    report = export_index(index, tmp_path / "items.onnx")
    assert report.rows == 1000
    assert report.differing <= 0.005
    assert index.training  # as before
    for n in (1, 333):
        x = sample(n, seed=n)
        codes, lists = session(tmp_path / "items.onnx").run(None, {"x": x.numpy()})
        expected, expected_lists = index.encode(x)
        assert (codes.dtype, lists.dtype) == (np.uint8, np.int32)
        assert differing(codes, expected) <= 0.005
        assert differing(lists, expected_lists) <= 0.005


def test_the_end_of_a_tower_is_in_the_file(tmp_path):
    index, tower = ready("RQ2x4", "cosine"), nn.Sequential(nn.Linear(5, 16), nn.Tanh())
    x = torch.randn(50, 5)
    report = export_index(index, tmp_path / "items.onnx", tower=tower, example=x)
    assert report.differing <= 0.02
    (codes,) = session(tmp_path / "items.onnx").run(None, {"x": x.numpy()})
    assert differing(codes, index.encode(tower(x))[0]) <= 0.02
    index.warm_start(sample(600, seed=1))  # another index gives other codes
    assert differing(codes, index.encode(tower(x))[0]) > 0.5


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    rows = [json.dumps({"query": query, "item": item}) for query, item in zip(QUERIES, ITEMS)]
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return read_text_pairs(path)


@pytest.mark.parametrize("kind", ["static", pytest.param("transformer", marks=pytest.mark.slow)])
def test_a_text_run(kind, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("poeem.data.encoders.token_table.token_table", small_table)
    options = {"spec": "RQ2x4", "steps": 6, "batch_size": 64, "show": False, "device": "cpu", "baselines": ()}
    if kind == "static":
        options["dim"] = 16
    else:
        write_bert(tmp_path / "bert")
        options["encoder"] = str(tmp_path / "bert")
    train_pairs(pairs, tmp_path / "run", **options)
    run = poeem.load(tmp_path / "run")
    report = export_texts(run, tmp_path / "onnx")
    assert report.rows == 240
    assert report.differing <= 0.01
    assert report.worst_error <= 1e-5
    assert json.loads((tmp_path / "onnx" / "texts.json").read_text())["spec"] == "RQ2x4"

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tmp_path / "onnx" / "tokenizer.json"))
    encodings = tokenizer.encode_batch(["q1w2 q1w3", "t4w1 t4w2 t4w2 unknown t4w0"])
    inputs = {"ids": [one.ids for one in encodings], "mask": [one.attention_mask for one in encodings]}
    found = session(tmp_path / "onnx" / "queries.onnx").run(None, inputs)[0]
    expected = run.encode_queries(["q1w2 q1w3", "t4w1 t4w2 t4w2 unknown t4w0"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: export_index(ready("RQ2x4", "ip"), f, tower=nn.Linear(5, 16)), "example must be given with a tower"),
        (lambda f: export_index(ready("RQ2x4", "ip"), f, example=sample(1)), "must have at least two rows"),
    ],
)
def test_what_is_refused(call, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "items.onnx")
    assert not list(tmp_path.iterdir())


def test_an_index_before_its_warm_start_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="has not been warm-started"):
        export_index(poeem.EmbeddingIndex(16, "RQ2x4"), tmp_path / "items.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("poeem.integrations.onnx.write.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'poeem-torch\[onnx\]'"):
        export_index(ready("RQ2x4", "ip"), tmp_path / "items.onnx")
