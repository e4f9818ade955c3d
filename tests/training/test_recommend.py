from __future__ import annotations

import numpy as np
import pytest

from poeem.bundle import BundleEditor
from poeem.data.ragged import Ragged
from poeem.training.compare import compare
from poeem.training.load import load_run
from poeem.training.recommend import recommend, similar_items


@pytest.fixture(scope="module")
def run(finished):
    return load_run(finished[0])


def test_the_best_decoded_items_without_those_seen_or_never_trained(run):
    users = np.array([0, 5, 9])
    histories = run.histories.take(users)
    scores, numbers = recommend(run, histories, k=7, nprobe=4)
    decoded = run.model.index.decode(*(map(_tensor, (run.bundle.codes, run.bundle.lists)))).double().numpy()
    queries = run.queries(histories).astype(np.float64)
    for row, user in enumerate(users):
        exact = decoded @ queries[row] / np.linalg.norm(queries[row])
        left = [i for i in np.argsort(-exact, kind="stable") if i not in run.histories[user]]
        left = [i for i in left if run.split.seen_in_training[i]][:7]
        np.testing.assert_allclose(scores[row], exact[left], atol=1e-5)
        np.testing.assert_allclose(exact[numbers[row]], exact[left], atol=1e-5)
        assert not set(numbers[row]) & set(run.histories[user])


def test_an_item_is_not_similar_to_itself(run):
    _, numbers = similar_items(run, np.array([3, 4]), k=run.interactions.n_items, nprobe=4)
    assert 3 not in numbers[0]
    assert 4 not in numbers[1]
    # All trained items but itself, then nothing.
    trained = int(run.split.seen_in_training.sum())
    assert (numbers[0] >= 0).sum() == trained - 1
    assert (numbers[0][trained - 1 :] == -1).all()


def test_more_than_there_is_comes_as_minus_one(run):
    scores, numbers = recommend(run, Ragged(np.array([0, 0]), np.empty(0, np.int64)), k=200)
    assert scores.shape == numbers.shape == (1, 200)
    assert np.isneginf(scores[numbers < 0]).all()


def test_k_below_one_is_refused(run):
    with pytest.raises(ValueError, match=r"k \(=0\)"):
        similar_items(run, np.array([0]), k=0)


def _tensor(array):
    import torch

    return torch.from_numpy(array.astype(np.int64))


def test_a_catalogue_that_has_changed_is_searched_as_it_is(copied):
    """A deleted item is not found, a new one is; what was seen stays left out although rows have moved."""
    run = load_run(copied)
    queries = Ragged(np.array([0, 2]), np.array([30, 31]))
    before = run.bundle.ids[recommend(run, queries, 5)[1][0]].tolist()
    best = int(run.bundle.row_of([before[0]])[0])
    with BundleEditor(copied) as editor:
        editor.add(["new"], run.items(np.array([best])))
        editor.delete([before[0], run.interactions.item_ids[0]])
    run = load_run(copied)
    after = run.bundle.ids[recommend(run, queries, 5)[1][0]].tolist()
    assert after == ["new", *before[1:]]
    assert not {run.interactions.item_ids[30], run.interactions.item_ids[31]} & set(after)
    with pytest.raises(ValueError, match="no longer those of its training"):
        compare(load_run(copied), accelerator=None)
