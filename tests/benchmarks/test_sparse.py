"""Sparse catalogues: which events are kept, and the groups of queries by the popularity of their target."""

from __future__ import annotations

import numpy as np

from benchmarks.interactions.sparse_catalogues import popularity_groups, target_events
from benchmarks.interactions.sparse_data import selected, thinned
from poeem.data.interactions import Interactions
from poeem.data.split import leave_last_out


def events(n=20_000):
    rng = np.random.default_rng(0)
    items = rng.zipf(1.3, n) % 500
    return Interactions.from_columns(
        user=(rng.integers(0, 2000, n)).tolist(), item=[f"i{item}" for item in items], timestamp=np.arange(n).tolist()
    )


def test_thinned_keeps_whole_users_and_has_the_events_an_item():
    every = events()
    few = thinned(every, 12)
    assert few.n_users < every.n_users
    assert abs(len(few) / few.n_items - 12) < 0.1
    counts = dict(zip(every.user_ids.tolist(), np.bincount(every.user).tolist()))
    assert all(counts[user] == n for user, n in zip(few.user_ids.tolist(), np.bincount(few.user).tolist()))


def test_selected_events_keep_their_ids_and_times():
    every = events(300)
    rows = every.item % 2 == 0
    some = selected(every, rows)
    assert some.item_ids[some.item].tolist() == every.item_ids[every.item[rows]].tolist()
    assert some.user_ids[some.user].tolist() == every.user_ids[every.user[rows]].tolist()
    assert some.timestamp.tolist() == every.timestamp[rows].tolist()
    assert np.bincount(some.item).min() > 0
    assert np.bincount(some.user).min() > 0


def test_groups_hold_every_query_once_and_ascend_in_popularity():
    split = leave_last_out(events())
    groups, popularity = popularity_groups(split), target_events(split)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(split.test)))
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    assert popularity[groups[0]].max() <= popularity[groups[1]].min()
    assert popularity[groups[1]].max() <= popularity[groups[2]].min()
    row = groups[2][0]
    assert popularity[row] == (split.train.values == split.test.relevant[row][0]).sum()
