from __future__ import annotations

import json
import subprocess
import sys

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss.index_parts import parts_of
from tests.engines.faiss.queries import METRICS, some_queries


def structures():
    for nbits in (4, 5, 6, 7, 8):
        for lists in ("", "IVF8,"):
            for rotation in ("", "OPQ4,"):
                yield f"{rotation}{lists}PQ4x{nbits}"
    yield from ("RQ3x8", "RQ3x6", "IVF8,RQ3x8", "IVF8,RQ3x5")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spec", list(structures()))
def test_faiss_scores_what_the_formulas_say(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    report = export(bundle, "faiss", tmp_path / "x.faiss", nprobe=2, fastscan=False)
    assert report.worst_score_error <= 1e-5
    assert report.rank_agreement == 1
    assert (report.queries_checked, report.results_checked) == (32, 300)
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    assert index.ntotal == len(bundle)
    # Stock use, nothing of ours: the queries as they are, nprobe as stored.
    scores, ids = index.search(some_queries(), 50)
    expected = oracle.scores(bundle, some_queries(), nprobe=2)
    rows = oracle.rows_of(bundle, ids)
    scores[ids < 0] = np.inf if metric == "l2" else -np.inf
    oracle.assert_search_is_right(scores, rows, expected, metric != "l2")


@pytest.mark.parametrize("spec", ["IVF8,PQ4", "OPQ4,IVF8,PQ4x4"])
@pytest.mark.parametrize("metric", METRICS)
def test_centroids_of_free_norm_are_probed_as_by_the_reference(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric, equal=False)
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=3, fastscan=False)
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    scores, ids = index.search(some_queries(), 10)
    expected = oracle.scores(bundle, some_queries(), nprobe=3)
    oracle.assert_search_is_right(scores, oracle.rows_of(bundle, ids), expected, metric != "l2")
    assert faiss.downcast_index(parts_of(index).inner.quantizer).metric_type == faiss.METRIC_L2


def test_equal_norm_centroids_get_an_inner_product_quantizer(make_bundle, tmp_path):
    for metric, kind in (("ip", faiss.IndexFlatIP), ("cosine", faiss.IndexFlatIP), ("l2", faiss.IndexFlatL2)):
        export(make_bundle("IVF8,PQ4", metric), "faiss", tmp_path / "x.faiss")
        index = faiss.read_index(str(tmp_path / "x.faiss"))
        assert isinstance(faiss.downcast_index(parts_of(index).inner.quantizer), kind)


