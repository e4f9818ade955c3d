from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.data.ragged import Ragged
from poeem.towers.two_tower import interaction_towers
from poeem.training import tower_vectors
from poeem.training.model import JointModel


@pytest.mark.parametrize("kind", ["history", "sequence"])
def test_blocks_dropout_and_mode_leave_no_trace(kind, monkeypatch):
    model = JointModel(
        interaction_towers(kind, 9, 4, history_length=3, dropout=0.5), None, log_q=torch.zeros(9)
    ).train()
    histories = Ragged(np.array([0, 2, 2, 7]), np.array([1, 2, 3, 4, 5, 6, 7]))
    whole_items, whole_queries = (
        tower_vectors.item_vectors(model, np.arange(9)),
        tower_vectors.query_vectors(model, histories),
    )
    monkeypatch.setattr(tower_vectors, "ITEM_ROWS", 2)
    monkeypatch.setattr(tower_vectors, "QUERY_ROWS", 2)
    np.testing.assert_allclose(tower_vectors.item_vectors(model, np.arange(9)), whole_items, rtol=1e-6)
    np.testing.assert_allclose(tower_vectors.query_vectors(model, histories), whole_queries, rtol=1e-6)
    assert model.training
    rows = torch.tensor([[-1, 1, 2], [-1, -1, -1], [5, 6, 7]])
    with torch.no_grad():
        np.testing.assert_allclose(whole_queries, model.eval().towers.query(rows).numpy(), rtol=1e-6)
    assert whole_queries.dtype == whole_items.dtype == np.float32


def test_nothing_asked_is_an_empty_array():
    model = JointModel(interaction_towers("history", 9, 4), None, log_q=torch.zeros(9))
    assert tower_vectors.item_vectors(model, np.empty(0, np.int64)).shape == (0, 4)
    assert tower_vectors.query_vectors(model, Ragged(np.zeros(1, np.int64), np.empty(0, np.int64))).shape == (0, 4)
