"""Scalar codes: codewords of each column, bits by column, and searches of the decoded items."""

from __future__ import annotations

import numpy as np

from benchmarks.frozen.challengers import per_column, principal_axes, recall, scalars, uneven_scalars

RNG = np.random.default_rng(0)


def test_every_column_has_its_own_codewords_at_the_best_error():
    values = (RNG.standard_normal((10_000, 3)) * (1.0, 5.0, 0.2)).astype(np.float32)
    decoded = per_column(values, [2, 0, 1])
    assert [len(np.unique(decoded[:, column])) for column in range(3)] == [4, 1, 2]
    # Errors of the best quantizers of a normal variable (Max, 1960).
    errors = ((values - decoded) ** 2).mean(0) / np.square((1.0, 5.0, 0.2))
    np.testing.assert_allclose(errors, (0.1175, 1.0, 0.3634), rtol=0.05)


def test_uneven_bits_find_more_where_the_variance_is_uneven():
    items = (RNG.standard_normal((3000, 16)) * np.exp(-np.arange(16) / 3)).astype(np.float32)
    queries = items[:100]
    exact = np.argsort(-(queries @ items.T), axis=1)[:, :10]
    (name, uneven), *_ = uneven_scalars(items, 4).items()
    assert int(name.split()[0]) < 16
    even = {name: recall(found(queries), exact)["recall 10@10"] for name, found in scalars(items, 4, 0).items()}
    assert recall(uneven(queries), exact)["recall 10@10"] > max(even.values())


def test_axes_are_orthonormal_and_in_the_order_of_their_energy():
    items = (RNG.standard_normal((500, 8)) * np.arange(1, 9)).astype(np.float32)
    axes = principal_axes(items)
    np.testing.assert_allclose(axes.T @ axes, np.eye(8), atol=1e-5)
    assert (np.diff(np.square(items @ axes).sum(0)) < 0).all()
