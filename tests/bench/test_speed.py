"""Timing with a simulated clock."""

import faiss
import numpy as np
import pytest

from poeem.bench import speed


class Clock:
    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


class Slow:
    """Takes 10 s at first, then 1 ms a query, and twice that in every other search."""

    def __init__(self, clock):
        self.clock, self.searches, self.threads = clock, [], set()

    def search(self, x, k):
        self.threads.add(faiss.omp_get_max_threads())
        self.clock.now += 10.0 if not self.searches else len(x) * (0.001 if len(self.searches) % 2 else 0.002)
        self.searches.append((len(x), k))
        return None, None


def test_best_search_on_one_thread_without_the_first_one(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speed, "time", clock)
    index, before = Slow(clock), faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        found = speed.queries_per_second(index, np.zeros((500, 4), np.float32), 7, seconds=1.0)
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)
    assert found == pytest.approx(1000)
    assert index.threads == {1}
    # 16 queries to warm up and 16 to judge by; then batches that take a third of a second each, at 1 ms a query.
    assert index.searches[:2] == [(16, 7), (16, 7)]
    assert {size for size, _ in index.searches[2:]} == {333}
    assert len(index.searches[2:]) >= 3
