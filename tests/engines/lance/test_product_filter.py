"""Conditions of product search: Lance's own filter returns what `EventRun.search` returns."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lance", reason="engine 'lance' needs pylance: pip install 'poeem-torch[lance]'")

import poeem
from benchmarks.product_search.tiny import tiny_events
from poeem.engines.lance import open_lance
from poeem.training.recipes.events import train_events

SMALL = {"dim": 8, "batch_size": 64, "heads": 2, "negatives": 16, "recent": 3, "short": 3, "long": 3, "show": False}


@pytest.fixture(scope="module", params=["PQ4x4", "IVF4,PQ4x4"])
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    train_events(tiny_events(), folder / "run", spec=request.param, steps=6, baselines=[], **SMALL)
    run = poeem.load(folder / "run")
    poeem.export(run.bundle, "lance", folder / "items.lance", vectors=run.item_vectors(), nprobe=1)
    return run, open_lance(folder / "items.lance", run.bundle)


@pytest.mark.parametrize("where", ["category = 'tea' AND price < 3", "brand IN ('acme', 'best') OR price >= 7"])
def test_a_condition_means_the_same_in_lance(exported, where):
    run, searcher = exported
    for query, user in (("tea", "u1"), ("soup", None)):
        scores, rows, found = run.search(query, user, 400, where=where)
        lance_scores, ids = searcher.search(
            run.encode_query(query, user), 400, run.bundle.spec.nlist or 1, filter=where
        )
        assert 0 < found < 400
        rows, ids = rows[0][:found], ids[0][:found]
        assert (rows >= 0).all()
        assert set(ids) == set(run.bundle.ids[rows])
        order = np.argsort(rows), np.argsort(run.bundle.row_of(ids))
        np.testing.assert_allclose(lance_scores[0][:found][order[1]], scores[0][:found][order[0]], atol=1e-4)
        assert (searcher.search(run.encode_query(query, user), 400, 4, filter=where)[1][0][found:] == None).all()  # noqa: E711


def test_a_condition_that_nothing_meets_gives_nothing(exported):
    run, searcher = exported
    assert run.search("tea", where="price > 99")[2] == 0
    assert (searcher.search(run.encode_query("tea"), 5, 4, filter="price > 99")[1] == None).all()  # noqa: E711
