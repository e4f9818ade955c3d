"""The self-check of a Lance dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.faiss.refine import prepared
from poeem.engines.lance.build import code_columns
from poeem.engines.lance.layout import CODE, ID, LIST
from poeem.engines.lance.searcher import LanceSearcher
from poeem.engines.queries import MISSING, prepare_queries
from poeem.engines.reference import ReferenceScorer
from poeem.engines.self_check import TOLERANCE, Agreement, EngineMismatch, check_exact, sample_queries

# Queries by which so many rows are compared one by one, and those that are ranked again by vectors.
_WIDE, _WIDE_RESULTS = 2, 100_000
_REFINED, _REFINED_RESULTS = 8, 10


def check_dataset(bundle: Bundle, searcher: LanceSearcher, queries: Any = None) -> Agreement:
    """Compare a dataset with its bundle: all ids, lists and codes, then scores and ranks with all lists visited.

    Scores are compared by `check_exact` for all queries, and for two queries over all rows (the best 100,000 rows of
    a larger dataset).

    Returns:
        the result of `check_exact`.
    Raises:
        EngineMismatch: something differs.
    """
    queries = sample_queries(bundle) if queries is None else np.asarray(queries)
    _check_columns(bundle, searcher)

    def search(some: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores, ids = searcher.search(some, k, nprobe=max(1, searcher.nlist))
        return scores, _rows(bundle, ids)

    agreement = check_exact(bundle, search, engine="lance", queries=queries)
    reference, wide = ReferenceScorer(bundle), min(_WIDE_RESULTS, len(bundle))
    for query in queries[:_WIDE]:
        # Among many rows the best hundred would not show one wrong code.
        scores, rows = search(query[None], wide)
        expected = reference.scores(query[None])[0]
        scale = float(np.abs(expected).max()) or 1.0
        if len(np.unique(rows)) < wide or not np.abs(scores[0] - expected[rows[0]]).max() <= TOLERANCE * scale:
            raise EngineMismatch("lance does not hold the codes of the bundle as written; nothing was kept")
    return agreement


def _check_columns(bundle: Bundle, searcher: LanceSearcher) -> None:
    """Compare ids, lists and codes as they are read back, from which the index is made now and later."""
    columns = [ID, CODE, *([LIST] if bundle.lists is not None else [])]
    first = 0
    for batch in searcher.dataset.scanner(columns=columns).to_batches():
        rows = slice(first, first + len(batch))
        lists = None if bundle.lists is None else bundle.lists[rows]
        expected = code_columns(bundle.codes[rows], lists, bundle.spec.nbits)
        same = all(batch.column(name).equals(expected[name]) for name in expected)
        if not same or not np.array_equal(batch.column(ID).to_numpy(zero_copy_only=False), bundle.ids[rows]):
            raise EngineMismatch("lance does not hold the rows of the bundle as written; nothing was kept")
        first = rows.stop
    if first != len(bundle):
        raise EngineMismatch(f"lance holds {first:,} of {len(bundle):,} rows; nothing was kept")


def check_refined(bundle: Bundle, searcher: LanceSearcher, vectors: np.ndarray, queries: Any = None) -> float:
    """Compare the scores of a search that ranks again by stored vectors with exact scores of the given vectors.

    Returns:
        the largest score error, relative to the query's largest score.
    Raises:
        EngineMismatch: the error is larger than 1e-5.
    """
    queries = (sample_queries(bundle) if queries is None else np.asarray(queries))[:_REFINED]
    k = min(_REFINED_RESULTS, len(bundle))
    scores, ids = searcher.search(queries, k, nprobe=max(1, searcher.nlist), refine_factor=2)
    rows = _rows(bundle, ids)
    own = prepare_queries(queries, bundle.dim, bundle.metric, bundle.arrays.get("query_adapter"))
    own = searcher.trained.rotated(own).astype(np.float64)
    worst = 0.0
    for i, query in enumerate(own):
        stored = prepared(bundle, vectors[rows[i]]).astype(np.float64)
        exact = ((stored - query) ** 2).sum(1) if bundle.metric == "l2" else stored @ query
        # Under l2 the vector of a query itself has score 0: rounding is then of the norms that were subtracted.
        scale = max(float(np.abs(exact).max()), float((query**2).sum()) if bundle.metric == "l2" else 0.0) or 1.0
        worst = max(worst, float(np.abs(scores[i] - exact).max()) / scale)
    if not worst <= TOLERANCE:
        raise EngineMismatch(
            f"lance does not hold the vectors as given: worst error {worst:.1e} of a query's largest score (allowed "
            f"{TOLERANCE:.0e}); nothing was kept"
        )
    return worst


def _rows(bundle: Bundle, ids: np.ndarray) -> np.ndarray:
    """Rows of found ids, -1 where nothing was found."""
    missing = np.array([one is None for one in ids.flat]).reshape(ids.shape) if bundle.string_ids else ids == MISSING
    found = ids.copy()
    found[missing] = bundle.ids[0]
    return np.where(missing, -1, bundle.row_of(found.ravel()).reshape(ids.shape))
