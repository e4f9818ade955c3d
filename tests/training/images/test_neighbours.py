import numpy as np
import pytest

from poeem.training.images import neighbours as module
from poeem.training.images.neighbours import nearest_rows


def test_neighbours_are_the_nearest_by_the_cosine_of_centred_descriptors():
    x = np.random.default_rng(0).normal(3, 1, (60, 8)).astype(np.float32)
    centred = (x - x.mean(0)).astype(np.float64)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    cosines = centred @ centred.T
    np.fill_diagonal(cosines, -2)
    assert nearest_rows(x, 5).tolist() == np.argsort(-cosines, axis=1)[:, :5].tolist()


def test_equal_images_are_neighbours_and_none_is_its_own():
    x = np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32)
    found = nearest_rows(np.concatenate([x, x]), 3)
    rows = np.arange(24)
    assert (found[:, 0] == (rows + 12) % 24).all()
    assert not (found == rows[:, None]).any()


def test_lists_find_most_neighbours(monkeypatch):
    x = np.random.default_rng(2).normal(size=(3000, 6)).astype(np.float32)
    exact = nearest_rows(x, 4)
    for name, value in (("LISTS_FROM", 1000), ("LISTS", 16)):
        monkeypatch.setattr(module, name, value)
    found = nearest_rows(x, 4)
    assert np.mean([len(set(a) & set(b)) / 4 for a, b in zip(found.tolist(), exact.tolist())]) > 0.95


@pytest.mark.parametrize("k", [0, 5])
def test_refuses_a_number_that_is_out_of_range(k):
    with pytest.raises(ValueError, match=rf"neighbours \(={k}\) must be at least 1 and below the number of images"):
        nearest_rows(np.eye(5, dtype=np.float32), k)
