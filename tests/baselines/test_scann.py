import builtins

import numpy as np
import pytest

from poeem.baselines import build_baseline

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(1500, 32)).astype(np.float32)
QUERIES = RANDOM.normal(size=(6, 32)).astype(np.float32)


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_scores_are_those_of_its_own_search_up_to_its_rounded_tables(metric):
    pytest.importorskip("scann")
    baseline = build_baseline("scann", ITEMS, M=4, metric=metric, seed=1)
    assert baseline.bytes_per_vector == 4
    assert baseline.structure == "AH8x4"
    queries = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True) if metric == "cosine" else QUERIES
    found, rows = baseline.index.search(queries, 1500)
    assert np.array_equal(np.sort(rows, axis=1), np.tile(np.arange(1500), (6, 1)))
    ours = np.take_along_axis(baseline.scores(QUERIES), rows.astype(np.int64), axis=1)
    assert np.abs(ours - (-found if metric == "l2" else found)).max() <= 0.02 * np.abs(found).max()


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_leaves_of_its_tree_are_lists(metric):
    pytest.importorskip("scann")
    baseline = build_baseline("scann", ITEMS, M=4, nlist=12, metric=metric, seed=1)
    queries = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True) if metric == "cosine" else QUERIES
    for nprobe in (1, 5, None):
        one = baseline.with_nprobe(nprobe)
        found, rows = one.index.search(queries, 1500)
        ours = one.scores(QUERIES)
        assert np.array_equal((rows >= 0).sum(1), one.scorer.scanned(QUERIES))
        for query in range(6):
            own = rows[query][rows[query] >= 0]
            assert np.array_equal(np.sort(own), np.flatnonzero(np.isfinite(ours[query])))
            scores = found[query][: len(own)]
            assert (
                np.abs(ours[query][own] - (-scores if metric == "l2" else scores)).max() <= 0.03 * np.abs(scores).max()
            )


def test_its_own_reordering_is_by_float_vectors():
    pytest.importorskip("scann")
    baseline = build_baseline("scann", ITEMS, M=4, nlist=12, metric="ip", seed=1).with_nprobe(6)
    found, rows = baseline.index.rescored(40).search(QUERIES, 100)
    assert rows.shape == (6, 40)
    exact = np.take_along_axis(QUERIES @ ITEMS.T, rows, axis=1)
    np.testing.assert_allclose(found, exact, rtol=1e-4)
    assert (np.diff(exact, axis=1) <= 1e-4).all()


def test_the_seed_decides():
    pytest.importorskip("scann")
    scores = [build_baseline("scann", ITEMS, M=4, metric="ip", seed=seed).scores(QUERIES) for seed in (1, 1, 2)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_anisotropy_keeps_the_inner_product_with_the_item_itself():
    pytest.importorskip("scann")
    units = np.random.default_rng(2).normal(size=(1500, 128)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    anisotropic, plain = (build_baseline("scann", units, M=16, metric=metric).scorer.decoded for metric in ("ip", "l2"))
    assert ((units * anisotropic).sum(1)).mean() > ((units * plain).sum(1)).mean() + 0.01
    assert np.square(units - anisotropic).sum() > np.square(units - plain).sum()


def test_what_it_cannot_do_is_said(monkeypatch):
    with pytest.raises(ValueError, match=r"dim \(=32\) must be divisible by twice the bytes \(=3\)"):
        build_baseline("scann", ITEMS, M=3)
    with pytest.raises(ValueError, match=r"at least 16 items to train baseline 'scann' on, got 9"):
        build_baseline("scann", ITEMS[:9], M=4)
    found = builtins.__import__

    def without_scann(name, *args, **kwargs):
        if name.startswith("scann"):
            raise ImportError("No module named 'scann'")
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_scann)
    with pytest.raises(ValueError, match=r"needs the package scann .*pip install 'scann>=1.4,<1.5'"):
        build_baseline("scann", ITEMS, M=4)
