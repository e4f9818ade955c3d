import numpy as np
import pytest

from poeem.baselines import build_baseline

faiss = pytest.importorskip("faiss")


@pytest.mark.parametrize("M", [2, 4])  # fewer bits than dimensions, and more
def test_scores_are_faiss_hamming_distances(M):
    random = np.random.default_rng(0)
    items, queries = random.normal(size=(100, 24)).astype(np.float32), random.normal(size=(5, 24)).astype(np.float32)
    baseline = build_baseline("lsh", items, M=M, nbits=8, metric="ip", seed=3)
    index = faiss.IndexLSH(24, 8 * M, True, False)
    index.rrot.init(3)
    index.add(items)
    distances, ids = index.search(queries, 100)
    expected = np.empty((5, 100))
    np.put_along_axis(expected, ids, -distances, axis=1)
    assert np.array_equal(baseline.scores(queries), expected)
    assert baseline.bytes_per_vector == M
    assert baseline.structure == f"LSH{8 * M}"


def test_the_seed_decides_and_bits_fill_bytes():
    items = np.random.default_rng(1).normal(size=(50, 8))
    scores = [build_baseline("lsh", items, M=3, nbits=4, seed=seed).scores(items) for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
    assert scores[0].min() >= -16  # 12 bits take 2 bytes
