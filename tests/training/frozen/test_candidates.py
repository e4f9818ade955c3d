from __future__ import annotations

import numpy as np

from poeem.data.ragged import Ragged
from poeem.training.frozen.candidates import Candidates

TOP = np.random.default_rng(0).permuted(np.tile(np.arange(200), (90, 1)), axis=1)[:, :20]


def test_an_epoch_sees_every_query_once_and_the_next_in_another_order():
    draws = Candidates(TOP, batch_size=30, seed=3)
    assert draws.steps_per_epoch == 3
    epochs = [np.concatenate([draws.step(e * 3 + i).queries for i in range(3)]) for e in range(2)]
    assert all(sorted(epoch) == list(range(90)) for epoch in epochs)
    assert (epochs[0] != epochs[1]).any()


def test_items_are_of_the_teachers_lists_each_once_and_as_many_as_asked():
    step = Candidates(TOP, batch_size=30, sampled=4).step(1)
    assert (np.diff(step.items) > 0).all()
    allowed = set(TOP[step.queries].ravel().tolist())
    assert set(step.items.tolist()) <= allowed
    for query in step.queries:
        assert len(np.intersect1d(TOP[query], step.items)) >= 4


def test_a_step_is_a_function_of_seed_and_number():
    one, other = Candidates(TOP, batch_size=30, seed=1), Candidates(TOP, batch_size=30, seed=1)
    one.step(0)
    for a, b in zip(one.step(5), other.step(5)):
        assert (a == b).all()
    assert (one.step(5).items.tolist()) != Candidates(TOP, batch_size=30, seed=2).step(5).items.tolist()


def test_labels_join_the_items_and_further_relevant_ones_are_marked():
    lengths = np.arange(90) % 4
    relevant = Ragged.from_lengths(lengths, np.arange(lengths.sum()) % 200)
    step = Candidates(TOP, relevant, batch_size=30).step(2)
    wanted = {q: set(relevant[q].tolist()) for q in step.queries}
    assert {int(step.queries[i]) for i in step.label_query} == {q for q in wanted if wanted[q]}
    labelled = set()
    for place, item in zip(step.label_query, step.label_item):
        assert step.items[item] in wanted[step.queries[place]]
        labelled.add((int(place), int(item)))
    others = set(zip(step.other_query.tolist(), step.other_item.tolist()))
    expected = {
        (place, item)
        for place, query in enumerate(step.queries)
        for item, row in enumerate(step.items)
        if row in wanted[query] and (place, item) not in labelled
    }
    assert others == expected
