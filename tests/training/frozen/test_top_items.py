from __future__ import annotations

import numpy as np
import pytest

from poeem.training.frozen.list_visits import Visits
from poeem.training.frozen.top_items import blocks, top_items


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_finds_what_a_full_sort_finds_whatever_the_blocks(metric):
    rng = np.random.default_rng(0)
    items, queries = rng.standard_normal((500, 8)).astype(np.float32), rng.standard_normal((30, 8)).astype(np.float32)
    exact = queries.astype(float) @ items.T.astype(float)
    if metric == "l2":
        exact = -((queries[:, None].astype(float) - items[None]) ** 2).sum(-1)
    scores, rows = top_items(queries, blocks(items, rows=64), 7, metric=metric)
    expected = np.argsort(-exact, axis=1)[:, :7]
    assert (rows == expected).all()
    np.testing.assert_allclose(scores, np.take_along_axis(exact, expected, axis=1), atol=1e-4)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_sees_the_lists_that_a_query_visits_alone(metric):
    rng = np.random.default_rng(0)
    items, queries = rng.standard_normal((500, 8)).astype(np.float32), rng.standard_normal((300, 8)).astype(np.float32)
    lists, visited = rng.integers(0, 9, 500), rng.random((300, 9)) < 0.3
    visited[0] = False
    exact = queries.astype(float) @ items.T.astype(float)
    if metric == "l2":
        exact = -((queries[:, None].astype(float) - items[None]) ** 2).sum(-1)
    exact[~visited[:, lists]] = -np.inf
    scores, rows = top_items(queries, blocks(items, rows=64), 40, metric=metric, visits=Visits(lists, visited))
    expected = np.argsort(-exact, axis=1, kind="stable")[:, :40]
    best = np.take_along_axis(exact, expected, axis=1)
    assert (rows == np.where(np.isinf(best), -1, expected)).all()
    assert (rows[0] == -1).all()
    np.testing.assert_allclose(scores, best, atol=1e-4)


def test_more_results_than_a_block_has_rows():
    items = np.eye(5, dtype=np.float32)
    _, rows = top_items(np.float32([[5, 4, 3, 2, 1]]), blocks(items, rows=2), 4, metric="ip")
    assert rows.tolist() == [[0, 1, 2, 3]]


def test_reads_a_mapped_file_block_by_block(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(20, dtype=np.float16).reshape(10, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    parts = list(blocks(mapped, rows=4))
    assert [len(part) for part in parts] == [4, 4, 2]
    assert all(part.dtype == np.float32 and part.flags.writeable for part in parts)
    assert (np.concatenate(parts) == mapped).all()
