"""Workloads from bundles, faiss files and arrays, and inputs that are refused."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poeem.bundle import write_bundle
from poeem.engines.export import export
from poeem.engines.faiss.index_file import UNPROVEN
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import nearest_items
from poeem.evaluation.scorers import FloatScorer
from poeem.explain import explain
from poeem.explain.measures import measure_recall
from poeem.explain.options import SampleOptions
from poeem.explain.refits import bundle_scorer
from poeem.explain.sources import read_workload
from poeem.explain.workload import sample_workload


@pytest.fixture
def folder(fitted, tmp_path):
    good = fitted("OPQ16,IVF32,PQ16x4")
    write_bundle(
        tmp_path / "run" / "bundle",
        spec=good.spec,
        metric=good.metric,
        dim=good.dim,
        arrays=dict(good.arrays),
        ids=[f"i{row}" for row in range(len(good))],
        codes=good.codes,
        lists=good.lists,
        training={"nprobe": 4},
    )
    return tmp_path / "run"


def test_files_in_another_order_are_matched_by_id(folder, items, queries, tmp_path):
    order = np.random.default_rng(0).permutation(len(items))
    vectors = pa.FixedSizeListArray.from_arrays(items[order].ravel(), items.shape[1])
    pq.write_table(pa.table({"id": [f"i{row}" for row in order], "v": vectors}), tmp_path / "items.parquet")
    np.save(tmp_path / "queries.npy", queries)
    # Relevance names rows of the file.
    pairs = pa.table({"query": [0, 1], "item": [5, 6]})
    pq.write_table(pairs, tmp_path / "pairs.parquet")
    workload = read_workload(
        folder,
        vectors=tmp_path / "items.parquet",
        queries=tmp_path / "queries.npy",
        relevance=tmp_path / "pairs.parquet",
    )
    plain = read_workload(folder, vectors=items, queries=queries)
    assert workload.nprobe == 4
    assert workload.bundle.ids[5] == f"i{order[5]}"
    np.testing.assert_array_equal(workload.items[5], plain.items[order[5]])
    np.testing.assert_array_equal(workload.bundle.codes[5], plain.bundle.codes[order[5]])
    assert workload.queries.relevant[0].tolist() == [5]


def test_stock_faiss_file(items, queries, tmp_path):
    index = faiss.index_factory(32, "IVF32,PQ16x4np", faiss.METRIC_L2)
    index.train(items)
    index.add(items)
    index.nprobe = 3
    faiss.write_index(index, str(tmp_path / "stock.faiss"))
    workload = read_workload(vectors=items, queries=queries, faiss=tmp_path / "stock.faiss")
    assert (str(workload.bundle.spec), workload.nprobe, workload.notes) == ("IVF32,PQ16x4", 3, [UNPROVEN])
    assert workload.name == str(tmp_path / "stock.faiss")
    # The recall of the served index is that of faiss's own search.
    workload = sample_workload(workload, SampleOptions(max_queries=400))
    exact = nearest_items(FloatScorer(items, "l2"), workload.queries, 10)
    sample = QuerySet(workload.queries.vectors, neighbours=exact)
    _, rows = index.search(sample.vectors, 10)
    recall = (rows[:, :, None] == exact[:, None]).any(1).mean()
    measured = measure_recall(bundle_scorer(workload.bundle, 3), sample)["neighbours"].mean()
    assert measured == pytest.approx(recall, abs=0.002)


def test_exported_faiss_file_of_a_bundle(folder, items, queries, tmp_path):
    export(folder, "faiss", tmp_path / "x.faiss", nprobe=2, fastscan=False)
    workload = read_workload(folder, vectors=items, queries=queries, faiss=tmp_path / "x.faiss")
    plain = read_workload(folder, vectors=items, queries=queries)
    assert (workload.nprobe, plain.nprobe) == (2, 4)
    assert workload.bundle.ids.tolist() == plain.bundle.ids.tolist()
    np.testing.assert_array_equal(workload.bundle.codes, plain.bundle.codes)
    assert workload.notes == []


def test_note_if_the_search_of_a_file_differs_from_its_codes(items, queries, tmp_path):
    # Behind centroids of free norm, by inner product: faiss probes by product, the lists were made by distance.
    items = items * np.random.default_rng(0).lognormal(0, 0.5, (len(items), 1)).astype(np.float32)
    index = faiss.IndexIVFPQ(faiss.IndexFlatIP(32), 32, 32, 16, 4, faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical = False
    index.train(items)
    index.add(items)
    index.nprobe = 1
    faiss.write_index(index, str(tmp_path / "free.faiss"))
    workload = read_workload(vectors=items, queries=queries, faiss=tmp_path / "free.faiss")
    assert "These figures may be wrong for it" in " ".join(workload.notes)
    assert "nothing proves that it is whole" in " ".join(workload.notes)


def test_items_as_queries(fitted, items):
    workload = read_workload(fitted("OPQ8,PQ8x5"), vectors=items)
    workload = sample_workload(workload, SampleOptions(max_items=2000, max_queries=60))
    np.testing.assert_array_equal(workload.items[workload.queries.self_rows], workload.queries.vectors)
    exact = nearest_items(FloatScorer(workload.items, "l2"), workload.queries, 5)
    assert not (exact == workload.queries.self_rows[:, None]).any()


def test_sample_keeps_relevant_items(fitted, items, queries):
    pairs = np.stack([np.arange(400), np.arange(1500, 1900)], axis=1)
    workload = read_workload(fitted("OPQ8,PQ8x5"), vectors=items, queries=queries, relevance=pairs)
    workload = sample_workload(workload, SampleOptions(max_items=1000, max_queries=100))
    assert (len(workload.items), workload.catalogue) == (1000, 2000)
    assert (len(workload.queries), workload.all_queries) == (100, 400)
    assert len(workload.more_queries) == 300
    for row in range(100):
        wanted = items[1500 + int(np.flatnonzero((queries == workload.queries.vectors[row]).all(1))[0])]
        np.testing.assert_array_equal(workload.items[workload.queries.relevant[row][0]], wanted)


def test_refused_inputs(folder, fitted, items, queries, tmp_path):
    good = fitted("OPQ16,IVF32,PQ16x4")
    with pytest.raises(ValueError, match="name what to explain"):
        explain()
    with pytest.raises(FileNotFoundError):
        explain(tmp_path / "nowhere", vectors=items)
    with pytest.raises(ValueError, match="holds codes, no float vectors"):
        explain(folder)
    with pytest.raises(ValueError, match="need the item vectors"):
        explain(folder, queries=queries)
    with pytest.raises(ValueError, match=r"must be \(2000, 32\)"):
        explain(good, vectors=items[:100])
    with pytest.raises(ValueError, match=r"queries \(of shape \(400, 8\)\)"):
        explain(good, vectors=items, queries=queries[:, :8])
    with pytest.raises(ValueError, match="no nearer to their own codes"):
        explain(good, vectors=np.roll(items, 1, axis=0), queries=queries)
    with pytest.raises(ValueError, match="metric"):
        explain(good, vectors=items, queries=queries, metric="dot")
    with pytest.raises(ValueError, match=r"nprobe \(=3\) needs inverted lists"):
        explain(fitted("OPQ8,PQ8x5"), vectors=items, queries=queries, nprobe=3)
    with pytest.raises(ValueError, match=r"k \(=0\)"):
        explain(good, vectors=items, queries=queries, k=0)
    with pytest.raises(ValueError, match=r"max_items \(=5\)"):
        explain(good, vectors=items, queries=queries, max_items=5)
    with pytest.raises(ValueError, match="row 7 holds NaN"):
        explain(good, vectors=items, queries=np.where(np.arange(400)[:, None] == 7, np.nan, queries), max_queries=400)
    with pytest.raises(ValueError, match=r"queries \(=1\) must be at least 2"):
        explain(good, vectors=items, queries=queries[:1])
    with pytest.raises(ValueError, match=r"seed \(=-1\)"):
        explain(good, vectors=items, queries=queries, seed=-1)
    # A file of another training.
    export(folder, "faiss", tmp_path / "x.faiss", fastscan=False)
    other, path = fitted("OPQ8,PQ8x5"), tmp_path / "other" / "bundle"
    write_bundle(
        path, spec=other.spec, metric="l2", dim=32, arrays=dict(other.arrays), ids=range(2000), codes=other.codes
    )
    with pytest.raises(ValueError, match="another training"):
        explain(path, vectors=items, queries=queries, faiss=tmp_path / "x.faiss")


def test_a_damaged_file_is_refused_unless_it_is_not_checked(folder, items, queries, tmp_path):
    export(folder, "faiss", tmp_path / "x.faiss", fastscan=False)
    report = json.loads((tmp_path / "x.faiss.json").read_text())
    (tmp_path / "x.faiss.json").write_text(json.dumps({**report, "sha256": "0" * 64}))
    given = {"vectors": items, "queries": queries, "faiss": tmp_path / "x.faiss"}
    with pytest.raises(ValueError, match="is damaged, or not the file of its report"):
        read_workload(folder, **given)
    read_workload(folder, **given, check=False)
