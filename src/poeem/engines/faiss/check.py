"""The self-check of a faiss index: codes, stored vectors, graph over the centroids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.faiss.build import coarse_quantizer
from poeem.engines.faiss.index_parts import parts_of
from poeem.engines.faiss.options import REFINES
from poeem.engines.faiss.refine import prepared
from poeem.engines.faiss.repeated import first_dimensions
from poeem.engines.faiss.searcher import FaissSearcher
from poeem.engines.queries import prepare_queries
from poeem.engines.self_check import Agreement, EngineMismatch, Search, check_contained, check_exact, sample_queries

if TYPE_CHECKING:
    import faiss

# Lists that a graph over centroids must find of the nearest ones.
_LISTS_FOUND = 0.9
_REFINED = 10
_ALL_CANDIDATES = 2048


def check_scores(bundle: Bundle, index: faiss.Index, queries: Any = None) -> Agreement:
    """Compare scores and ranks from the codes with the reference, all lists visited.

    Returns:
        the result of `check_exact`, or of `check_contained` for a FastScan index.
    Raises:
        EngineMismatch: the differences are too large.
    """
    check = check_contained if parts_of(index).fastscan else check_exact
    return check(bundle, _rows_of(bundle, FaissSearcher(index, bundle)), engine="faiss", queries=queries)


def base_of(index: faiss.Index, bundle: Bundle) -> tuple[faiss.Index, Bundle]:
    """Take the stored vectors out of a refining index.

    Returns:
        the index of the codes alone, behind the transforms of ``index``, and the bundle with row numbers as ids, as in
        that index. It uses memory of ``index``, which must live as long.
    """
    import faiss

    parts = parts_of(index)
    base: Any = faiss.downcast_index(parts.of(faiss.IndexRefine)[0].base_index)
    # Those before the refining; the repetition of queries after it belongs to the base.
    outer: list[Any] = parts.wrappers[: [isinstance(one, faiss.IndexRefine) for one in parts.wrappers].index(True)]
    chains: list[Any] = [one for one in outer if isinstance(one, faiss.IndexPreTransform)]
    for wrapper in chains:
        base = faiss.IndexPreTransform(base)
        for i in reversed(range(wrapper.chain.size())):
            base.prepend_transform(wrapper.chain.at(i))
        base.ntotal = index.ntotal
    return base, replace(bundle, ids=np.arange(len(bundle)))


def check_refined(bundle: Bundle, index: faiss.Index, refine: str, vectors: np.ndarray, queries: Any = None) -> float:
    """Compare a refining index with exact scores of the given vectors: the scores and the order of the best items.

    Returns:
        the largest error, relative to the query's largest score.
    Raises:
        EngineMismatch: the error is larger than rounding to the stored type explains, or an id is another item's.
    """
    import faiss

    queries = sample_queries(bundle) if queries is None else np.asarray(queries)
    refining = parts_of(index).of(faiss.IndexRefine)[0]
    # With all items of a small catalogue as candidates the exact best must be found, whatever the codes.
    complete = len(bundle) <= _ALL_CANDIDATES
    if complete:
        refining.k_factor = len(bundle)
    k = min(_REFINED, len(bundle))
    scores, rows = _rows_of(bundle, FaissSearcher(index, bundle))(queries, k)
    own = prepare_queries(queries, bundle.dim, bundle.metric, bundle.arrays.get("query_adapter"))
    own = prepared(bundle, own).astype(np.float64)
    worst = 0.0
    for i, query in enumerate(own):
        known = np.arange(len(bundle)) if complete else rows[i]
        stored = prepared(bundle, vectors[known]).astype(np.float64)
        exact = ((stored - query) ** 2).sum(1) if bundle.metric == "l2" else stored @ query
        scale = float(np.abs(exact).max()) or 1.0
        found = exact[rows[i]] if complete else exact
        best = np.sort(exact)[:k] if bundle.metric == "l2" else -np.sort(-exact)[:k]
        worst = max(worst, float(np.abs(scores[i] - found).max()) / scale, float(np.abs(best - found).max()) / scale)
    if not worst <= REFINES[refine]:
        raise EngineMismatch(
            f"faiss does not rank by the vectors: worst error {worst:.1e} of a query's largest score (allowed "
            f"{REFINES[refine]:.0e} with refine={refine!r}); nothing was kept"
        )
    return worst


def check_graph(bundle: Bundle, index: faiss.Index, nprobe: int, queries: Any = None) -> float:
    """Measure how many of the nearest lists an HNSW graph finds, then replace the graph in ``index`` by exact search.

    Returns:
        the fraction of the ``nprobe`` nearest lists that the graph finds, 0 to 1.
    Raises:
        EngineMismatch: it is below 0.9.
    """
    queries = sample_queries(bundle) if queries is None else np.asarray(queries)
    own = prepared(bundle, prepare_queries(queries, bundle.dim, bundle.metric, bundle.arrays.get("query_adapter")))
    inner = parts_of(index).inner
    exact = coarse_quantizer(bundle, nprobe, hnsw=False)
    if inner.d != bundle.dim:
        exact, own = first_dimensions(exact, inner.d), np.tile(own, inner.d // bundle.dim)
    found, nearest = inner.quantizer.search(own, nprobe)[1], exact.search(own, nprobe)[1]
    share = float(np.mean([np.isin(a, b).mean() for a, b in zip(nearest, found)]))
    if share < _LISTS_FOUND:
        raise EngineMismatch(
            f"the graph over the centroids finds {share:.1%} of the {nprobe} nearest lists (at least "
            f"{_LISTS_FOUND:.0%}); nothing was kept: export without hnsw"
        )
    # Codes and tables are checked with all lists visited, whatever the graph misses.
    inner.own_fields = False
    inner.quantizer = exact
    return share


def _rows_of(bundle: Bundle, searcher: FaissSearcher) -> Search:
    """A search of all lists that answers by rows of the bundle."""

    stored = replace(bundle, ids=bundle.int64_ids)

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        scores, ids = searcher.search_stored(queries, k, nprobe=max(1, bundle.spec.nlist))
        try:
            return scores, stored.row_of(ids.ravel()).reshape(ids.shape)
        except ValueError as error:
            raise EngineMismatch(
                f"faiss returns fewer than {k} items, or unknown ones ({error}); nothing was kept"
            ) from None

    return search
