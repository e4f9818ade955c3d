"""Examples against brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poeem.data.ragged import Ragged
from poeem.evaluation.query_set import QuerySet
from poeem.explain.workload import Workload
from poeem.layers.embedding_index import EmbeddingIndex
from poeem.report.examples import find_examples


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 8)).astype(np.float32)
    layer = EmbeddingIndex(8, "IVF8,PQ2x4", metric="l2")
    layer.warm_start(torch.from_numpy(x))
    bundle = layer.eval().bundle(np.arange(400), torch.from_numpy(x), tmp_path_factory.mktemp("w") / "bundle")
    queries = rng.standard_normal((40, 8)).astype(np.float32)
    relevant = Ragged.from_lengths(np.ones(40, int), rng.integers(0, 400, 40))
    seen = Ragged.from_lengths(np.full(40, 30), rng.integers(0, 400, 1200))
    available = rng.random(400) < 0.9
    return Workload("w", bundle, x, QuerySet(queries, relevant, seen), nprobe=2, available=available)


def brute_force(workload, number):
    """Exact and index results of a query by loops over items, and the lists that are visited."""
    bundle, query = workload.bundle, workload.queries.vectors[number].astype(np.float64)
    allowed = workload.available.copy()
    allowed[workload.queries.seen.take(np.array([number])).values] = False
    coarse, books = bundle.arrays["coarse"].astype(np.float64), bundle.arrays["codebooks"].astype(np.float64)
    visited = np.argsort(((coarse - query) ** 2).sum(1))[: workload.nprobe]
    exact, index, everywhere = [], [], []
    for row in np.flatnonzero(allowed):
        decoded = coarse[bundle.lists[row]] + np.concatenate([books[m, bundle.codes[row, m]] for m in range(2)])
        exact.append((((workload.items[row] - query) ** 2).sum(), row))
        everywhere.append((((decoded - query) ** 2).sum(), row))
        if bundle.lists[row] in visited:
            index.append(everywhere[-1])
    return [[row for _, row in sorted(found)] for found in (exact, index, everywhere)]


def test_results_and_reasons_are_those_of_brute_force(workload):
    examples = find_examples(workload, worst=4, typical=3)
    assert len(examples) == len({example.query for example in examples}) == 7
    missed = []
    for example in examples:
        exact, index, everywhere = brute_force(workload, example.query)
        assert [found.row for found in example.exact] == exact[:10]
        # Items of one code have one score; which of them come last is free.
        scores = dict(zip(everywhere, range(len(everywhere))))
        assert len({found.row for found in example.index} - set(index[:14])) == 0
        assert {found.row for found in example.index} <= scores.keys()
        target = workload.queries.relevant.values[example.query]
        for found in example.exact:
            assert found.relevant == (found.row == target)
            if not found.lost:
                assert found.row in {one.row for one in example.index}
            elif "not visited" in found.lost:
                assert found.row not in index
            else:
                assert found.row in index
                assert found.lost.startswith("its code: rank")
                assert index.index(found.row) >= 9 or "others with the same score" in found.lost
        missed.append(example.missed)
    assert missed[:4] == sorted(missed[:4], reverse=True)
    every = find_examples(workload, worst=40, typical=0)
    assert missed[:4] == [example.missed for example in every][:4]
    assert max(missed) > min(example.missed for example in every)


def test_seen_items_items_that_are_queries_and_unavailable_ones_are_not_shown(workload):
    from dataclasses import replace

    items = replace(workload, queries=QuerySet(workload.items[:20], self_rows=np.arange(20)))
    for example in find_examples(items):
        shown = {found.row for found in (*example.exact, *example.index)}
        assert example.query not in shown
        assert workload.available[list(shown)].all()
