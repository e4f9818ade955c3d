"""Query maps: two models that see the same things through other axes, and an index of the older one."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import poeem
from poeem.bundle import open_bundle, write_bundle
from poeem.cli.main import main
from poeem.engines.reference import ReferenceScorer
from poeem.training.query_map import MixedIndex, QueryMap, fit_query_map
from poeem.training.query_map.fit import rows_by_use

RNG = np.random.default_rng(3)
# What a model sees of 6 hidden factors: the old one in 8 dimensions, where some are weaker, the new one in 12.
OLD_MODEL = np.diag([1, 1, 1, 1, 0.8, 0.6]) @ np.linalg.qr(RNG.standard_normal((8, 8)))[0][:6]
NEW_MODEL = np.linalg.qr(RNG.standard_normal((12, 12)))[0][:6]
ITEMS, QUERIES = RNG.standard_normal((300, 6)), RNG.standard_normal((400, 6))


def seen(model, factors):
    return (factors @ model).astype(np.float32)


def coded(folder, vectors, metric="cosine", ids=None):
    index = poeem.EmbeddingIndex(vectors.shape[1], "RQ4x4", metric=metric)
    index.warm_start(poeem_tensor(vectors))
    return index.eval().bundle(range(len(vectors)) if ids is None else ids, vectors, folder)


def poeem_tensor(array):
    import torch

    return torch.from_numpy(array)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return coded(tmp_path_factory.mktemp("old") / "bundle", seen(OLD_MODEL, ITEMS))


@pytest.fixture(scope="module")
def query_map(old):
    new = seen(NEW_MODEL, QUERIES)
    return fit_query_map(old, new, seen(OLD_MODEL, QUERIES), items_new=seen(NEW_MODEL, ITEMS))


def test_mapped_queries_find_what_old_ones_found(old, query_map):
    fresh = RNG.standard_normal((50, 6))
    scorer = ReferenceScorer(old)
    rows = scorer.search(query_map(seen(NEW_MODEL, fresh)), 5)[1]
    expected = scorer.search(seen(OLD_MODEL, fresh), 5)[1]
    assert (rows[:, :, None] == expected[:, None]).any(1).mean() > 0.8
    assert query_map.dims == (12, 8)
    facts = query_map.facts
    assert facts["kept"] == max(facts["candidates"].values()) > 0.8
    assert facts["candidates"]["rank 2"] < facts["candidates"]["linear, ridge 0.001"]  # 6 factors do not fit in 2
    assert facts["re_embedding"]["mapped"] <= facts["re_embedding"]["full"] + 0.2


def test_a_network_is_chosen_where_the_models_differ_by_a_curve(tmp_path):
    factors = RNG.standard_normal((4000, 3)).astype(np.float32)
    old = np.c_[np.tanh(2 * factors), factors[:, :1] * factors[:, 1:2]].astype(np.float32)
    bundle = coded(tmp_path / "curve", old[:300], metric="ip")
    found = fit_query_map(bundle, factors, old)
    assert found.facts["kind"] == "network of 256"


def test_the_map_comes_back_from_its_folder(query_map, old, tmp_path):
    query_map.write(tmp_path / "map")
    again = QueryMap.read(tmp_path / "map")
    x = seen(NEW_MODEL, QUERIES[:7])
    np.testing.assert_array_equal(again(x), query_map(x))
    assert again.facts == query_map.facts
    again.check(old)
    other = coded(tmp_path / "other", seen(OLD_MODEL, ITEMS[:200]))
    with pytest.raises(ValueError, match="fitted for another index"):
        again.check(other)
    (tmp_path / "map" / "query_map.safetensors").write_bytes(b"x" * 50)
    with pytest.raises(ValueError, match="holds no query map"):
        QueryMap.read(tmp_path / "map")


def test_rows_by_use_counts_reciprocal_ranks(old, query_map):
    queries = seen(NEW_MODEL, QUERIES[:20])
    rows, use = rows_by_use(old, query_map, queries, k=3)
    expected = np.zeros(len(old))
    for found in ReferenceScorer(old).search(query_map(queries), 3)[1]:
        for rank, row in enumerate(found, start=1):
            expected[row] += 1 / rank
    np.testing.assert_allclose(use, expected[rows])
    assert (np.diff(use) <= 0).all()
    assert set(rows.tolist()) == set(np.flatnonzero(expected).tolist())


def share_of_best(ids, queries):
    """Share of the new model's 10 best items among those found."""
    items, vectors = seen(NEW_MODEL, ITEMS), seen(NEW_MODEL, queries)
    exact = np.argsort(-(vectors @ items.T) / np.linalg.norm(items, axis=1), axis=1)[:, :10]
    return (ids[:, :, None] == exact[:, None]).any(1).mean()


