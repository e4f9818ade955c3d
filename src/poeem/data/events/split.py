"""Training, validation and test parts of search events: two cuts in time for all users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poeem.data.events.search_events import NO_QUERY, SearchEvents


@dataclass(frozen=True, eq=False)
class EventSplit:
    """Positions of the events with a query in each part, int64. The history of an event is all events of its user
    before it.

    Args:
        train: events until the first cut.
        validation: events after it until the second cut.
        test: events after the second cut.
        seen: bool, ``(n_items,)``: items with an event until the first cut, with or without a query.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    seen: np.ndarray


def split_by_time(
    events: SearchEvents, *, validation: float = 0.05, test: float = 0.1, most: int = 5000, seed: int = 0
) -> EventSplit:
    """Split a log by time: the last events are the test, those before them the validation, the rest is for training.

    Events at the time of a cut belong to the part before it, so parts may be smaller than their shares.

    Args:
        events: with times, or in the order of time.
        validation, test: shares of the events.
        most: largest number of validation and of test queries; more are sampled.
        seed: of the sample.
    Returns:
        the parts.
    Raises:
        ValueError: a part has no event with a query, or the shares are not above 0 and together below 1.
    """
    if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise ValueError(f"validation (={validation}) and test (={test}) must be shares above 0, together below 1")
    first, second = np.quantile(events.timestamp, [1 - test - validation, 1 - test], method="lower")
    part = np.searchsorted([first, second], events.timestamp)
    positions = [np.flatnonzero((part == number) & (events.query != NO_QUERY)) for number in range(3)]
    for name, found in zip(("training", "validation", "test"), positions):
        if not len(found):
            raise ValueError(
                f"the {name} part (by time) has no event with a query; give more events, or check the timestamps"
            )
    rng = np.random.default_rng(seed)
    held_out = [found if len(found) <= most else np.sort(rng.permutation(found)[:most]) for found in positions[1:]]
    seen = np.bincount(events.item[part == 0], minlength=events.n_items) > 0
    return EventSplit(positions[0], held_out[0], held_out[1], seen)
