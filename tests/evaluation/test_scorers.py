import numpy as np
import pytest

from poeem.evaluation.scorers import DecodedScorer, FloatScorer, coarse_for_queries

RANDOM = np.random.default_rng(0)
ITEMS, QUERIES = RANDOM.normal(size=(40, 8)), RANDOM.normal(size=(6, 8))
COARSE, LISTS = RANDOM.normal(size=(5, 8)), RANDOM.integers(0, 5, 40)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slow_scores(queries, items, metric):
    if metric == "l2":
        return -((queries[:, None] - items[None]) ** 2).sum(-1)
    return queries @ items.T


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
def test_float_scores(metric):
    q, x = (unit(QUERIES), unit(ITEMS)) if metric == "cosine" else (QUERIES, ITEMS)
    scores = FloatScorer(ITEMS, metric).scores(QUERIES)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(slow_scores(q, x, metric), abs=1e-5)


@pytest.mark.parametrize("metric", ["ip", "l2", "cosine"])
@pytest.mark.parametrize("nprobe", [1, 3, 5, None])
def test_decoded_scores_and_probing(metric, nprobe):
    q = unit(QUERIES) if metric == "cosine" else QUERIES  # decoded vectors are never normalised
    expected = slow_scores(q, ITEMS, metric)
    if nprobe is not None:
        probed = np.argsort(-slow_scores(q, COARSE, metric), axis=1)[:, :nprobe]
        for i in range(len(q)):
            expected[i, ~np.isin(LISTS, probed[i])] = -np.inf
    scores = DecodedScorer(ITEMS, metric, coarse=COARSE, lists=LISTS, nprobe=nprobe).scores(QUERIES)
    assert scores == pytest.approx(expected, abs=1e-5)


def test_items_that_are_not_available_score_minus_infinity():
    available = np.arange(40) % 3 > 0
    for scorer in (FloatScorer(ITEMS, "ip", available), DecodedScorer(ITEMS, "ip", available=available)):
        assert np.array_equal(np.isneginf(scorer.scores(QUERIES)), np.tile(~available, (6, 1)))


def test_centroids_in_the_space_of_the_queries_keep_their_distances():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    behind = slow_scores(QUERIES @ rotation, COARSE, "l2")
    found = coarse_for_queries({"coarse": COARSE, "rotation": rotation})
    assert slow_scores(QUERIES, found, "l2") == pytest.approx(behind)
    assert coarse_for_queries({"coarse": COARSE}) is COARSE
    assert coarse_for_queries({"rotation": rotation}) is None


def test_errors_name_the_argument():
    spoilt = ITEMS.copy()
    spoilt[7, 2] = np.inf
    with pytest.raises(ValueError, match="items: row 7 holds NaN or infinity"):
        FloatScorer(spoilt, "ip")
    spoilt[7] = 0
    with pytest.raises(ValueError, match="items: row 7 is a zero vector"):
        FloatScorer(spoilt, "cosine")
    with pytest.raises(ValueError, match=r"metric \(='dot'\) must be one of 'ip', 'l2', 'cosine'"):
        FloatScorer(ITEMS, "dot")
    with pytest.raises(ValueError, match="available must be bool"):
        FloatScorer(ITEMS, "ip", np.ones(40))
    with pytest.raises(ValueError, match="coarse and lists belong together"):
        DecodedScorer(ITEMS, "ip", coarse=COARSE)
    with pytest.raises(ValueError, match=r"nprobe \(=6\) must be 1 to nlist \(=5\)"):
        DecodedScorer(ITEMS, "ip", coarse=COARSE, lists=LISTS, nprobe=6)
    with pytest.raises(ValueError, match="lists must have a number for each of the 40 items"):
        DecodedScorer(ITEMS, "ip", coarse=COARSE, lists=LISTS[:3])
