from __future__ import annotations

import numpy as np
import pytest

from poeem.evaluation.bench.fitted import fitted
from poeem.evaluation.bench.methods import METHODS
from poeem.evaluation.bench.problem import Problem, one_each


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((16, 16)) * np.exp(-np.arange(16)[:, None] / 6)
    items = rng.standard_normal((60, 16))[rng.integers(0, 60, 600)] + 0.7 * rng.standard_normal((600, 16))
    rows = rng.integers(0, 600, 5000)
    queries = items[rows] + 0.5 * rng.standard_normal((5000, 16))
    items, queries = (items @ mixing).astype(np.float32), (queries @ mixing).astype(np.float32)
    relevant = one_each(rows)
    train, test = np.arange(4500), np.arange(4500, 5000)
    return Problem("made up", items, queries[test], relevant.take(test), queries[train], relevant.take(train))


LISTED = ("poeem-rq", "poeem-pq-labels", "poeem-2021", "jpq", "mopq")


# The adapter starts from a flat index.
@pytest.mark.parametrize(("name", "nlist"), [("poeem-adapter", 0), *((name, n) for name in LISTED for n in (0, 8))])
def test_the_scorer_is_what_the_engine_searches(problem, name, nlist):
    method = METHODS[name]
    method.check(problem, [2])
    short = fitted(name, "RQ{M}x4" if "rq" in name else "OPQ{M},PQ{M}x4", labels=method.needs_labels, epochs=1,
                   **({"start": "OPQ{M},PQ{M}x4np", "train_words": False} if name == "poeem-adapter" else {}),
                   **({"codes": "fixed"} if name == "jpq" else {}))  # fmt: skip
    built = short.build(problem, n_bytes=2, nlist=nlist, metric="ip", seed=0).with_nprobe(None)
    assert built.bytes_per_vector == 1
    scores = built.scores(problem.queries[:50])
    found, rows = built.index.search(problem.queries[:50], 5)
    best = np.sort(scores, axis=1)[:, ::-1][:, :5]
    np.testing.assert_allclose(found, best, atol=1e-3 * np.abs(best).max())
    np.testing.assert_allclose(np.take_along_axis(scores, rows, axis=1), found, atol=1e-3 * np.abs(best).max())
