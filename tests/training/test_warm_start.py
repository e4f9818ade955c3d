from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from poeem.layers.embedding_index import EmbeddingIndex
from poeem.training.plan import Plan
from poeem.training.train_model import TrainState
from poeem.training.warm_start import warm_start_at

VECTORS = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)


def process(number: int, of: int):
    return SimpleNamespace(process_index=number, num_processes=of, device=torch.device("cpu"))


def test_the_index_is_fitted_before_its_step_only():
    index = EmbeddingIndex(8, "PQ2x4", warmup_steps=100)
    asked, after = [], []

    def vectors(rows):
        asked.append(rows)
        return VECTORS[rows]

    start = warm_start_at(
        Plan(steps=10, warm_start_step=4),
        index,
        np.arange(0, 50, 2),
        vectors,
        process(0, 1),
        what="pictures",
        then=lambda: after.append(index.ready),
    )
    state = TrainState()
    assert [start(step, state) for step in range(4)] == [None] * 4
    assert not index.ready
    assert start(4, state) == "the index is warm-started on 25 pictures"
    assert state.warm_start_seconds > 0
    assert start(5, state) is None
    assert [rows.tolist() for rows in asked] == [list(range(0, 50, 2))]
    assert after == [True]
    expected = EmbeddingIndex(8, "PQ2x4", warmup_steps=100)
    expected.warm_start(torch.from_numpy(VECTORS[::2]))
    np.testing.assert_array_equal(index.arrays()["codebooks"], expected.arrays()["codebooks"])


def test_every_process_computes_its_share_and_a_model_without_index_none():
    asked = []

    def vectors(rows):
        asked.extend(rows.tolist())
        return VECTORS[rows]

    plan, index = Plan(steps=2, warm_start_step=0), SimpleNamespace(warm_start=lambda sample: None)
    for number in range(3):
        warm_start_at(plan, index, np.arange(50), vectors, process(number, 3))(0, TrainState())  # pyright: ignore
    assert sorted(asked) == list(range(50))
    for nothing in ((None, np.arange(50)), (index, None)):
        assert warm_start_at(plan, *nothing, vectors, process(0, 1))(0, TrainState()) is None  # pyright: ignore
    assert len(asked) == 50
