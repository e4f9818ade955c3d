"""Training, validation and test parts of interactions: leave-last-out per user, or one cut in time for all users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poeem.data.interactions import Interactions
from poeem.data.ragged import Ragged, offsets_of

# Events that a user needs for leave-last-out to hold two of them out.
TESTED_EVENTS = 3


@dataclass(frozen=True, eq=False)
class Queries:
    """The queries of an evaluation, one row per query.

    Args:
        users: int64 user numbers, ``(nq,)``.
        history: item numbers of the user's known events, oldest first, ``nq`` rows. They are masked in the ranking.
        relevant: item numbers that should be found, ``nq`` rows with at least one each. They are never masked.
    """

    users: np.ndarray
    history: Ragged
    relevant: Ragged

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: np.ndarray) -> Queries:
        """Return the given queries, in the given order."""
        return Queries(self.users[rows], self.history.take(rows), self.relevant.take(rows))


@dataclass(frozen=True, eq=False)
class Split:
    """Training events, and the queries that validate and test a model trained on them.

    Args:
        train: item numbers of the training events, one row per user of the file, oldest first.
        validation: queries for model selection and early stopping.
        test: queries for the reported figures.
        n_items: size of the catalogue, items without a training event included.
    """

    train: Ragged
    validation: Queries
    test: Queries
    n_items: int

    @property
    def seen_in_training(self) -> np.ndarray:
        """Whether each item has a training event: bool, ``(n_items,)``. Other items count as misses."""
        seen = np.zeros(self.n_items, dtype=bool)
        seen[self.train.values] = True
        return seen

    @property
    def unseen_item_share(self) -> float:
        """Share of the catalogue that has no training event, 0 to 1."""
        return float(1 - self.seen_in_training.mean()) if self.n_items else 0.0

    @property
    def unseen_target_share(self) -> float:
        """Share of the test's relevant items without a training event, 0 to 1. Recall is at most 1 minus it."""
        relevant = self.test.relevant.values
        return float(1 - self.seen_in_training[relevant].mean()) if len(relevant) else 0.0


def leave_last_out(interactions: Interactions) -> Split:
    """Split interactions by user: the last event is the test, the second last the validation, and the rest trains.

    The test history includes the validation item. Users with fewer than 3 events are used for training only.

    >>> from poeem.data.interactions import Interactions
    >>> events = Interactions.from_columns(user=["ann"] * 4 + ["bob"] * 2, item=list("abcdab"))
    >>> split = leave_last_out(events)
    >>> split.train.values.tolist(), split.test.users.tolist()
    ([0, 1, 0, 1], [0])
    >>> split.test.history[0].tolist(), split.test.relevant[0].tolist()
    ([0, 1, 2], [3])
    """
    events = Ragged(interactions.offsets, interactions.item)
    users = np.flatnonzero(events.lengths >= TESTED_EVENTS)
    return Split(
        train=_first_values(events, events.lengths - _held_out_counts(events)),
        validation=_queries_at(events, users, events.offsets[users + 1] - 2),
        test=_queries_at(events, users, events.offsets[users + 1] - 1),
        n_items=interactions.n_items,
    )


def seen_before_last(interactions: Interactions) -> np.ndarray:
    """Return whether each item has a training event in :func:`leave_last_out`: bool, ``(n_items,)``. The split itself
    is not made.
    """
    events = Ragged(interactions.offsets, interactions.item)
    # The last two events of a user are held out.
    last = events.offsets[1:][_held_out_counts(events) > 0]
    counts = np.bincount(events.values, minlength=interactions.n_items)
    for place in (last - 1, last - 2):
        counts -= np.bincount(events.values[place], minlength=interactions.n_items)
    return counts > 0


def _held_out_counts(events: Ragged) -> np.ndarray:
    """How many events of each user leave-last-out holds out of training, int64 ``(n_users,)``."""
    return np.where(events.lengths >= TESTED_EVENTS, 2, 0)


