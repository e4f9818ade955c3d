from __future__ import annotations

import numpy as np
import pytest

from poeem.data.pairs.batches import PairBatches
from poeem.data.ragged import Ragged

RELEVANT = Ragged(np.array([0, 2, 2, 3, 6]), np.array([10, 11, 12, 13, 14, 15]))
NEGATIVES = Ragged(np.array([0, 2, 2, 2, 3]), np.array([7, 8, 9]))


def pairs_of(batch):
    return list(zip(batch["history"].tolist(), batch["positive"].tolist()))


def test_an_epoch_holds_every_pair_of_the_given_queries_once():
    batches = PairBatches(np.array([0, 3]), RELEVANT, batch_size=2, seed=3)
    assert (len(batches), batches.steps_per_epoch) == (5, 3)
    stream = [pair for step in range(5) for pair in pairs_of(batches.batch(step))]
    every = {(0, 10), (0, 11), (3, 13), (3, 14), (3, 15)}
    assert set(stream[:5]) == set(stream[5:]) == every
    assert stream[:5] != stream[5:]


def test_ranks_share_the_batch_of_one_process():
    batches = PairBatches(np.array([0, 2, 3]), RELEVANT, NEGATIVES, batch_size=4, seed=1)
    whole = batches.batch(7)
    parts = [batches.batch(7, rank, 2) for rank in (0, 1)]
    assert pairs_of(parts[0]) + pairs_of(parts[1]) == pairs_of(whole)


def test_negatives_are_those_of_the_query():
    batches = PairBatches(np.array([0, 2, 3]), RELEVANT, NEGATIVES, batch_size=6)
    seen = set()
    for step in range(20):
        batch = batches.batch(step)
        seen |= set(zip(batch["history"].tolist(), batch["negative"].tolist()))
    assert seen == {(0, 7), (0, 8), (2, -1), (3, 9)}


def test_nothing_to_train_with_is_refused():
    with pytest.raises(ValueError, match="nothing to train with"):
        PairBatches(np.array([1]), RELEVANT)
    with pytest.raises(ValueError, match=r"batch_size \(=0\)"):
        PairBatches(np.array([0]), RELEVANT, batch_size=0)
    with pytest.raises(ValueError, match=r"rank \(=2\)"):
        PairBatches(np.array([0]), RELEVANT).batch(0, rank=2, world=2)
