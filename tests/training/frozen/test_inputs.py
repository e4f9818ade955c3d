from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.training.frozen.inputs import checked_relevance, checked_vectors


def test_unit_rows_only_under_cosine_and_only_when_read(tmp_path):
    x = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert checked_vectors("items", mapped, "ip") is mapped
    unit = checked_vectors("items", mapped, "cosine")
    np.testing.assert_allclose(unit[3:9], x[3:9] / np.linalg.norm(x[3:9], axis=1, keepdims=True), rtol=1e-6)
    assert (len(unit), unit.shape) == (20, (20, 4))


def test_takes_tensors():
    assert checked_vectors("items", torch.ones(3, 2), "ip").tolist() == [[1, 1]] * 3


@pytest.mark.parametrize(
    ("vectors", "metric", "message"),
    [
        (np.zeros((0, 4)), "ip", r"items \(float64, shape \(0, 4\)\) must be numbers of shape \(n, dim\)"),
        (np.zeros(4), "ip", r"must be numbers of shape"),
        (np.array([["a"]]), "ip", r"must be numbers"),
        (np.ones((3, 5)), "ip", r"items \(dim=5\) must be as wide as the items \(dim=4\)"),
        (np.array([[1.0] * 4, [np.nan] * 4]), "ip", r"items: row 1 holds NaN or infinity"),
        (np.array([[1.0] * 4, [0.0] * 4]), "cosine", r"items: row 1 is zero"),
    ],
)
def test_refuses_what_is_no_set_of_vectors(vectors, metric, message):
    with pytest.raises(ValueError, match=message):
        checked_vectors("items", vectors, metric, dim=4)


def test_relevance_is_sorted_and_each_pair_once():
    found = checked_relevance([[2, 5], [0, 1], [2, 5], [2, 3]], n_queries=4, n_items=6)
    assert [row.tolist() for row in (found[i] for i in range(4))] == [[1], [], [3, 5], []]
    same = checked_relevance((np.array([2, 0]), np.array([5, 1])), n_queries=4, n_items=6)
    assert same.values.tolist() == [1, 5]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 6]], r"pair 0 names item 6, there are only 0 to 5"),
        ([[0, 1], [9, 1]], r"pair 1 names query 9, there are only 0 to 3"),
        ([[-1, 1]], r"names query -1"),
        ([[0.5, 1.0]], r"must be integers of shape"),
        (np.empty((0, 2), int), r"must be integers of shape"),
    ],
)
def test_refuses_relevance_that_names_nothing(pairs, message):
    with pytest.raises(ValueError, match=message):
        checked_relevance(pairs, n_queries=4, n_items=6)