def time_split(interactions: Interactions, test_share: float = 0.1, validation_share: float = 0.1) -> Split:
    """Split interactions by one cut in time for all users: events before the cut are histories, later ones are
    relevant.

    The latest ``test_share`` of all events are relevant items of the test. The ``validation_share`` before them are
    relevant items of the validation. Events at the time of a cut belong to the part after it. The test history includes
    the validation events. A user is a query if there is an event before the cut and one after it. An item that occurs
    several times after the cut is relevant once.

    Args:
        interactions: events; without times, row numbers are the times.
        test_share: share of all events, above 0.
        validation_share: share of all events, above 0; the two sum to less than 1.
    Returns:
        the three parts.
    Raises:
        ValueError: the shares are out of range, or so many events share one time that a part stays empty.
    """
    for name, share in (("test_share", test_share), ("validation_share", validation_share)):
        if not 0 < share < 1:
            raise ValueError(f"{name} (={share}) must lie between 0 and 1, both excluded")
    if test_share + validation_share >= 1:
        raise ValueError(f"test_share + validation_share (={test_share + validation_share:g}) must stay below 1")
    events = Ragged(interactions.offsets, interactions.item)
    ordered = np.sort(interactions.timestamp)
    test_from = _cut(ordered, test_share)
    validation_from = _cut(ordered, test_share + validation_share)
    if not ordered[0] < validation_from < test_from:
        raise ValueError(
            f"timestamp has too few distinct values to cut {validation_share:g} and {test_share:g} of the events "
            f"off its end (cuts at {validation_from} and {test_from}, first event at {ordered[0]}); "
            "choose other shares, or use leave_last_out"
        )
    user, time = interactions.user, interactions.timestamp

    def before(cut: float) -> np.ndarray:
        # A user's events are in the order of time, so that those before a cut come first.
        return np.bincount(user[time < cut], minlength=interactions.n_users)

    n_train, n_known = before(validation_from), before(test_from)
    return Split(
        train=_first_values(events, n_train),
        validation=_queries_between(events, n_train, n_known),
        test=_queries_between(events, n_known, events.lengths),
        n_items=interactions.n_items,
    )


def _cut(ordered: np.ndarray, share: float) -> float:
    """The time at which the latest ``share`` of the events begins."""
    n_later = min(max(round(share * len(ordered)), 1), len(ordered))
    return ordered[len(ordered) - n_later]


def _first_values(events: Ragged, counts: np.ndarray) -> Ragged:
    """The first ``counts[row]`` values of every row."""
    within = np.arange(len(events.values)) - np.repeat(events.offsets[:-1], events.lengths)
    return Ragged.from_lengths(counts, events.values[within < np.repeat(counts, events.lengths)])


def _queries_at(events: Ragged, users: np.ndarray, places: np.ndarray) -> Queries:
    """One query per user: the event at a position of ``events.values`` is relevant, those before it are the history."""
    history = _first_values(events.take(users), places - events.offsets[users])
    return Queries(users, history, Ragged(np.arange(len(users) + 1, dtype=np.int64), events.values[places]))


def _queries_between(events: Ragged, n_history: np.ndarray, n_known: np.ndarray) -> Queries:
    """One query per user: the first ``n_history`` events are the history, those up to ``n_known`` are relevant."""
    users = np.flatnonzero((n_history > 0) & (n_known > n_history))
    known = _first_values(events.take(users), n_known[users])
    within = np.arange(len(known.values)) - np.repeat(known.offsets[:-1], known.lengths)
    later = within >= np.repeat(n_history[users], known.lengths)
    pairs = np.unique(np.stack([known.row_of_value[later], known.values[later]]), axis=1)
    relevant = Ragged(offsets_of(np.bincount(pairs[0], minlength=len(users))), pairs[1])
    return Queries(users, _first_values(known, n_history[users]), relevant)
