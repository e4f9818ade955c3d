"""The self-check of a Lance dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.faiss.refine import prepared
from poeem.engines.lance.searcher import LanceSearcher
from poeem.engines.queries import prepare_queries
from poeem.engines.reference import ReferenceScorer
from poeem.engines.self_check import TOLERANCE, Agreement, EngineMismatch, check_exact, sample_queries

# Queries by which every single row is compared, and those that are ranked again by vectors.
_ALL_ROWS, _REFINED, _REFINED_RESULTS = 2, 8, 10


def check_dataset(bundle: Bundle, searcher: LanceSearcher, queries: Any = None) -> Agreement:
    """Scores and ranks of a sample of queries, all lists visited; then one score of every row.

    Raises:
        EngineMismatch: they differ.
    """
    queries = sample_queries(bundle) if queries is None else np.asarray(queries)

    def search(some: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores, ids = searcher.search(some, k, nprobe=max(1, searcher.nlist))
        return scores, _rows(bundle, ids)

    agreement = check_exact(bundle, search, engine="lance", queries=queries)
    reference = ReferenceScorer(bundle)
    for query in queries[:_ALL_ROWS]:
        # Among a million rows the best hundred would not show one wrong code.
        scores, rows = search(query[None], len(bundle))
        expected = reference.scores(query[None])[0]
        scale = float(np.abs(expected).max()) or 1.0
        if len(np.unique(rows)) < len(bundle) or not np.abs(scores[0] - expected[rows[0]]).max() <= TOLERANCE * scale:
            raise EngineMismatch("lance does not hold the codes of the bundle as written; nothing was kept")
    return agreement


def check_refined(bundle: Bundle, searcher: LanceSearcher, vectors: np.ndarray, queries: Any = None) -> float:
    """Scores of the best, ranked again by the stored vectors, against scores of the given vectors.

    Returns:
        the worst error, as a share of the query's largest score.
    Raises:
        EngineMismatch: it is more than rounding.
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
    missing = np.array([one is None for one in ids.flat]).reshape(ids.shape) if bundle.string_ids else ids < 0
    found = ids.copy()
    found[missing] = bundle.ids[0]
    return np.where(missing, -1, bundle.row_of(found.ravel()).reshape(ids.shape))
