import numpy as np
import pytest
import torch

from poeem.evaluation.class_metrics import average_precision, best_first, class_metrics, precision_recall_curve
from poeem.evaluation.scorers import FloatScorer


class Fixed:
    """Scores of the queries by their number, which is their vector."""

    def __init__(self, table):
        self.table = table

    def scores(self, query_vectors):
        return self.table[query_vectors[:, 0].astype(int)].copy()


def problem(nq=30, n=1500, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    query_labels, item_labels = rng.integers(0, classes, nq), rng.integers(0, classes, n)
    scores = rng.standard_normal((nq, n)) + 0.7 * (query_labels[:, None] == item_labels)
    return Fixed(scores.astype(np.float32)), np.arange(nq, dtype=float)[:, None], query_labels, item_labels


@pytest.mark.parametrize("classes", [2, 40])
def test_against_ir_measures(classes):
    ir_measures = pytest.importorskip("ir_measures")
    scorer, numbers, query_labels, item_labels = problem(classes=classes)
    found = class_metrics(scorer, numbers, query_labels, item_labels)
    ranked = np.argsort(-scorer.table, axis=1)[:, :1000]
    run = {
        str(i): {str(item): float(row[item]) for item in best}
        for i, (row, best) in enumerate(zip(scorer.table, ranked))
    }
    # AP of trec_eval divides by all judged items: here those within the first 1000.
    judged = {
        str(i): {str(item): int(item_labels[item] == query_labels[i]) for item in best} for i, best in enumerate(ranked)
    }
    measures = {ir_measures.AP @ 1000: "map@1000", ir_measures.P @ 100: "precision@100"}
    for measure, value in ir_measures.calc_aggregate(list(measures), judged, run).items():
        assert found[measures[measure]] == pytest.approx(value, abs=1e-6)


def test_average_precision_by_hand():
    assert average_precision(np.array([[0, 1, 0, 1]], bool)) == pytest.approx([(1 / 2 + 2 / 4) / 2])
    assert average_precision(np.array([[1, 1, 1]], bool)) == pytest.approx([1.0])


def test_curve_against_the_definition():
    rng = np.random.default_rng(1)
    hits = rng.random((6, 50)) < 0.3
    recalls = np.array([0.1, 0.5, 1.0])
    found = precision_recall_curve(hits, hits.sum(1), recalls)
    for row, values in zip(hits, found):
        share = np.cumsum(row) / row.sum()
        for recall, value in zip(recalls, values):
            rank = int(np.argmax(share >= recall - 1e-12)) + 1
            assert value == pytest.approx(row[:rank].sum() / rank)


def test_curve_of_a_block():
    scorer, numbers, query_labels, item_labels = problem(n=300)
    block = class_metrics(scorer, numbers, query_labels, item_labels, curve=True)
    assert block["curve"]["recall"][-1] == 1
    shares = [np.mean(item_labels == label) for label in query_labels]
    assert min(shares) / 2 < block["curve"]["precision"][-1] < block["curve"]["precision"][0]
    assert block["map@1000"] == pytest.approx(class_metrics(scorer, numbers, query_labels, item_labels)["map@1000"])


def test_equal_scores_do_not_profit_from_the_order_of_the_files():
    item_labels = np.repeat([0, 1], 500)
    scorer = Fixed(np.zeros((2, 1000), np.float32))
    found = class_metrics(scorer, np.array([[0.0], [1.0]]), np.array([0, 1]), item_labels)
    assert 0.4 < found["precision@100"] < 0.6
    per_query = [
        class_metrics(scorer, np.array([[0.0]]), np.array([label]), item_labels)["precision@100"] for label in (0, 1)
    ]
    assert max(per_query) < 0.7


def test_queries_without_an_item_of_their_class_are_left_out():
    scorer = FloatScorer(np.array([[1.0, 0.0], [0.0, 1.0]]), "ip")
    queries, item_labels = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([3, 4])
    assert class_metrics(scorer, queries, np.array([3, 7]), item_labels)["queries"] == 1
    with pytest.raises(ValueError, match="no query has an item with its label"):
        class_metrics(scorer, queries, np.array([7, 8]), item_labels)


def test_queries_and_items_without_a_class_do_not_count():
    scorer, numbers, query_labels, item_labels = problem()
    expected = class_metrics(scorer, numbers[5:], query_labels[5:], item_labels)
    query_labels[:5], without = -1, item_labels.copy()
    found = class_metrics(scorer, numbers, query_labels, item_labels)
    assert found["queries"] == 25
    assert found["map@1000"] == pytest.approx(expected["map@1000"], abs=1e-12)
    without[without == 3] = -1
    assert class_metrics(scorer, numbers, query_labels, without)["queries"] == int(np.sum(query_labels[5:] != 3))


@pytest.mark.parametrize("levels", [3, 10**6])
def test_best_first_is_a_stable_sort(levels):
    rng = np.random.default_rng(0)
    scores = (rng.integers(-levels, levels, (20, 400)) / 7).astype(np.float32)
    scores[:, ::11], scores[0, :5] = -np.inf, -0.0
    expected = np.argsort(-scores, axis=1, kind="stable")
    for k in (1, 50, 400):
        assert np.array_equal(best_first(torch.from_numpy(scores), k), expected[:, :k])
