from __future__ import annotations

import numpy as np
import pytest

from poeem.training.frozen.list_visits import Visits


@pytest.mark.parametrize("codes", [1, 30, 99, 100, 1000])
def test_lists_are_visited_by_falling_score_until_enough_codes_are_scanned(codes):
    rng = np.random.default_rng(0)
    lists, scores = rng.integers(0, 7, 100), rng.standard_normal((300, 7))
    found = Visits.within(scores, lists, codes)
    for query in range(300):
        scanned, expected = 0, set()
        for one in np.argsort(-scores[query]):
            if scanned >= codes:
                break
            expected.add(int(one))
            scanned += int((lists == one).sum())
        assert set(np.flatnonzero(found.visited[query]).tolist()) == expected
