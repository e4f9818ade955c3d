"""Datasets that Lance itself scores, against formulas in float64."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("lance", reason="engine 'lance' needs pylance: pip install 'poeem-torch[lance]'")

import lance
import pyarrow as pa
import pyarrow.parquet as pq

import poeem
from poeem.engines.lance import check, open_lance
from poeem.engines.lance.trained_index import Trained
from poeem.engines.self_check import EngineMismatch
from poeem.training.encode import encode_items

CASES = [
    ("IVF8,PQ4", "l2"),
    ("OPQ4,IVF8,PQ4x4", "l2"),
    ("PQ4", "l2"),
    ("OPQ4,PQ4x4", "l2"),
    ("OPQ4,PQ4", "ip"),
    ("PQ4x4", "ip"),
    ("OPQ4,PQ4", "cosine"),
    ("IVF8,PQ4", "ip"),
    ("OPQ4,IVF8,PQ4x4", "ip"),
    ("OPQ4,IVF8,PQ4", "cosine"),
]


@pytest.mark.parametrize(("spec", "metric"), CASES)
def test_scores_ranks_and_lists_are_those_of_the_formulas(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    report = poeem.export(bundle, "lance", tmp_path / "items.lance", vectors=near(bundle, oracle), nprobe=3)
    assert report.rank_agreement == 1
    assert report.worst_score_error <= 1e-5
    searcher = open_lance(tmp_path / "items.lance", bundle)
    assert len(searcher) == 300
    queries = np.random.default_rng(1).standard_normal((5, 16))
    for nprobe in (None, 1, 8):
        found, ids = searcher.search(queries, 20, nprobe)
        expected = oracle.scores(bundle, queries, nprobe or 3)
        oracle.assert_search_is_right(found, oracle.rows_of(bundle, ids), expected, metric != "l2")


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_small_and_large_vectors_keep_their_digits(make_bundle, oracle, tmp_path, scale):
    words = np.random.default_rng(0).normal(0, scale, (4, 256, 4)).astype("float32")
    bundle = make_bundle("PQ4", "ip", extra_arrays={"codebooks": words})
    report = poeem.export(bundle, "lance", tmp_path / "items.lance", vectors=near(bundle, oracle))
    assert report.worst_score_error <= 1e-6


def test_a_query_adapter_and_string_ids_and_columns(make_bundle, oracle, tmp_path):
    adapter = np.random.default_rng(5).standard_normal((16, 16)).astype("float32")
    names = np.array([f"item '{i}'" for i in range(300)], dtype=object)
    columns = pa.table({"title": [f"Title {i}" for i in range(300)], "price": np.arange(300) / 10})
    bundle = make_bundle("OPQ4,IVF8,PQ4", "l2", extra_arrays={"query_adapter": adapter}, ids=names, columns=columns)
    report = poeem.export(
        bundle, "lance", tmp_path / "items.lance", vectors=near(bundle, oracle), nprobe=8, columns=["price"]
    )
    assert (report.id_type, report.query_adapter) == ("string", True)
    assert lance.dataset(str(tmp_path / "items.lance")).schema.names == ["id", "price", "list", "code", "vector"]
    searcher = open_lance(tmp_path / "items.lance")
    queries = np.random.default_rng(1).standard_normal((5, 16))
    found, ids = searcher.search(queries, 300)
    oracle.assert_search_is_right(
        found, bundle.row_of(ids.ravel()).reshape(ids.shape), oracle.scores(bundle, queries), False
    )
    scores, ids = searcher.search(queries, 5, filter="price < 0.3")
    assert (ids[:, 3:] == None).all()  # noqa: E711
    assert np.isposinf(scores[:, 3:]).all()
    assert set(ids[:, :3].ravel()) == {"item '0'", "item '1'", "item '2'"}
    assert searcher.delete(["item '0'", "unknown"]) == 1


def test_the_codes_are_the_bundles_even_where_another_word_is_nearer(make_bundle, oracle, tmp_path):
    # Vectors that only mostly lie near their codes: Lance's own encoder would choose others for them.
    bundle = make_bundle("IVF8,PQ4", "l2")
    vectors = near(bundle, oracle, 0.5)
    report = poeem.export(bundle, "lance", tmp_path / "items.lance", vectors=vectors)
    assert report.worst_score_error <= 1e-5


def test_refining_ranks_by_the_vectors(make_bundle, oracle, tmp_path):
    cases = [(spec, metric) for spec in ("OPQ4,PQ4", "OPQ4,IVF8,PQ4") for metric in ("l2", "ip", "cosine")]
    for spec, metric in cases:
        bundle = make_bundle(spec, metric, name=f"{spec}-{metric}")
        vectors = near(bundle, oracle, 0.3)
        poeem.export(bundle, "lance", tmp_path / "items.lance", vectors=vectors)
        query = np.random.default_rng(1).standard_normal(16)
        scores, ids = open_lance(tmp_path / "items.lance").search(query[None], 10, 8, refine_factor=30)
        if metric == "l2":
            exact = ((vectors - query) ** 2).sum(1)
        else:
            rows = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if metric == "cosine" else vectors
            exact = rows @ (query / np.linalg.norm(query) if metric == "cosine" else query)
        order = np.argsort(exact if metric == "l2" else -exact)[:10]
        assert ids[0].tolist() == bundle.ids[order].tolist()
        np.testing.assert_allclose(scores[0], exact[order], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "metric", "message"),
    [
        ("RQ4", "l2", "has no RQ quantizer"),
        ("PQ4x5", "l2", "has no 5-bit codes; train with nbits 4 or 8"),
    ],
)
def test_what_lance_cannot_score_is_refused(make_bundle, tmp_path, spec, metric, message):
    with pytest.raises(ValueError, match=message):
        poeem.export(make_bundle(spec, metric), "lance", tmp_path / "x.lance")


def test_other_mistakes_are_refused_before_anything_is_written(make_bundle, oracle, tmp_path):
    bundle = make_bundle("IVF8,PQ4", "l2")
    vectors = near(bundle, oracle)
    with pytest.raises(ValueError, match=r"engine 'lance' stores vectors: pass vectors= .*\(300, 16\)"):
        poeem.export(bundle, "lance", tmp_path / "x.lance")
    with pytest.raises(ValueError, match="vectors are not those of the bundle's items"):
        poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=vectors[::-1].copy())
    uneven = make_bundle("IVF8,PQ4", "ip", name="uneven", equal=False)
    with pytest.raises(ValueError, match="engine 'lance' under ip needs centroids of one norm"):
        poeem.export(uneven, "lance", tmp_path / "x.lance", vectors=vectors)
    odd = make_bundle("PQ1x4", "l2", name="odd")
    with pytest.raises(ValueError, match="packs two 4-bit codes in a byte, and PQ1x4 has M=1"):
        poeem.export(odd, "lance", tmp_path / "x.lance", vectors=vectors)
    with pytest.raises(ValueError, match="the bundle has no 'price'; it has none"):
        poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=vectors, columns=["price"])
    taken = make_bundle("IVF8,PQ4", "l2", name="taken", columns=pa.table({"vector": np.arange(300)}))
    with pytest.raises(ValueError, match="Lance needs the name 'vector' for itself"):
        poeem.export(taken, "lance", tmp_path / "x.lance", vectors=vectors)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="exists and is no Lance dataset"):
        poeem.export(bundle, "lance", tmp_path / "mine", vectors=vectors)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "mine", "odd", "taken", "uneven"]


def test_a_dataset_that_fails_its_check_is_not_kept_and_the_old_one_stays(make_bundle, oracle, tmp_path, monkeypatch):
    bundle = make_bundle("IVF8,PQ4", "l2")
    poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=near(bundle, oracle))
    before = (tmp_path / "x.lance.json").read_text()

    def shuffled(self, codes, lists, real=Trained.index_codes):
        return np.roll(real(self, codes, lists), 1, axis=0)

    monkeypatch.setattr(Trained, "index_codes", shuffled)
    with pytest.raises(EngineMismatch, match="lance does not score as the reference"):
        poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=near(bundle, oracle))
    assert (tmp_path / "x.lance.json").read_text() == before
    assert len(open_lance(tmp_path / "x.lance", bundle)) == 300
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "x.lance", "x.lance.json"]


def test_one_wrong_code_among_thousands_is_seen(make_bundle, oracle, tmp_path, monkeypatch):
    bundle = make_bundle("IVF8,PQ4", "l2", rows=3000)

    def one_wrong(self, codes, lists, real=Trained.index_codes):
        packed = real(self, codes, lists).copy()
        # The item furthest from the queries of the check: not among anyone's best hundred.
        packed[worst, 0] ^= 1
        return packed

    queries = np.zeros((2, 16), np.float32)
    worst = int(np.argmax(oracle.scores(bundle, queries)[0]))
    monkeypatch.setattr(Trained, "index_codes", one_wrong)
    with pytest.raises(EngineMismatch, match="does not hold the codes of the bundle as written"):
        poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=near(bundle, oracle), queries=queries)


def test_wrong_vectors_in_the_dataset_are_seen(make_bundle, oracle, tmp_path):
    bundle = make_bundle("IVF8,PQ4", "l2")
    vectors = near(bundle, oracle)
    poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=vectors)
    searcher = open_lance(tmp_path / "x.lance")
    assert check.check_refined(bundle, searcher, vectors) <= 1e-6
    with pytest.raises(EngineMismatch, match="does not hold the vectors as given"):
        check.check_refined(bundle, searcher, vectors + np.float32(0.01))


def test_the_report_is_returned_and_stands_beside(make_bundle, oracle, tmp_path):
    bundle = make_bundle("OPQ4,PQ4", "cosine")
    np.save(tmp_path / "v.npy", near(bundle, oracle))
    report = poeem.export(bundle, "lance", tmp_path / "x.lance", vectors=tmp_path / "v.npy")
    stored = json.loads((tmp_path / "x.lance.json").read_text())
    assert stored == {**json.loads(report.to_json()), "path": "x.lance"}
    assert stored["options"]["lance_metric"] == "dot"
    assert "300 items as lance OPQ4,PQ4 (cosine)" in str(report)


def near(bundle, oracle, spread=0.02):
    """Vectors near their own codes."""
    noise = np.random.default_rng(3).standard_normal((len(bundle), bundle.dim))
    decoded = oracle.decode(bundle)
    return (decoded + spread * decoded.std() * noise).astype("float32")


def test_parts_with_string_ids_and_their_parquet_vectors_are_one_dataset(make_bundle, oracle, tmp_path):
    bundle = make_bundle("OPQ4,IVF8,PQ4", "l2")
    vectors = near(bundle, oracle).astype(np.float32)
    (tmp_path / "in").mkdir()
    names = [f"n{i}" for i in range(300)]
    for number, rows in enumerate(np.array_split(np.arange(300), 3)):
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors[rows].ravel()), 16)
        pq.write_table(pa.table({"id": [names[i] for i in rows], "v": lists}), tmp_path / "in" / f"{number}.parquet")
    encode_items(bundle, tmp_path / "in", tmp_path / "parts")
    options = {"vectors": tmp_path / "in" / "*.parquet", "parts": tmp_path / "parts", "nprobe": 8}
    report = poeem.export(bundle, "lance", tmp_path / "items.lance", **options)
    assert (report.rows, report.id_type) == (300, "string")
    assert report.worst_score_error <= 1e-5
    table = lance.dataset(str(tmp_path / "items.lance")).to_table()
    assert table["id"].to_pylist() == names
    rotated = vectors @ bundle.arrays["rotation"]
    stored = np.stack(table["vector"].to_pylist())
    np.testing.assert_allclose(stored, rotated, atol=1e-5)
    # Vectors in another order do not belong to the codes.
    with pytest.raises(ValueError, match="vectors are not those of the bundle's items"):
        poeem.export(bundle, "lance", tmp_path / "x.lance", **{**options, "vectors": vectors[::-1]})
