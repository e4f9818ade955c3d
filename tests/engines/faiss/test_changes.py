"""Rows of a faiss index change, and the next search knows."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

import poeem
from poeem.engines.faiss.read import from_faiss
from poeem.engines.faiss.searcher import FaissSearcher, open_engine
from poeem.layers.embedding_index import EmbeddingIndex

CASES = [
    ("OPQ4,IVF8,PQ4x4", "cosine"),
    ("IVF8,PQ4", "l2"),
    ("IVF8,PQ4x5", "ip"),
    ("OPQ4,PQ4x4", "ip"),
    ("PQ4x4", "l2"),
    ("RQ3x4", "l2"),
    ("IVF8,RQ3x4", "ip"),
    ("IVF8,RQ2x5", "l2"),
    ("RQ3x5", "cosine"),
]


def vectors(n, seed):
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(seed)) + 0.2


def built(path, spec, metric, strings=False, **options):
    layer = EmbeddingIndex(16, spec, metric=metric)
    layer.warm_start(vectors(1000, 0))
    ids = np.arange(1000) + 50
    bundle = layer.eval().bundle([f"i{one}" for one in ids] if strings else ids, vectors(1000, 0), path / "b")
    return layer, bundle, FaissSearcher(poeem.engines.faiss.build.build_index(bundle, **options), bundle)


def expected(layer, bundle, rows, queries, k):
    """Exact scores in float64 of all rows: id -> vector."""
    codes, lists = layer.encode(torch.stack(list(rows.values())))
    decoded = layer.decode(codes, lists).double().numpy()
    q = queries / np.linalg.norm(queries, axis=1, keepdims=True) if bundle.metric == "cosine" else queries
    scores = q.astype(np.float64) @ decoded.T
    if bundle.metric == "l2":
        scores = -np.square(q[:, None] - decoded[None]).sum(-1)
    best = np.argsort(-scores, axis=1)[:, :k]
    return np.take_along_axis(scores, best, 1) * (-1 if bundle.metric == "l2" else 1)


@pytest.mark.parametrize("from_file", [False, True])
@pytest.mark.parametrize(("spec", "metric"), CASES)
def test_changes_are_found_at_once(tmp_path, spec, metric, from_file):
    layer, bundle, engine = built(tmp_path, spec, metric)
    if from_file:  # no bundle: the arrays come out of the index
        faiss.write_index(engine.index, str(tmp_path / "f"))
        engine = open_engine(tmp_path / "f")
    rows = dict(zip(bundle.ids.tolist(), vectors(1000, 0)))
    queries = vectors(20, 5).numpy()
    for step in range(4):
        new = vectors(3, 10 + step)
        if step == 0:
            engine.add([1, 2, 2**40], new)
            rows |= zip([1, 2, 2**40], new)
        elif step == 1:
            engine.replace(np.array([50, 2, 60]), new.numpy())
            rows |= zip([50, 2, 60], new)
        elif step == 2:
            engine.delete([1, 70])
            del rows[1], rows[70]
        else:
            engine.add([70, 1, 3], new)
            rows |= zip([70, 1, 3], new)
        assert len(engine) == engine.index.ntotal == len(rows)
        scores, ids = engine.search(queries, 10, nprobe=8)
        np.testing.assert_allclose(scores, expected(layer, bundle, rows, queries, 10), rtol=2e-4, atol=2e-5)
        everything = engine.search(queries[:1], len(rows), nprobe=8)[1][0]
        assert sorted(everything.tolist()) == sorted(rows)
        assert (ids >= 0).all()


@pytest.mark.parametrize("spec", ["OPQ4,IVF8,PQ4x4", "PQ4x4"])
def test_strings(tmp_path, spec):
    _, bundle, engine = built(tmp_path, spec, "cosine", strings=True)
    x = vectors(2, 7)
    engine.add(["new", "ä"], x)
    assert engine.search(x.numpy(), 1000, nprobe=8)[1].shape == (2, 1000)
    assert "new" in engine.search(x[:1].numpy(), 30, nprobe=8)[1][0]
    engine.delete(["new", "i50"])
    found = engine.search(x[:1].numpy(), 1000, nprobe=8)[1][0].tolist()
    assert "new" not in found
    assert "i50" not in found
    engine.replace(["i51"], x[:1])
    assert engine.search(x[:1].numpy(), 5, nprobe=8, only=["i51", "ä"])[1][0].tolist()[:2] == ["i51", "ä"]
    with pytest.raises(ValueError, match="'new' is not among"):
        engine.search(x.numpy(), 5, only=["new"])
    assert len(engine) == 1000
    assert len(bundle) == 1000


@pytest.mark.parametrize("spec", ["IVF8,PQ16x4", "IVF8,RQ16x4", "IVF8,RQ5x4"])
def test_fastscan_with_lists(tmp_path, spec):
    layer, bundle, engine = built(tmp_path, spec, "ip", fastscan=True)
    x = vectors(70, 7)
    engine.add([1, 2], x[:2])
    engine.replace([50], x[:1])
    engine.delete([51, 2])
    found = engine.search(x[:1].numpy(), 1000, nprobe=8)[1][0].tolist()
    assert {1, 50} <= set(found[:40])
    assert sorted(one for one in found if one >= 0) == sorted({*bundle.ids.tolist(), 1} - {51})
    # Many rows, over the ends of blocks: the codes of all rows are those of the layer.
    engine.add(np.arange(2000, 2070), x)
    rows = {**dict(zip(bundle.ids.tolist(), vectors(1000, 0))), **dict(zip(range(2000, 2070), x)), 1: x[0], 50: x[0]}
    del rows[51]
    stored = from_faiss(engine.index)
    codes, lists = layer.encode(torch.stack([rows[one] for one in stored.ids.tolist()]))
    assert len(stored) == len(rows)
    assert (stored.codes == codes.numpy()).mean() > 0.999
    assert (stored.lists == lists.numpy()).mean() > 0.999


@pytest.mark.parametrize(
    ("call", "ids", "x", "message"),
    [
        ("add", [50], np.ones((1, 16)), "50 is there already"),
        ("add", [1, 1], np.ones((2, 16)), "more than once"),
        ("add", ["a"], np.ones((1, 16)), "must be integers"),
        ("add", [1], np.full((1, 16), np.nan), "NaN"),
        ("add", [1], np.full((1, 16), np.inf), "infinity"),
        ("add", [1], np.zeros((1, 16)), "zero"),
        ("add", [1], np.ones((1, 15)), "dim=16"),
        ("replace", [1], np.ones((1, 16)), "1 is not among"),
        ("replace", [50], np.zeros((1, 16)), "zero"),
        ("delete", [50, 1], None, "1 is not among"),
        ("delete", [50, 50], None, "more than once"),
    ],
)
@pytest.mark.parametrize("spec", ["IVF8,PQ4x4", "PQ4x4"])
def test_bad_input_changes_nothing(tmp_path, spec, call, ids, x, message):
    _, _, engine = built(tmp_path, spec, "cosine")
    before = faiss.serialize_index(engine.index).tobytes()
    with pytest.raises(ValueError, match=message):
        getattr(engine, call)(*([ids] if x is None else [ids, x]))
    assert faiss.serialize_index(engine.index).tobytes() == before


def test_what_cannot_be_changed_is_refused(tmp_path):
    _, bundle, _ = built(tmp_path, "IVF8,PQ4x4", "ip")
    poeem.export(bundle, "faiss", tmp_path / "m", fastscan=False)
    poeem.export(bundle, "faiss", tmp_path / "r", refine="fp16", vectors=vectors(1000, 0).numpy())
    poeem.export(bundle, "faiss", tmp_path / "d", on_disk=True)
    for name, options, message in (
        ("r", {}, "refining"),
        ("d", {}, "lists on disk"),
        ("m", {"memory_map": True}, "a mapped file"),
    ):
        with pytest.raises(ValueError, match=message):
            open_engine(tmp_path / name, **options).delete([50])
    _, _, flat = built(tmp_path / "flat", "PQ16x4", "ip", fastscan=True)
    with pytest.raises(ValueError, match="flat FastScan"):
        flat.delete([50])
