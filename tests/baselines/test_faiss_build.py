"""The scores of a baseline must be those of faiss's own search of the same structure."""

from functools import partial

import numpy as np
import pytest

from poeem.baselines import build_baseline, faiss_build, truncate_pq

faiss = pytest.importorskip("faiss")

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(600, 16)).astype(np.float32)
QUERIES = RANDOM.normal(size=(8, 16)).astype(np.float32)
BUILDERS = {
    name: partial(build_baseline, name)
    for name in ("pq", "opq", "opq-fastscan", "rq", "rq-refined", "lsq", "truncate-pq", "rabitq", "sq8")
}
OWN_BYTES = {"rabitq": 16 // 8 + 8, "sq8": 16}


def built_and_searched(monkeypatch, builder, nlist, nprobe, metric):
    """The baseline, and the scores of a search of the very index it came from, ``-inf`` where nothing came back."""
    kept = []
    factory = faiss.index_factory
    monkeypatch.setattr(faiss, "index_factory", lambda *args: kept.append(factory(*args)) or kept[-1])
    baseline = builder(ITEMS, M=4, nbits=4, nlist=nlist, nprobe=nprobe, metric=metric, seed=1)
    (index,) = kept
    if baseline.name == "truncate-pq":
        index = baseline.index  # its projection stands in front of what the factory made
    if nlist:
        faiss.extract_index_ivf(index).nprobe = nprobe or nlist
    if baseline.name == "rabitq":
        faiss.downcast_index(index.index).qb = 0
    queries = QUERIES / np.linalg.norm(QUERIES, axis=1, keepdims=True) if metric == "cosine" else QUERIES
    scores, ids = index.search(queries, len(ITEMS))
    found = np.full((len(queries), len(ITEMS)), -np.inf)
    for row, (d, i) in enumerate(zip(scores, ids)):
        found[row, i[i >= 0]] = (-d if metric == "l2" else d)[i >= 0]
    return baseline, found


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize(("nlist", "nprobe"), [(0, None), (8, 2), (8, None)])
@pytest.mark.parametrize("name", list(BUILDERS))
def test_scores_are_those_of_a_search(monkeypatch, capfd, name, nlist, nprobe, metric):
    baseline, found = built_and_searched(monkeypatch, BUILDERS[name], nlist, nprobe, metric)
    scores = baseline.scores(QUERIES)
    assert np.array_equal(np.isneginf(scores), np.isneginf(found))
    assert bool(np.isneginf(scores).any()) == (nprobe is not None)
    reached = np.isfinite(found)
    if name == "rabitq" and metric == "l2":
        scores = np.minimum(scores, 0)  # faiss calls an estimate below zero a distance of zero
    # faiss rounds the look-up tables of FastScan to 8 bits.
    tolerance = 0.02 if name == "opq-fastscan" else 2e-5
    assert np.abs(scores[reached] - found[reached]).max() <= tolerance * np.abs(found[reached]).max()
    assert baseline.bytes_per_vector == OWN_BYTES.get(name, 2)
    assert baseline.build_seconds > 0
    assert "".join(capfd.readouterr()) == "", "faiss must not warn of few training points"


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "sq8"])
def test_the_seed_decides(name):
    codes = [BUILDERS[name](ITEMS, M=4, nbits=4, metric="ip", seed=seed).scores(QUERIES) for seed in (1, 1, 2)]
    assert np.array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[0], codes[2])


@pytest.mark.parametrize("name", list(BUILDERS))
def test_another_nprobe_is_another_build(name):
    built = BUILDERS[name](ITEMS, M=4, nbits=4, nlist=8, metric="l2", seed=0)
    for nprobe in (1, 3, None):
        again = BUILDERS[name](ITEMS, M=4, nbits=4, nlist=8, nprobe=nprobe, metric="l2", seed=0)
        other = built.with_nprobe(nprobe)
        assert np.array_equal(other.scores(QUERIES), again.scores(QUERIES))
        assert faiss.extract_index_ivf(other.index).nprobe == (nprobe or 8)
    flat = BUILDERS[name](ITEMS, M=4, nbits=4, metric="l2", seed=0)
    assert flat.with_nprobe(3) is flat


def test_additive_codes_by_local_search_are_at_least_as_near_as_residual_ones():
    errors = {
        name: np.square(BUILDERS[name](ITEMS, M=4, nbits=4, metric="l2").scorer.decoded - ITEMS).sum(1).mean()
        for name in ("rq", "lsq")
    }
    assert errors["lsq"] < errors["rq"]


def test_refined_codewords_fit_their_codes_better():
    few = ITEMS[:300]
    errors = {
        name: np.square(BUILDERS[name](few, M=4, nbits=4, metric="l2").scorer.decoded - few).sum(1).mean()
        for name in ("rq", "rq-refined")
    }
    assert errors["rq-refined"] < 0.97 * errors["rq"]


def test_truncation_keeps_most_of_the_energy_in_a_rotated_basis():
    mixed = ITEMS * np.geomspace(1, 0.1, 16, dtype=np.float32)
    axes = truncate_pq.leading_axes(mixed, 4, seed=0)
    assert axes.shape == (8, 16)
    assert axes @ axes.T == pytest.approx(np.eye(8), abs=1e-5)
    kept = np.square(mixed @ axes.T).sum() / np.square(mixed).sum()
    best = np.sort(np.linalg.svd(mixed.astype(np.float64), compute_uv=False))[-8:]
    assert kept == pytest.approx(np.square(best).sum() / np.square(mixed).sum(), abs=1e-5)
    assert kept >= truncate_pq.SHARE


def test_opq_beats_pq_where_dimensions_are_correlated():
    mixed = ITEMS * np.geomspace(1, 0.05, 16, dtype=np.float32)
    errors = {
        name: np.square(BUILDERS[name](mixed, M=4, nbits=4, metric="l2").scorer.decoded - mixed).sum(1).mean()
        for name in ("pq", "opq")
    }
    assert errors["opq"] < 0.9 * errors["pq"]


def test_structures_that_cannot_be_filled_are_refused():
    with pytest.raises(ValueError, match=r"nbits \(=8\) needs at least 256 items to train baseline 'rq' on, got 100"):
        build_baseline("rq", ITEMS[:100], M=4)
    with pytest.raises(ValueError, match=r"nlist \(=200\) needs at least 200 items"):
        build_baseline("pq", ITEMS[:100], M=4, nbits=4, nlist=200)
    with pytest.raises(ValueError, match=r"dim \(=16\) must be divisible by M \(=5\) for baseline 'opq'"):
        build_baseline("opq", ITEMS, M=5)
    with pytest.raises(ValueError, match=r"nprobe \(=9\) must be 1 to nlist \(=8\)"):
        build_baseline("pq", ITEMS, M=4, nbits=4, nlist=8, nprobe=9)


def test_structure_strings():
    assert faiss_build.structure_of("PQ8x8np", 0, rotation="OPQ8") == "OPQ8,PQ8x8np"
    assert faiss_build.structure_of("RQ8x8", 64) == "IVF64,RQ8x8"