def test_a_machine_without_our_package_can_read_the_file(make_bundle, tmp_path):
    bundle = make_bundle("OPQ4,IVF8,PQ4", "cosine")
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=8)
    np.save(tmp_path / "q.npy", some_queries())
    code = (
        "import faiss, numpy, sys\n"
        "index = faiss.read_index(sys.argv[1])\n"
        "scores, ids = index.search(numpy.load(sys.argv[2]), 5)\n"
        "assert 'poeem' not in sys.modules\n"
        "print(ids.tolist())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.faiss"), str(tmp_path / "q.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    from poeem.engines.reference import ReferenceScorer

    rows = ReferenceScorer(bundle).search(some_queries(), 5)[1]
    assert json.loads(found.stdout) == bundle.ids[rows].tolist()


@pytest.mark.parametrize("spec", ["PQ4x6", "OPQ4,PQ4", "OPQ4,IVF8,PQ4x4", "IVF300,PQ4"])
@pytest.mark.parametrize("metric", METRICS)
def test_rows_can_be_deleted_and_added_by_id(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    export(bundle, "faiss", tmp_path / "x.faiss", nprobe=300, fastscan=False)
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    assert index.remove_ids(bundle.ids[:100]) == 100
    assert index.ntotal == 200
    ids = index.search(some_queries(), 200)[1]
    assert set(ids.ravel()) == set(bundle.ids[100:])
    # faiss codes new rows with our arrays: a decoded flat item gets its own code, and so its score, again
    index.add_with_ids(oracle.decode(bundle)[:100].astype("float32"), bundle.ids[:100])
    scores, ids = index.search(some_queries(), 300)
    assert set(ids.ravel()) == set(bundle.ids)
    if not bundle.spec.nlist and metric != "cosine":
        expected = oracle.scores(bundle, some_queries())
        oracle.assert_search_is_right(scores, oracle.rows_of(bundle, ids), expected, metric != "l2")


def test_nprobe_comes_from_the_option_the_training_or_nlist(make_bundle, tmp_path):
    file = tmp_path / "x.faiss"
    for bundle, option, expected in (
        (make_bundle("IVF64,PQ4"), None, 8),
        (make_bundle("IVF64,PQ4", training={"nprobe": 5}), None, 5),
        (make_bundle("IVF64,PQ4", training={"nprobe": 5}), 7, 7),
        (make_bundle("IVF64,PQ4"), 1000, 64),
        (make_bundle("PQ4"), None, 1),
    ):
        assert export(bundle, "faiss", file, nprobe=option).nprobe == expected
        inner = parts_of(faiss.read_index(str(file))).inner
        assert getattr(inner, "nprobe", 1) == expected
    with pytest.raises(ValueError, match=r"nprobe \(=0\) must be"):
        export(make_bundle("IVF64,PQ4"), "faiss", file, nprobe=0)


def test_given_queries_and_the_adapter_enter_the_check(make_bundle, tmp_path):
    adapter = np.random.default_rng(3).standard_normal((16, 16)).astype("float32")
    bundle = make_bundle(extra_arrays={"query_adapter": adapter})
    report = export(bundle, "faiss", tmp_path / "x.faiss", queries=some_queries(5))
    assert report.queries_checked == 5
    assert report.query_adapter
    with pytest.raises(ValueError, match=r"queries must have shape \(nq, 16\)"):
        export(bundle, "faiss", tmp_path / "x.faiss", queries=some_queries(5, dim=8))


def test_large_catalogues_are_checked_by_their_best_results(make_bundle, tmp_path):
    report = export(make_bundle(rows=5000), "faiss", tmp_path / "x.faiss")
    assert (report.queries_checked, report.results_checked, report.rank_agreement) == (32, 100, 1.0)


def test_many_lists_take_two_bytes_of_list_number(make_bundle, tmp_path):
    # 257 needs a second byte, and centroids of 257 lists are close enough for a wrong one to matter
    for spec in ("IVF256,PQ4", "IVF257,PQ4", "IVF300,RQ2"):
        export(make_bundle(spec, "l2"), "faiss", tmp_path / "x.faiss")


def test_equal_items_tie(make_bundle, tmp_path):
    for spec in ("PQ4", "OPQ4,IVF8,PQ4"):
        bundle = make_bundle(spec, codes=np.zeros((300, 4), np.uint8))
        assert export(bundle, "faiss", tmp_path / "x.faiss").rank_agreement == 1


def test_an_index_whose_scores_are_all_zero_still_exports(make_bundle, tmp_path):
    bundle = make_bundle("PQ4", extra_arrays={"codebooks": np.zeros((4, 256, 4), np.float32)})
    assert export(bundle, "faiss", tmp_path / "x.faiss").worst_score_error == 0


def test_the_sidecar_is_the_report_without_the_path_of_this_machine(make_bundle, tmp_path):
    report = export(make_bundle(), "faiss", tmp_path / "x.faiss")
    facts = json.loads((tmp_path / "x.faiss.json").read_text())
    assert facts["path"] == "x.faiss"
    assert {**facts, "path": report.path} == json.loads(report.to_json())


def test_places_that_cannot_be_written_are_named(make_bundle, tmp_path):
    with pytest.raises(ValueError, match="is a folder; name a file, such as"):
        export(make_bundle(), "faiss", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder .*deep' to write 'x.faiss' into"):
        export(make_bundle(), "faiss", tmp_path / "deep" / "x.faiss")


def test_a_file_smaller_than_dim_times_dim_floats_is_read_back(make_bundle, tmp_path):
    bundle = make_bundle("RQ2x4", "cosine", dim=64, rows=60)
    assert export(bundle, "faiss", tmp_path / "x.faiss").rank_agreement == 1
    assert (tmp_path / "x.faiss").stat().st_size < 4 * 64 * 64
