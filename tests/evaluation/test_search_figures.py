"""Figures of product search against loops."""

import numpy as np
import pytest

from poeem.evaluation.search_figures import search_figures
from poeem.evaluation.text_rankers import Bm25Titles, popularity_in_category


def test_figures_against_a_loop():
    random = np.random.default_rng(0)
    scores, targets = random.standard_normal((6, 300)), random.integers(0, 300, 6)
    scores[0, :250] = -np.inf
    categories = random.integers(-1, 4, 300)
    targets[1] = np.flatnonzero(categories == -1)[0]
    block = search_figures(lambda rows: scores[rows], targets, categories)
    hits, good = [], []
    for row, target in zip(scores, targets):
        best = [i for i in np.argsort(-row)[:100] if np.isfinite(row[i])]
        hits.append(target in best)
        if categories[target] >= 0:
            good.append(np.mean(categories[best] == categories[target]))
    assert block["recall@100"] == pytest.approx(np.mean(hits))
    assert block["p_good@100"] == pytest.approx(np.mean(good))
    assert "p_good@100" not in search_figures(lambda rows: scores[rows], targets)


def test_without_queries():
    with pytest.raises(ValueError, match="targets is empty"):
        search_figures(lambda rows: np.zeros((len(rows), 3)), np.empty(0, int))


def test_bm25_ranks_titles_with_the_words_of_the_query():
    pytest.importorskip("bm25s")
    ranker = Bm25Titles(["oat milk", "milk", "bread milk flour", "tea"], popularity=np.array([0, 0, 0, 9]))
    scores = ranker.scores(["oat milk", "coffee"])
    assert np.argsort(-scores[0]).tolist() == [0, 1, 2, 3]
    assert scores[1].argmax() == 3  # nothing is known: by popularity


def test_popularity_keeps_to_the_category():
    counts, categories = np.array([9, 1, 5, 7]), np.array([0, 1, 1, 0])
    assert np.argsort(-popularity_in_category(counts, categories, np.array([1]))[0]).tolist() == [2, 1, 0, 3]
