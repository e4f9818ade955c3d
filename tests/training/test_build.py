from __future__ import annotations

import numpy as np
import pytest

from poeem.data.split import leave_last_out
from poeem.training.build import build_batches, column_log_q


@pytest.mark.parametrize(
    ("tower", "candidates"), [("history", "unique"), ("sequence", "unique"), ("history", "positives")]
)
def test_log_q_is_how_often_an_item_is_a_column(small, tower, candidates):
    train = leave_last_out(small).train
    settings = {"tower": tower, "batch_size": 32, "history_length": 5, "seed": 0, "candidates": candidates}
    batches = build_batches(settings, train)
    found = np.exp(column_log_q(settings, train, batches, small.n_items))
    counted = np.zeros(small.n_items)
    for step in range(600):
        positive = batches.batch(step)["positive"].numpy()
        positive = positive[positive >= 0]
        items = np.unique(positive) if candidates == "unique" else positive
        np.add.at(counted, items, 1 / (1 if candidates == "unique" else len(positive)))
    trained = counted > 0
    # Windows overlap where a history is a little longer than one: its events are drawn more often than their share.
    np.testing.assert_allclose(found[trained], counted[trained] / 600, rtol=0.6 if tower == "sequence" else 0.35)
    assert abs(np.log(found[trained] / (counted[trained] / 600)).mean()) < 0.05
