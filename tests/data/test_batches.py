import time

import numpy as np
import pytest
import torch

from poeem.data.batches import TrainingBatches
from poeem.data.ragged import Ragged

# Event e of user u is item 100 u + e: a row says where it comes from.
LENGTHS = np.array([3, 0, 1, 9])
EVENTS = Ragged(
    np.concatenate([[0], LENGTHS.cumsum()]), np.concatenate([100 * u + np.arange(n) for u, n in enumerate(LENGTHS)])
)


def epoch_of(batches, epoch=0):
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    drawn = [batches.batch(step) for step in steps]
    return [torch.cat([batch[name] for batch in drawn]).numpy() for name in ("history", "positive")]


def padded(items, length):
    return [-1] * (length - len(items)) + list(items)[-length:]


def test_prefix_examples_are_every_event_with_what_came_before():
    history, positive = epoch_of(TrainingBatches(EVENTS, "prefix", batch_size=1, history_length=4))
    assert sorted(positive) == sorted(EVENTS.values)
    for row, item in zip(history, positive):
        user, event = divmod(int(item), 100)
        assert row.tolist() == padded([100 * user + e for e in range(event)][-4:], 4)


def test_positions_examples_are_windows_with_the_next_item_everywhere():
    batches = TrainingBatches(EVENTS, "positions", batch_size=1, history_length=4, seed=3)
    assert len(batches) == 1 + 0 + 1 + 3  # one window per 4 events begun
    starts = set()
    for epoch in range(20):
        history, positive = epoch_of(batches, epoch)
        last = {divmod(int(row[-1]), 100) for row in positive}
        assert {(0, 2), (2, 0), (3, 8)} <= last  # every user's latest window is among them
        starts |= {event for user, event in last if user == 3}
        for row, nexts in zip(history, positive):
            user, event = divmod(int(nexts[-1]), 100)
            assert nexts.tolist() == padded([100 * user + e for e in range(event + 1)], 4)
            assert row.tolist() == padded([100 * user + e for e in range(event)], 4)
    assert starts == {3, 4, 5, 6, 7, 8}  # further windows lie anywhere, but are full


@pytest.mark.parametrize("kind", ["prefix", "positions"])
def test_a_batch_is_a_function_of_seed_and_step(kind):
    make = lambda seed: TrainingBatches(EVENTS, kind, batch_size=3, history_length=4, seed=seed)  # noqa: E731
    forward, backward = make(1), make(1)
    ahead = [forward.batch(step) for step in range(30)]
    for step in reversed(range(30)):
        for name, tensor in backward.batch(step).items():
            assert torch.equal(tensor, ahead[step][name])
    assert any(not torch.equal(make(2).batch(s)["positive"], ahead[s]["positive"]) for s in range(3))


def test_epochs_follow_each_other_without_a_gap():
    batches = TrainingBatches(EVENTS, "prefix", batch_size=4, history_length=4)
    assert (len(batches), batches.steps_per_epoch) == (13, 4)
    stream = torch.cat([batches.batch(step)["positive"] for step in range(13)]).numpy().reshape(4, 13)
    for epoch in stream:
        assert sorted(epoch) == sorted(EVENTS.values)
    assert (stream[0] != stream[1]).any()


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_out_the_batch(world):
    batches = TrainingBatches(EVENTS, "prefix", batch_size=5, history_length=4)
    for step in range(6):
        parts = [batches.batch(step, rank, world) for rank in range(world)]
        whole = batches.batch(step)
        for name, tensor in whole.items():
            assert torch.equal(torch.cat([part[name] for part in parts]), tensor)


def test_a_batch_is_no_larger_than_an_epoch():
    batches = TrainingBatches(EVENTS, "prefix", batch_size=1000)
    assert batches.batch_size == 13
    assert sorted(batches.batch(7)["positive"].tolist()) == sorted(EVENTS.values)


def test_rows_are_int64_tensors():
    batch = TrainingBatches(EVENTS, "positions", batch_size=2, history_length=4).batch(0)
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in batch.items()} == {
        "history": (torch.int64, (2, 4)),
        "positive": (torch.int64, (2, 4)),
    }


def test_a_thousand_prefixes_take_a_few_milliseconds():
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], rng.integers(20, 300, 3000).cumsum()])
    batches = TrainingBatches(Ragged(offsets, rng.integers(0, 3000, offsets[-1])), "prefix", batch_size=1024)
    batches.batch(0)  # draws the epoch's order
    best = np.inf
    for step in range(1, 20):
        start = time.process_time()
        batches.batch(step)
        best = min(best, time.process_time() - start)
    assert best < 0.01  # 1 ms on an idle core


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "window"}, r"kind \(='window'\) must be one of 'prefix', 'positions'"),
        ({"batch_size": 0}, r"batch_size \(=0\) must be at least 1"),
        ({"history_length": 0}, r"history_length \(=0\) must be at least 1"),
        ({"events": Ragged(np.zeros(2, np.int64), np.zeros(0, np.int64))}, r"events has no events"),
    ],
)
def test_refuses_what_cannot_be_drawn_from(arguments, message):
    with pytest.raises(ValueError, match=message):
        TrainingBatches(**{"events": EVENTS} | arguments)


@pytest.mark.parametrize(("step", "rank", "world"), [(-1, 0, 1), (0, 1, 1), (0, -1, 2), (0, 0, 14)])
def test_refuses_a_step_or_rank_that_is_none(step, rank, world):
    with pytest.raises(ValueError, match=rf"rank \(={rank}\) in \[0, world={world}\)"):
        TrainingBatches(EVENTS).batch(step, rank, world)
