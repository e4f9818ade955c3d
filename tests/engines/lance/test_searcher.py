"""Rows that come and go, filters, stock tools over an exported dataset, and datasets that are not what they seem."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("lance", reason="engine 'lance' needs pylance: pip install 'poeem-torch[lance]'")

import lance
import pyarrow as pa
import torch

import poeem
from poeem.engines.lance import open_lance
from poeem.engines.reference import ReferenceScorer

LISTS = 8


@pytest.fixture
def fitted(tmp_path):
    """An index fitted to 2000 vectors near 40 centres, exported."""

    def make(spec="OPQ4,IVF8,PQ4", metric="l2"):
        rng = np.random.default_rng(0)
        vectors = rng.standard_normal((40, 16))[rng.integers(0, 40, 2000)] + 0.3 * rng.standard_normal((2000, 16))
        vectors = vectors.astype("float32")
        index = poeem.EmbeddingIndex(dim=16, spec=spec, metric=metric)
        index.warm_start(torch.from_numpy(vectors))
        columns = pa.table({"category": np.arange(2000) % 5})
        bundle = index.eval().bundle(np.arange(2000), torch.from_numpy(vectors), tmp_path / "bundle", columns=columns)
        poeem.export(bundle, "lance", tmp_path / "items.lance", vectors=vectors, nprobe=4)
        return index, bundle, vectors, tmp_path / "items.lance"

    return make


@pytest.mark.parametrize(
    ("spec", "metric"),
    [
        ("OPQ4,IVF8,PQ4", "l2"),
        ("OPQ4,PQ4x4", "cosine"),
        ("PQ4", "ip"),
        ("OPQ4,IVF8,PQ4", "cosine"),
        ("IVF8,PQ4x4", "ip"),
    ],
)
def test_new_rows_are_coded_by_the_trained_words(fitted, spec, metric):
    index, bundle, vectors, path = fitted(spec, metric)
    searcher = open_lance(path, bundle)
    rng = np.random.default_rng(7)
    queries = rng.standard_normal((4, 16))
    before = dict(zip(*(one[0].tolist() for one in reversed(searcher.search(queries[:1], 2000, LISTS)))))
    new = (vectors[rng.integers(0, 2000, 300)] + 0.1 * rng.standard_normal((300, 16))).astype("float32")
    new_ids = np.arange(1900, 2200)
    searcher.upsert(new_ids, new, pa.table({"category": np.full(300, 9)}))
    assert len(searcher) == 2200
    assert searcher.delete([0, 1, 5000]) == 2
    # Not coded yet: found at once, by the vectors themselves.
    scores, ids = searcher.search(new[:3], 1, LISTS, refine_factor=10)
    if metric != "ip":
        assert ids[:, 0].tolist() == [1900, 1901, 1902]
    for _ in range(2):
        searcher.optimize()
        scores, ids = searcher.search(queries, 2198, LISTS)
        codes, lists = index.encode(torch.from_numpy(new))
        decoded = index.decode(codes, lists).detach().double().numpy()
        for i, query in enumerate(queries):
            found = dict(zip(ids[i].tolist(), scores[i].tolist()))
            assert len(found) == 2198
            if metric == "l2":
                expected = ((decoded - query) ** 2).sum(1)
            else:
                expected = decoded @ (query / np.linalg.norm(query) if metric == "cosine" else query)
            own = np.array([found[number] for number in new_ids.tolist()])
            # A vector as near to two words may take the other one.
            assert np.mean(np.abs(own - expected) > 1e-5 * np.abs(expected).max()) < 0.01
            if i == 0:
                for number in range(2, 1900):
                    assert found[number] == pytest.approx(before[number], abs=1e-4)
    assert searcher.dataset.stats.index_stats("vector_idx")["num_unindexed_rows"] == 0
    # What says whose index it is has come along.
    assert open_lance(path, bundle).trained.facts == searcher.trained.facts


def test_many_rounds_stay_one_index(fitted):
    _, bundle, vectors, path = fitted()
    searcher = open_lance(path, bundle)
    for i in range(4):
        searcher.add(np.arange(100) + 10_000 + 100 * i, vectors[:100] + 0.01)
        searcher.optimize()
    assert searcher.dataset.stats.index_stats("vector_idx")["num_indices"] == 1
    assert len(open_lance(path, bundle)) == 2400
    scores, _ = searcher.search(vectors[:2], 50, LISTS)
    searcher.dataset.optimize.compact_files()
    searcher.dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
    again = open_lance(path).search(vectors[:2], 50, LISTS)
    np.testing.assert_array_equal(again[0], scores)


def test_many_rows_are_indexed_while_some_are_deleted(make_bundle, tmp_path):
    bundle = make_bundle("IVF8,PQ2", "ip", dim=4, rows=150_000)
    decoded = ReferenceScorer(bundle).decode()
    poeem.export(bundle, "lance", tmp_path / "items.lance", vectors=decoded)
    searcher = open_lance(tmp_path / "items.lance", bundle)
    query = np.ones((1, 4))
    scores, ids = searcher.search(query, 3000, LISTS)
    assert searcher.delete(ids[0, :1000]) == 1000
    searcher.optimize()
    np.testing.assert_allclose(searcher.search(query, 2000, LISTS)[0][0], scores[0, 1000:], rtol=1e-4)


def test_a_filter_comes_before_the_search(fitted):
    _, _, vectors, path = fitted()
    searcher = open_lance(path)
    scores, ids = searcher.search(vectors[:5], 10, LISTS, filter="category = 3")
    assert (ids % 5 == 3).all()
    assert np.isfinite(scores).all()
    everything, order = searcher.search(vectors[:1], 2000, LISTS)
    assert ids[0].tolist() == order[0][order[0] % 5 == 3][:10].tolist() or np.allclose(
        scores[0], everything[0][order[0] % 5 == 3][:10]
    )
    with pytest.raises(ValueError, match=r"filter \(='colour = 3'\) is not understood by Lance"):
        searcher.search(vectors[:1], 10, filter="colour = 3")


def test_lances_own_validation_passes_as_it_is(fitted):
    # Its criterion is a vector's distance 0 to itself, so not for `dot`, that is flat `ip`.
    for metric in ("l2", "cosine", "ip"):
        dataset = lance.dataset(str(fitted("OPQ4,IVF8,PQ4", metric)[3]))
        lance.util.validate_vector_index(dataset, "vector", refine_factor=50, sample_size=60)


def test_stock_lancedb_opens_it(fitted):
    lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed: pip install 'poeem-torch[lance]'")
    _, bundle, vectors, path = fitted()
    table = lancedb.connect(path.parent).open_table("items")
    assert [index.name for index in table.list_indices()] == ["vector_idx"]
    rotated = vectors[:3] @ bundle.arrays["rotation"]
    expected = open_lance(path).search(vectors[:3], 5, LISTS)[1]
    for query, ids in zip(rotated, expected):
        found = table.search(query).nprobes(LISTS).limit(5).select(["id", "_distance"]).to_arrow()
        assert found["id"].to_pylist() == ids.tolist()
    found = table.search(rotated[0]).where("category = 2", prefilter=True).refine_factor(5).limit(5).to_arrow()
    assert set(found["category"].to_pylist()) == {2}


def test_an_index_that_others_have_trained_anew_is_refused(fitted):
    _, bundle, vectors, path = fitted()
    searcher, queries = open_lance(path), np.random.default_rng(0).standard_normal((2, 16))
    searcher.add(np.arange(10) + 10_000, vectors[:10])
    searcher.optimize()
    before = searcher.search(queries, 50, LISTS)[0]
    searcher.add([20_000], vectors[:1])
    searcher.delete([20_000])
    # Lists of 250 rows are too small for Lance's taste.
    lance.dataset(str(path)).optimize.optimize_indices()
    with pytest.raises(ValueError, match="no longer the trained one: it has 1 lists, not those of OPQ4,IVF8,PQ4"):
        open_lance(path, bundle)
    searcher = open_lance(path, bundle, rebuild=True)
    np.testing.assert_allclose(searcher.search(queries, 50, LISTS)[0], before, rtol=1e-6)
    assert len(open_lance(path, bundle)) == 2010


def test_rows_of_other_tools_are_coded_too(fitted):
    _, bundle, vectors, path = fitted("OPQ4,PQ4", "ip")
    searcher = open_lance(path)
    rows = searcher.trained.stored(searcher.trained.rotated(vectors[:5] + 0.01))
    columns = {
        "id": np.arange(5) + 10_000,
        "category": np.full(5, 7),
        "code": pa.nulls(5, searcher.dataset.schema.field("code").type),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 16),
    }
    lance.write_dataset(pa.table(columns, schema=searcher.dataset.schema), str(path), mode="append")
    # Under `dot` Lance codes new rows by the word of the largest inner product: scores that nobody trained for.
    lance.dataset(str(path)).optimize.optimize_indices()
    query = np.random.default_rng(1).standard_normal(16)
    expected = [query @ row for row in decoded_rows(searcher, vectors[:5] + 0.01)]

    def own(searcher):
        scores, ids = searcher.search(query[None], 2005)
        found = dict(zip(ids[0].tolist(), scores[0].tolist()))
        return [found[10_000 + i] for i in range(5)]

    assert np.abs(np.subtract(own(open_lance(path)), expected)).max() > 1
    np.testing.assert_allclose(own(open_lance(path, bundle, rebuild=True)), expected, rtol=1e-4, atol=1e-4)


def decoded_rows(searcher, vectors):
    trained = searcher.trained
    codes, _ = trained.encode(trained.rotated(vectors))
    words = np.concatenate([trained.arrays["codebooks"][m][codes[:, m]] for m in range(codes.shape[1])], axis=1)
    return words @ trained.arrays["rotation"].T


def test_other_trainings_and_damaged_folders_are_refused(fitted, tmp_path, make_bundle):
    _, bundle, _, path = fitted()
    other = dataclasses.replace(bundle, fingerprint="0" * 64)
    with pytest.raises(ValueError, match="was written from another training"):
        open_lance(path, other)
    with pytest.raises(FileNotFoundError, match="no Lance dataset at"):
        open_lance(tmp_path / "nowhere")
    moved = tmp_path / "elsewhere.lance"
    shutil.copytree(path, moved)
    assert len(open_lance(moved, bundle)) == 2000
    (moved / "poeem.safetensors").unlink()
    with pytest.raises(ValueError, match="queries go through its arrays; copy the whole folder"):
        open_lance(moved)
    lance.write_dataset(pa.table({"id": [1]}), str(tmp_path / "foreign.lance"))
    with pytest.raises(ValueError, match="is a Lance dataset, but of no export"):
        open_lance(tmp_path / "foreign.lance")
    dataset = lance.dataset(str(path))
    dataset.drop_index("vector_idx")
    with pytest.raises(ValueError, match="has no index 'vector_idx' any more"):
        open_lance(path)


def test_mistakes_with_rows_are_refused(fitted):
    _, _, vectors, path = fitted()
    searcher = open_lance(path)
    with pytest.raises(ValueError, match=r"one is in the dataset already \(id = 3\); use upsert to replace"):
        searcher.add([3, 5000], vectors[:2])
    with pytest.raises(ValueError, match="ids: 1 of 2 are there twice"):
        searcher.upsert([7, 7], vectors[:2])
    with pytest.raises(ValueError, match=r"vectors must have shape \(1, 16\)"):
        searcher.upsert([7], vectors[:2])
    with pytest.raises(ValueError, match="vectors: row 0 is not finite"):
        searcher.upsert([7], vectors[:1] * np.nan)
    with pytest.raises(ValueError, match="ids must be integers as in the dataset"):
        searcher.delete(["7"])
    with pytest.raises(ValueError, match="the dataset has no 'colour'; it has category"):
        searcher.upsert([7], vectors[:1], pa.table({"colour": [1]}))
    with pytest.raises(ValueError, match=r"refine_factor \(=0\) must be a whole number"):
        searcher.search(vectors[:1], 10, refine_factor=0)
    assert len(searcher) == 2000


def test_longer_vectors_than_there_is_room_for_are_refused(fitted):
    _, _, vectors, path = fitted("OPQ4,IVF8,PQ4", "ip")
    searcher = open_lance(path)
    with pytest.raises(ValueError, match=r"a squared norm of .* is more than the dataset has room for"):
        searcher.add([10_000], 5 * vectors[:1])
    assert len(searcher) == 2000


def test_the_command_writes_a_dataset(fitted, tmp_path, capsys):
    from poeem.cli.main import main

    _, bundle, vectors, path = fitted()
    np.save(tmp_path / "v.npy", vectors)
    words = ["export", bundle.path, "--engine", "lance", "--vectors", tmp_path / "v.npy", "--out", path, "--json"]
    assert main([str(word) for word in words]) == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "lance"
    assert main(["export", str(bundle.path), "--engine", "lance", "--out", str(path)]) == 2
    assert "pass vectors= (--vectors V.npy)" in capsys.readouterr().err
    words = ["export", bundle.path, "--engine", "lance", "--out", path, "--fastscan"]
    assert main([str(word) for word in words]) == 2
    assert "engine 'lance' has no option 'fastscan'" in capsys.readouterr().err
