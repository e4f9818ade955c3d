"""Linear maps between spaces, against numpy's least squares."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.functional.linear_map import fit_linear_map, low_rank

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 6)) @ RNG.standard_normal((6, 6)) + 3
Y = X @ RNG.standard_normal((6, 4)) + RNG.standard_normal((200, 4)) - 1


def test_without_a_penalty_it_is_least_squares():
    map = fit_linear_map(X, Y, ridge=1e-12)
    expected = np.linalg.lstsq(np.c_[X, np.ones(len(X))], Y, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([map.weight, map.bias]), expected, rtol=1e-6)


def test_the_penalty_is_that_of_the_formula():
    map, ridge = fit_linear_map(X, Y, ridge=0.1), 0.1
    penalty = ridge * X.var(0).mean()
    # The gradient of the objective is zero at the solution.
    error = X @ map.weight + map.bias - Y
    np.testing.assert_allclose(X.T @ error / len(X) + penalty * map.weight, 0, atol=1e-9)
    np.testing.assert_allclose(error.mean(0), 0, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_low_rank_is_the_best_of_its_rank(rank):
    full = fit_linear_map(X, Y, ridge=1e-12)
    reduced = low_rank(full, X, rank)
    assert np.linalg.matrix_rank(reduced.weight, tol=1e-8) == rank
    # Eckart and Young: the error against the full outputs is that of their truncated SVD.
    outputs = X @ full.weight + full.bias
    lost = np.linalg.svd(outputs - outputs.mean(0), compute_uv=False)[rank:]
    error = X @ reduced.weight + reduced.bias - outputs
    assert np.square(error).sum() == pytest.approx(np.square(lost).sum(), abs=1e-8)
