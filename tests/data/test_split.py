import numpy as np
import pytest

from poeem.data.interactions import Interactions
from poeem.data.split import Queries, leave_last_out, seen_before_last, time_split


def random_events(seed: int, n: int = 400, n_users: int = 40, n_items: int = 30, n_times: int = 200) -> Interactions:
    random = np.random.default_rng(seed)
    user = (n_users * random.random(n) ** 4).astype(np.int64)  # some users have many events, some none to two
    return Interactions.from_columns(
        user=user, item=random.integers(0, n_items, n), timestamp=random.integers(0, n_times, n)
    )


def rows(queries: Queries) -> dict[int, tuple[list[int], list[int]]]:
    return {int(u): (queries.history[i].tolist(), queries.relevant[i].tolist()) for i, u in enumerate(queries.users)}


@pytest.mark.parametrize("seed", [0, 1])
def test_leave_last_out_against_a_loop_over_users(seed):
    events = random_events(seed)
    split = leave_last_out(events)
    train, validation, test = [], {}, {}
    for u in range(events.n_users):
        own = events.item[events.user == u].tolist()
        if len(own) < 3:
            train.append(own)
            continue
        train.append(own[:-2])
        validation[u] = (own[:-2], [own[-2]])
        test[u] = (own[:-1], [own[-1]])
    assert 0 < len(test) < events.n_users, "the data must have both kinds of users"
    assert [split.train[u].tolist() for u in range(events.n_users)] == train
    assert rows(split.validation) == validation
    assert rows(split.test) == test


def test_never_seen_items_stay_in_the_catalogue():
    events = Interactions.from_columns(user=["u"] * 4, item=["a", "b", "c", "d"])
    split = leave_last_out(events)
    assert split.n_items == 4
    assert split.seen_in_training.tolist() == [True, True, False, False]
    assert split.unseen_item_share == 0.5
    assert split.unseen_target_share == 1.0


@pytest.mark.parametrize("seed", [0, 1])
def test_time_split_against_a_loop_over_users(seed):
    events = random_events(seed)
    split = time_split(events, test_share=0.2, validation_share=0.15)
    ordered = sorted(events.timestamp.tolist())
    test_from, validation_from = ordered[-round(0.2 * len(events))], ordered[-round(0.35 * len(events))]
    train, validation, test = [], {}, {}
    for u in range(events.n_users):
        own = [(t, i) for t, i in zip(events.timestamp[events.user == u], events.item[events.user == u])]
        known = [int(i) for t, i in own if t < validation_from]
        middle = [int(i) for t, i in own if validation_from <= t < test_from]
        late = [int(i) for t, i in own if t >= test_from]
        train.append(known)
        if known and middle:
            validation[u] = (known, sorted(set(middle)))
        if known + middle and late:
            test[u] = (known + middle, sorted(set(late)))
    assert [split.train[u].tolist() for u in range(events.n_users)] == train
    assert rows(split.validation) == validation
    assert rows(split.test) == test


def test_time_split_refuses_what_cannot_be_cut():
    same = Interactions.from_columns(user=[1, 2, 3], item=[1, 2, 3], timestamp=[5, 5, 5])
    with pytest.raises(ValueError, match=r"timestamp has too few distinct values .* use leave_last_out"):
        time_split(same)
    with pytest.raises(ValueError, match=r"test_share \(=0\) must lie between 0 and 1"):
        time_split(same, test_share=0)
    with pytest.raises(ValueError, match=r"\(=1\.1\) must stay below 1"):
        time_split(same, test_share=0.6, validation_share=0.5)


def test_queries_can_be_sampled():
    split = leave_last_out(random_events(2))
    whole, part = rows(split.test), split.test.take(np.array([3, 1]))
    assert len(part) == 2
    assert rows(part) == {int(u): whole[int(u)] for u in split.test.users[[3, 1]]}


def test_items_with_a_training_event_without_the_queries():
    rng = np.random.default_rng(0)
    for users in (1, 5, 40):
        events = Interactions.from_columns(user=rng.integers(0, users, 60), item=rng.integers(0, 50, 60))
        np.testing.assert_array_equal(seen_before_last(events), leave_last_out(events).seen_in_training)
