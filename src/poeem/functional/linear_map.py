"""Linear maps between two spaces of vectors, fitted by least squares, and their low-rank approximations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LinearMap(NamedTuple):
    """The map ``x @ weight + bias``.

    Args:
        weight: float64, ``(d_in, d_out)``.
        bias: float64, ``(d_out,)``.
    """

    weight: np.ndarray
    bias: np.ndarray


def fit_linear_map(x: np.ndarray, y: np.ndarray, ridge: float) -> LinearMap:
    """Fit ``min_W,b mean ‖x W + b - y‖² + ridge t ‖W‖²``, with ``t`` the mean variance of an entry of ``x``.

    Args:
        x: float, ``(n, d_in)``.
        y: float, ``(n, d_out)``, rows of the same examples.
        ridge: weight of the penalty, in units of the variance of ``x``, above 0.
    Returns:
        the map.

    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> fit_linear_map(x, 3 * x + 1, ridge=1e-9).weight.round(3)
    array([[3.]])
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    covariance = x.T @ x / len(x)
    penalty = ridge * max(float(np.trace(covariance)) / len(covariance), 1e-30)
    weight = np.linalg.solve(covariance + penalty * np.eye(len(covariance)), x.T @ y / len(x))
    return LinearMap(weight, y_mean - x_mean @ weight)


def low_rank(map: LinearMap, x: np.ndarray, rank: int) -> LinearMap:
    """Return the map of a rank that changes the outputs for ``x`` least.

    Args:
        map: the full map.
        x: float, ``(n, d_in)``: the examples that it was fitted to.
        rank: at least 1.
    Source:
        Izenman, "Reduced-rank regression for the multivariate linear model", 1975.
    """
    outputs = (np.asarray(x, np.float64) - x.mean(0)) @ map.weight
    directions = np.linalg.eigh(outputs.T @ outputs)[1][:, ::-1][:, :rank]
    projection = directions @ directions.T
    mean = x.mean(0) @ map.weight + map.bias
    weight = map.weight @ projection
    return LinearMap(weight, mean - x.mean(0) @ weight)
