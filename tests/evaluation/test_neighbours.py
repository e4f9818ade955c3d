import itertools

import numpy as np
import pytest

from poeem.evaluation.neighbours import exact_neighbours, neighbour_recall


def test_exact_neighbours_are_the_best():
    scores = np.random.default_rng(0).normal(size=(20, 50)).astype(np.float32)
    expected = np.sort(np.argsort(-scores, axis=1)[:, :10], axis=1)
    assert np.array_equal(np.sort(exact_neighbours(scores, 10), axis=1), expected)
    assert exact_neighbours(scores[:, :4], 10).shape == (20, 4)


def test_ties_count_by_probability():
    random = np.random.default_rng(1)
    for _ in range(20):
        scores = random.integers(0, 3, 6).astype(float)
        scores[random.random(6) < 0.2] = -np.inf
        neighbours = random.choice(6, 3, replace=False)
        overlaps = []
        for order in itertools.permutations(range(6)):
            best = sorted(order, key=lambda i: -scores[i])[:3]  # stable: the permutation breaks ties
            overlaps.append(len({i for i in best if scores[i] > -np.inf} & set(neighbours.tolist())) / 3)
        assert neighbour_recall(scores[None], neighbours[None])[0] == pytest.approx(np.mean(overlaps))


def test_exact_scores_find_all_and_minus_infinity_none():
    scores = np.random.default_rng(2).normal(size=(5, 30))
    nearest = exact_neighbours(scores, 10)
    assert neighbour_recall(scores, nearest).tolist() == [1] * 5
    assert neighbour_recall(np.full((5, 30), -np.inf), nearest).tolist() == [0] * 5
