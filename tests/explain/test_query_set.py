"""What counts as found: labels past what is masked, as in the evaluation of a run."""

from __future__ import annotations

import numpy as np
import pytest

from poeem.data.ragged import Ragged
from poeem.evaluation.scorers import FloatScorer
from poeem.explain.query_set import QuerySet, found, nearest


@pytest.fixture
def scorer():
    # The only query scores item i by -i.
    return FloatScorer(-np.arange(150.0)[:, None], "ip")


def asked(relevant, seen=None):
    rows = [Ragged.from_lengths(np.array([1]), np.array([row])) for row in (relevant, seen) if row is not None]
    return QuerySet(np.ones((1, 1), dtype=np.float32), *rows)


def labels(scorer, *rows, available=None):
    return found(scorer, asked(*rows), available, measures=("labels",))["labels"].tolist()


def test_seen_items_leave_their_place(scorer):
    assert labels(scorer, 99) == [1]
    assert labels(scorer, 100) == [0]
    assert labels(scorer, 100, 3) == [1]
    # The target is never masked.
    assert labels(scorer, 99, 99) == [1]


def test_items_that_may_not_be_returned_leave_theirs(scorer):
    available = np.arange(150) != 3
    assert labels(scorer, 100, available=available) == [1]
    assert labels(scorer, 3, available=available) == [0]
    assert set(nearest(scorer, asked(0), available, 4)[0].tolist()) == {0, 1, 2, 4}
