import numpy as np
import pytest

from poeem.baselines import build_baseline

faiss = pytest.importorskip("faiss")


def test_scores_are_faiss_hamming_distances():
    random = np.random.default_rng(0)
    items, queries = random.normal(size=(200, 24)).astype(np.float32), random.normal(size=(5, 24)).astype(np.float32)
    baseline = build_baseline("itq", items, M=4, nbits=4, metric="l2", seed=3)
    distances, ids = baseline.index.search(queries, 200)
    expected = np.empty((5, 200))
    np.put_along_axis(expected, ids, -distances, axis=1)
    assert np.array_equal(baseline.scores(queries), expected)
    assert (baseline.structure, baseline.bytes_per_vector) == ("ITQ16,LSH", 2)


def test_more_bits_than_dimensions():
    with pytest.raises(ValueError, match=r"dim \(=8\) must be at least 16 bits for baseline 'itq'; leave it out"):
        build_baseline("itq", np.ones((50, 8)), M=2)


def test_opq_of_fewer_items_than_dimensions_is_refused():
    items = np.random.default_rng(0).normal(size=(40, 64))
    with pytest.raises(ValueError, match=r"baseline 'opq' needs at least dim \(=64\) items .* got 40; leave it out"):
        build_baseline("opq", items, M=4, nbits=4)
