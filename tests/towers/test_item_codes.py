from __future__ import annotations

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.towers.item_codes import fit_item_codes


def tastes(n_users: int = 400, n_items: int = 600) -> tuple[Ragged, np.ndarray]:
    """Events by five tastes, and the matrix of users and items."""
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(n_users, 5)) @ rng.normal(size=(5, n_items)) / 2 - 2
    events = rng.random((n_users, n_items)) < 1 / (1 + np.exp(-logits))
    return Ragged(np.concatenate([[0], np.cumsum(events.sum(1))]), np.nonzero(events)[1]), events


def item_vectors(events: np.ndarray, width: int) -> np.ndarray:
    """By the exact SVD in float64."""
    user_degrees, item_degrees = events.sum(1, keepdims=True), events.sum(0)
    scaled = events / np.sqrt((user_degrees + user_degrees.mean()) * (item_degrees + item_degrees.mean()))
    _, strengths, vectors = np.linalg.svd(scaled, full_matrices=False)
    found = vectors[:width].T * np.sqrt(strengths[:width])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_decoded_items_have_the_inner_products_of_the_singular_vectors():
    train, events = tastes()
    codes, codewords = fit_item_codes(train, 600, 6, 5)
    assert (codes.dtype, codes.shape, codewords.dtype, codewords.shape) == (np.uint8, (600, 6), np.float32, (6, 256, 5))
    decoded = codewords[np.arange(6), codes].sum(1)
    exact = item_vectors(events, 5)
    # Singular vectors have no sign of their own; products do not depend on it.
    np.testing.assert_allclose(decoded @ decoded.T, exact @ exact.T, atol=0.02)


def test_more_bytes_give_smaller_errors():
    train, events = tastes()
    exact = item_vectors(events, 16)
    errors = []
    for M in (1, 2, 4):
        codes, codewords = fit_item_codes(train, 600, M, 16)
        decoded = codewords[np.arange(M), codes].sum(1)
        errors.append(np.abs(decoded @ decoded.T - exact @ exact.T).mean())
    assert errors[0] > 1.2 * errors[1] > 1.5 * errors[2]


def test_users_with_items_of_their_own_do_not_displace_the_others():
    _, events = tastes()
    lonely = np.zeros((500, 700), dtype=bool)
    lonely[:400, :600] = events
    lonely[np.arange(400, 500), np.arange(600, 700)] = True
    train = Ragged(np.concatenate([[0], np.cumsum(lonely.sum(1))]), np.nonzero(lonely)[1])
    codes, codewords = fit_item_codes(train, 700, 6, 16)
    decoded = codewords[np.arange(6), codes].sum(1)[:600]
    exact = item_vectors(events, 5)
    nearest = [np.argmax(vectors @ vectors.T - 9 * np.eye(600), axis=1) for vectors in (decoded, exact)]
    # The nearest by the code is among the near ones by the taste.
    assert np.mean((exact[nearest[0]] * exact).sum(1)) > 0.9 * np.mean((exact[nearest[1]] * exact).sum(1))


def test_codes_and_codewords_are_of_the_seed():
    train, _ = tastes()
    one, same, other = (fit_item_codes(train, 620, 3, 8, seed=seed) for seed in (1, 1, 2))
    for found, again in zip(one, same):
        np.testing.assert_array_equal(found, again)
    assert (one[0] != other[0]).any()


def test_items_without_events_have_random_codes():
    train, _ = tastes()
    codes, _ = fit_item_codes(train, 700, 3, 8)
    assert len(np.unique(codes[600:], axis=0)) > 95


@pytest.mark.parametrize("n_items", [3, 40])
def test_a_small_catalogue_has_fewer_codewords(n_items):
    rng = np.random.default_rng(0)
    train = Ragged(np.arange(31) * 2, rng.integers(0, n_items, 60))
    codes, codewords = fit_item_codes(train, n_items, 2, 16)
    known = len(np.unique(train.values))
    assert codes.max() < known
    assert not codewords[:, known:].any()


def test_mistakes_are_refused():
    train, _ = tastes()
    with pytest.raises(ValueError, match=r"table_bytes \(=0\) must be 1 to 64"):
        fit_item_codes(train, 600, 0, 8)
    with pytest.raises(ValueError, match="needs training events"):
        fit_item_codes(Ragged(np.zeros(3, np.int64), np.empty(0, np.int64)), 600, 2, 8)
