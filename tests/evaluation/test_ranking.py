import numpy as np
import pytest

from poeem.data.interactions import Interactions
from poeem.data.split import leave_last_out
from poeem.evaluation import recall
from poeem.evaluation.ranking import evaluate
from poeem.evaluation.scorers import DecodedScorer, FloatScorer

RANDOM = np.random.default_rng(0)
EVENTS = Interactions.from_columns(
    user=RANDOM.integers(0, 30, 400), item=RANDOM.integers(0, 150, 400), timestamp=RANDOM.integers(0, 99, 400)
)
SPLIT = leave_last_out(EVENTS)
ITEMS = RANDOM.normal(size=(EVENTS.n_items, 8))
VECTORS = RANDOM.normal(size=(len(SPLIT.test), 8))
ROUGH = np.round(ITEMS)  # coarse enough for ties


def slow_evaluate(available: np.ndarray) -> dict[str, float]:
    hits_10, hits_100, mrr, overlap = [], [], [], []
    for i in range(len(SPLIT.test)):
        scores = np.where(available, (ROUGH @ VECTORS[i]).astype(np.float32), -np.inf)
        exact = set(np.argsort(-np.where(available, ITEMS @ VECTORS[i], -np.inf))[:10].tolist())
        overlap.append(len(exact & set(np.argsort(-scores)[:10].tolist())) / 10)
        (target,) = SPLIT.test.relevant[i].tolist()
        for item in SPLIT.test.history[i].tolist():
            if item != target:
                scores[item] = -np.inf
        others = np.delete(scores, target)
        rank = 1 + np.sum(others > scores[target]) + np.sum(others == scores[target]) / 2
        rank = rank if available[target] else np.inf
        hits_10.append(rank <= 10)
        hits_100.append(rank <= 100)
        mrr.append(1 / rank if rank <= 10 else 0)
    return {
        "recall@10": np.mean(hits_10),
        "recall@100": np.mean(hits_100),
        "precision@100": np.mean(hits_100) / 100,
        "mrr@10": np.mean(mrr),
        "neighbour_recall@10": np.mean(overlap),
    }


@pytest.mark.parametrize("block", [2**22, 500])  # all queries at once, a few at a time
@pytest.mark.parametrize("all_available", [True, False])
def test_against_a_loop_over_queries(monkeypatch, block, all_available):
    monkeypatch.setattr(recall, "BLOCK_SCORES", block)
    available = np.ones(EVENTS.n_items, dtype=bool) if all_available else SPLIT.seen_in_training
    assert all_available or not available.all(), "some items must never be seen in training"
    metrics = evaluate(
        DecodedScorer(ROUGH, "ip"),
        SPLIT.test,
        VECTORS,
        exact_items=ITEMS,
        metric="ip",
        available=None if all_available else available,
    )
    expected = slow_evaluate(available)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert metrics["ndcg@10"] >= metrics["mrr@10"]


def test_the_float_model_finds_its_own_neighbours():
    metrics = evaluate(FloatScorer(ITEMS, "l2"), SPLIT.test, VECTORS, exact_items=ITEMS, metric="l2")
    assert metrics["neighbour_recall@10"] == 1.0
    assert metrics["queries"] == len(SPLIT.test)


def test_shapes_that_do_not_fit_are_refused():
    scorer = FloatScorer(ITEMS, "ip")
    with pytest.raises(ValueError, match="query_vectors must have a row for each of the"):
        evaluate(scorer, SPLIT.test, VECTORS[:2], exact_items=ITEMS, metric="ip")
    with pytest.raises(ValueError, match="queries are empty"):
        evaluate(scorer, SPLIT.test.take(np.array([], int)), VECTORS[:0], exact_items=ITEMS, metric="ip")
    with pytest.raises(ValueError, match="one for each item, got"):
        evaluate(FloatScorer(ITEMS[:9], "ip"), SPLIT.test, VECTORS, exact_items=ITEMS, metric="ip")