def test_rows_of_both_models_are_searched_together(old, query_map, tmp_path):
    queries, sample = seen(NEW_MODEL, QUERIES[:60]), seen(NEW_MODEL, QUERIES[60:200])
    vectors, found = seen(NEW_MODEL, ITEMS), {}
    for share in (0.1, 0.5, 1.0):
        ids = np.arange(int(share * len(ITEMS)))
        new = coded(tmp_path / f"new{share}", vectors[ids], ids=ids)
        found[share] = MixedIndex(old, new, query_map, sample).search(queries, 10)
    scores, ids = found[1.0]
    # All rows are new: the results are those of the new index.
    expected_scores, expected = ReferenceScorer(open_bundle(tmp_path / "new1.0")).search(queries, 10)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    mixed = share_of_best(found[0.5][1], QUERIES[:60])
    full, mapped = share_of_best(ids, QUERIES[:60]), share_of_best(found[0.1][1], QUERIES[:60])
    assert mixed > min(full, mapped) - 0.1
    # Neither half is preferred: half of the results come from each, up to noise.
    assert 0.35 < (found[0.5][1] < 150).mean() < 0.65


def test_the_scores_of_old_rows_are_brought_to_the_new_scale(old, query_map, tmp_path):
    # The new index has the old vectors, scaled: the two numbers are then known.
    arrays = {name: array * (3.0 if name == "codebooks" else 1.0) for name, array in old.arrays.items()}
    new = write_bundle(
        tmp_path / "new", spec=old.spec, metric="cosine", dim=8, arrays=arrays, ids=old.ids, codes=old.codes
    )
    same = QueryMap({"weight": np.eye(8, dtype=np.float32), "bias": np.zeros(8, np.float32)}, "cosine", old.fingerprint)
    mixed = MixedIndex(old, new, same, seen(OLD_MODEL, QUERIES[:50]))
    assert mixed.scale == pytest.approx(3, rel=1e-5)
    assert mixed.offset == pytest.approx(0, abs=1e-5)


@pytest.fixture
def files(old, tmp_path):
    np.save(tmp_path / "new.npy", seen(NEW_MODEL, QUERIES))
    np.save(tmp_path / "old.npy", seen(OLD_MODEL, QUERIES))
    np.save(tmp_path / "items.npy", seen(NEW_MODEL, ITEMS))
    return tmp_path


def test_the_commands(old, files, capsys):
    fit = ["fit", "--index-of", str(old.path), "--queries-new", str(files / "new.npy")]
    fit += ["--queries-old", str(files / "old.npy"), "--items-new", str(files / "items.npy")]
    assert main([*fit, "--out", str(files / "map"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"kept", "re_embedding", "candidates"} <= set(facts)
    rows = pq.read_table(files / "map" / "rows_by_use.parquet")
    assert rows.num_rows == facts["rows_by_use"]
    assert main([*fit, "--out", str(files / "map2")]) == 0
    assert "none: mapped queries" in capsys.readouterr().out
    search = ["search", str(old.path), "--queries", str(files / "new.npy"), "-k", "5", "--out", str(files / "r.npz")]
    assert main([*search, "--map", str(files / "map")]) == 0
    query_map = QueryMap.read(files / "map")
    expected = ReferenceScorer(old).search(query_map(seen(NEW_MODEL, QUERIES)), 5)[1]
    np.testing.assert_array_equal(np.load(files / "r.npz")["ids"], expected)


FIT = ["--index-of", "OLD", "--queries-new", "new.npy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queries-new", "new.npy", "--queries-old", "old.npy", "--out", "m"], "give --index-of"),
        (["--index-of", "OLD", "--queries-new", "new.npy", "--out", "m"], "give --queries-old"),
        (["--index-of", "OLD", "--queries-new", "new.npy", "--queries-old", "new.npy", "--out", "m"], "dim=8"),
        (
            ["--index-of", "OLD", "--queries-new", "items.npy", "--queries-old", "old.npy", "--out", "m"],
            "must be the same queries, row by row",
        ),
        (
            [*FIT, "--queries-old", "old.npy", "--items-new", "old.npy", "--out", "m"],
            "items_new (dim=8) must be as wide as queries_new (dim=12)",
        ),
        (
            ["--index-of", "OLD", "--queries-new", "new.npy", "--queries-old", "old.npy", "--items", "x", "--out", "m"],
            "--items does not go with --index-of",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(old, files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    assert main(["fit", *(str(old.path) if one == "OLD" else one for one in arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (files / "m").exists()
