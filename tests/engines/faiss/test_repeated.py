"""An additive index as a PQ over repeated dimensions."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pytest

from poeem.engines.export import export
from poeem.engines.faiss import open_engine
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.faiss.read import from_faiss
from poeem.engines.refresh import refresh


def some_queries(n=7, dim=16, seed=1):
    return np.random.default_rng(seed).standard_normal((n, dim)).astype("float32")


@pytest.mark.parametrize("metric", ["ip", "cosine"])
@pytest.mark.parametrize("spec", ["RQ8x8", "RQ3x5", "RQ1x6", "IVF8,RQ8x8", "IVF8,RQ1x6"])
def test_a_pq_kernel_scores_what_the_formulas_say(make_bundle, oracle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric, equal=False)
    report = export(bundle, "faiss", tmp_path / "x.faiss", nprobe=2)
    assert report.worst_score_error <= 1e-6
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    assert index.d == 16
    inner = parts_of(index).inner
    assert type(inner) is (faiss.IndexIVFPQ if bundle.spec.nlist else faiss.IndexPQ)
    if bundle.spec.nlist:
        # <q, c> costs no more than without the repetition.
        assert parts_of(inner.quantizer).inner.d == 16
        assert faiss.extract_index_ivf(index).nlist == 8
    scores, ids = index.search(some_queries(), 50)
    expected = oracle.scores(bundle, some_queries(), nprobe=2)
    scores[ids < 0] = -np.inf
    oracle.assert_search_is_right(scores, oracle.rows_of(bundle, ids), expected, True, tolerance=1e-6)


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("spec", ["RQ3x6", "IVF8,RQ3x6", "RQ4x4", "IVF8,RQ4x4"])
def test_the_residual_quantizer_stays_by_option(make_bundle, tmp_path, spec, metric):
    bundle = make_bundle(spec, metric)
    report = export(bundle, "faiss", tmp_path / "x.faiss", residual_quantizer=True, nprobe=8)
    assert report.options == {"residual_quantizer": True}
    assert not report.notes
    index = faiss.read_index(str(tmp_path / "x.faiss"))
    kind = faiss.IndexIVFResidualQuantizer if bundle.spec.nlist else faiss.IndexResidualQuantizer
    assert type(parts_of(index).inner) is kind
    again = make_bundle(spec, metric, name="next", ids=np.arange(300))
    assert refresh(again, tmp_path / "x.faiss").options == {"residual_quantizer": True}
    fast = open_engine(bundle).search(some_queries(), 20, nprobe=8)
    np.testing.assert_allclose(fast[0], index.search(some_queries(), 20)[0], rtol=1e-5, atol=1e-5)


def test_under_l2_faisss_own_form_has_the_distances(make_bundle, tmp_path):
    report = export(make_bundle("IVF8,RQ3x6", "l2"), "faiss", tmp_path / "x.faiss")
    assert not report.notes
    assert type(parts_of(faiss.read_index(str(tmp_path / "x.faiss"))).inner) is faiss.IndexIVFResidualQuantizer


def test_the_report_warns_of_faisss_own_add(make_bundle, tmp_path):
    export(make_bundle("IVF8,RQ3x6"), "faiss", tmp_path / "x.faiss")
    (note,) = json.loads((tmp_path / "x.faiss.json").read_text())["notes"]
    assert "add, sa_encode and reconstruct of faiss itself are wrong" in note


@pytest.mark.parametrize("front", ["linear", "rotation and remap"])
def test_what_others_wrote_this_way_is_read(make_bundle, tmp_path, front):
    """A repetition by a matrix, centroids in the wide space, a rotation before it."""
    bundle = make_bundle("IVF8,RQ3x6", "ip")
    codebooks, coarse, d, M = bundle.arrays["codebooks"], bundle.arrays["coarse"], 16, 3
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0].astype("float32")
    if front == "linear":
        transforms = [faiss.LinearTransform(d, M * d, False)]
        faiss.copy_array_to_vector(np.vstack([np.eye(d, dtype="f4")] * M).ravel(), transforms[0].A)
    else:
        transforms = [faiss.LinearTransform(d, d, False), faiss.RemapDimensionsTransform(d, M * d, True)]
        faiss.copy_array_to_vector(np.ascontiguousarray(rotation.T).ravel(), transforms[0].A)
        faiss.copy_array_to_vector(np.tile(np.arange(d, dtype="i4"), M), transforms[1].map)
        codebooks, coarse = codebooks @ rotation, coarse @ rotation
    for transform in transforms:
        transform.is_trained = True
    # <q', c'> is <q, c> however c is spread over the repetitions.
    wide = np.concatenate([0.5 * coarse, 0.25 * coarse, 0.25 * coarse], axis=1)
    quantizer = faiss.IndexFlatIP(M * d)
    quantizer.add(wide)
    ivf = faiss.IndexIVFPQ(quantizer, M * d, 8, M, 6, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(np.ascontiguousarray(codebooks).ravel(), ivf.pq.centroids)
    ivf.is_trained = True
    packed = np.zeros((300, 3), dtype=np.uint8)
    bits = (bundle.codes[:, :, None] >> np.arange(6) & 1).reshape(300, -1)
    packed[:] = np.packbits(np.pad(bits, ((0, 0), (0, 6))), axis=1, bitorder="little")
    ivf.add_sa_codes(np.concatenate([bundle.lists[:, None].astype(np.uint8), packed], axis=1), bundle.ids)
    index = faiss.IndexPreTransform(ivf)
    for transform in reversed(transforms):
        index.prepend_transform(transform)
    index.ntotal = 300
    contents = from_faiss(index)
    assert str(contents.spec) == "IVF8,RQ3x6"
    order = np.argsort(bundle.ids)
    np.testing.assert_array_equal(contents.codes, bundle.codes[order])
    np.testing.assert_allclose(contents.arrays["codebooks"], bundle.arrays["codebooks"], atol=1e-5)
    np.testing.assert_allclose(contents.arrays["coarse"], bundle.arrays["coarse"], atol=1e-5)


@pytest.mark.parametrize(("times", "metric"), [(4, faiss.METRIC_INNER_PRODUCT), (3, faiss.METRIC_L2)])
def test_a_repetition_that_is_no_additive_index_is_refused(times, metric):
    inner = faiss.IndexPQ(16 * times, 8 if times == 4 else 3, 4, metric)
    inner.train(np.random.default_rng(0).standard_normal((100, 16 * times)).astype("float32"))
    index = faiss.IndexPreTransform(inner)
    remap = faiss.RemapDimensionsTransform(16, 16 * times, True)
    faiss.copy_array_to_vector(np.tile(np.arange(16, dtype="i4"), times), remap.map)
    index.prepend_transform(remap)
    index.add(some_queries())
    with pytest.raises(ValueError, match=f"repeats a vector {times} times before an IndexPQ"):
        from_faiss(index)
