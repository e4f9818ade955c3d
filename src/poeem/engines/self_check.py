"""The self-check of an export: compare the engine's results with the reference's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.reference import ReferenceScorer

# A query's largest |difference| over its largest |score|: the rounding of float32 sums of some hundred terms.
TOLERANCE = 1e-5

# Of an engine with 8-bit tables: how far a score may be off, and the share of the 10 best that must be in its first 50.
APPROXIMATE_TOLERANCE = 0.05
CONTAINED_SHARE = 0.99
_CONTAINED, _WITHIN = 10, 50

# Up to here every item's score is compared, beyond it the best of each query.
_ALL_RESULTS = 2048
_BEST_RESULTS = 100
# Scored pairs of the sample: the check of millions of items must not outlast their writing.
_PAIRS = 8_000_000

# Squares of values outside are no normal float32 numbers, with room for sums of some thousand of them.
_SMALLEST_VALUE, _LARGEST_VALUE = 1e-17, 1e17

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class EngineMismatch(RuntimeError):
    """An engine's scores differ from the reference's. The exported file is deleted."""


@dataclass(frozen=True)
class Agreement:
    """How far an engine's results are from the reference's.

    Args:
        worst_score_error: ``|engine's score - reference's score| / query's largest |score|``, the largest value found.
        rank_agreement: fraction of ranks where the engine has the reference's item or one of equal score, 0 to 1.
        queries: number of compared queries.
        results: compared results per query.
    """

    worst_score_error: float
    rank_agreement: float
    queries: int
    results: int


def check_scale(bundle: Bundle) -> None:
    """Raise an error if arrays have values so small or so large that engines cannot score by them in float32.

    Raises:
        ValueError: the largest absolute value of codebooks and centroids is above 1e17, or below 1e-17 but not 0.
    """
    largest = max(float(np.abs(bundle.arrays[name]).max()) for name in ("codebooks", "coarse") if name in bundle.arrays)
    if largest and not _SMALLEST_VALUE <= largest <= _LARGEST_VALUE:
        raise ValueError(
            f"the largest value of the codebooks and centroids of {bundle!r} is {largest:.1e}: products of such values "
            f"leave float32's range; scale the vectors so that it lies within {_SMALLEST_VALUE:.0e} and "
            f"{_LARGEST_VALUE:.0e}, and train again"
        )


def sample_queries(bundle: Bundle, seed: int = 0) -> np.ndarray:
    """Make queries near items: decoded items of random rows, plus noise of a third of their standard deviation.

    Returns:
        float32, ``(8 to 32, dim)``, fewer for more items.
    """
    rng = np.random.default_rng(seed)
    count = int(np.clip(_PAIRS // len(bundle), 8, 32))
    decoded = ReferenceScorer(bundle).decode(rng.integers(0, len(bundle), count))
    spread = float(decoded.std()) or 1.0
    return decoded + rng.normal(0, spread / 3, decoded.shape).astype(np.float32)


def check_exact(bundle: Bundle, search: Search, *, engine: str, queries: Any = None) -> Agreement:
    """Compare an engine with exact scores with the reference, all lists visited.

    Args:
        bundle: the exported bundle.
        search: function of the engine that visits all lists: ``(queries (nq, dim), k) -> scores (nq, k), rows (nq,
            k)``.
        engine: its name, for the message.
        queries: ``(nq, dim)``; None takes `sample_queries`.
    Returns:
        the size of the differences.
    Raises:
        EngineMismatch: a score differs by more than 1e-5 of the query's largest score, an item is missing or found
            twice, or items of different scores are in another order.
    """
    queries = sample_queries(bundle) if queries is None else np.asarray(queries)
    reference = ReferenceScorer(bundle)
    k = len(bundle) if len(bundle) <= _ALL_RESULTS else _BEST_RESULTS
    expected, expected_rows, largest = reference.ranked(queries, k)
    scores, rows = search(queries, k)
    if rows.shape != expected_rows.shape:
        raise EngineMismatch(f"{engine} returns results of shape {rows.shape}, not {expected_rows.shape}")
    _check_found(rows, len(bundle), engine)
    # All scores of a query may be 0, then any difference counts in full.
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    own = reference.scores_of(queries, rows)
    error = np.abs(scores - own) / scale
    # Rank by rank: the item itself, or another whose true score is the same up to rounding.
    agrees = (rows == expected_rows) | (np.abs(own - expected) <= TOLERANCE * scale)
    agreement = Agreement(float(error.max()), float(agrees.mean()), *rows.shape)
    if not agreement.worst_score_error <= TOLERANCE or agreement.rank_agreement < 1:
        raise EngineMismatch(
            f"{engine} does not score as the reference: worst error {agreement.worst_score_error:.1e} of a query's "
            f"largest score (allowed {TOLERANCE:.0e}), {agreement.rank_agreement:.1%} of ranks agree over "
            f"{agreement.queries} queries; nothing was kept: check the engine's version; under l2 centre the "
            "embeddings (far from the origin float32 sums cancel)"
        )
    return agreement


def check_contained(bundle: Bundle, search: Search, *, engine: str, queries: Any = None) -> Agreement:
    """Compare an engine with approximate scores with the reference: its 50 best must hold the reference's 10 best.

    Such an engine is used to find candidates, which are then ranked again.

    Args:
        bundle, search, engine, queries: as for `check_exact`.
    Returns:
        the size of the differences; ``rank_agreement`` is the fraction of the reference's 10 best in the engine's 50
        best.
    Raises:
        EngineMismatch: a score differs by more than 5 % of the query's largest score, an item is missing or found
            twice, or the engine's 50 best hold less than 99 % of the reference's 10 best.
    """
    queries = sample_queries(bundle) if queries is None else np.asarray(queries)
    reference = ReferenceScorer(bundle)
    # At most half of a small catalogue: faiss's FastScan leaves out items whose inner product rounds to its table's
    # least value.
    half = max(1, len(bundle) // 2)
    k = min(_CONTAINED, half)
    expected, _, largest = reference.ranked(queries, k)
    scores, rows = search(queries, min(_WITHIN, half))
    _check_found(rows, len(bundle), engine)
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    own = reference.scores_of(queries, rows)
    error = np.abs(scores - own) / scale
    # By their true scores, so that an item may be replaced by another of equal score.
    best = np.sort(own if not reference.larger_is_better else -own, axis=1)[:, :k]
    found = np.abs((best if not reference.larger_is_better else -best) - expected) <= TOLERANCE * scale
    agreement = Agreement(float(error.max()), float(found.mean()), *rows.shape)
    if not agreement.worst_score_error <= APPROXIMATE_TOLERANCE or agreement.rank_agreement < CONTAINED_SHARE:
        raise EngineMismatch(
            f"{engine} does not score as the reference: worst error {agreement.worst_score_error:.1e} of a query's "
            f"largest score (allowed {APPROXIMATE_TOLERANCE:.0e}), {agreement.rank_agreement:.1%} of the {k} best are "
            f"among its {rows.shape[1]} best; nothing was kept: export to faiss without fastscan, or train with more "
            "bytes per vector"
        )
    return agreement


def check_parts(
    parts: Iterable[Callable[[], Bundle]], search: Search, *, engine: str, queries: Any = None
) -> Agreement:
    """Compare an engine as `check_exact` does, with only one of several parts of its items in memory at a time.

    Args:
        parts: functions that load one part each, as a bundle; no id is in two parts.
        search: function of the engine that visits all lists: ``(queries, k) -> scores, ids``.
        engine, queries: as for `check_exact`; with None, `sample_queries` of the first part are taken.
    Returns:
        the size of the differences.
    Raises:
        EngineMismatch: as for `check_exact`.
    """
    best: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    sign, rows = 1.0, 0
    for load in parts:
        part = load()
        queries = sample_queries(part) if queries is None else np.asarray(queries)
        reference = ReferenceScorer(part)
        sign = -1.0 if reference.larger_is_better else 1.0
        k = min(_BEST_RESULTS, len(part))
        scores, own, largest = reference.ranked(queries, k)
        ids = part.ids[own]
        if best is not None:
            scores, ids = np.concatenate([best[0], scores], axis=1), np.concatenate([best[1], ids], axis=1)
            order = np.argsort(sign * scores, axis=1, kind="stable")[:, :_BEST_RESULTS]
            scores, ids = np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
            largest = np.maximum(best[2], largest)
        best, rows = (scores, ids, largest), rows + len(part)
    assert best is not None
    expected, expected_ids, largest = best
    scores, ids = search(np.asarray(queries), expected.shape[1])
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    error = np.abs(scores - expected) / scale
    # If scores are equal, another item may come first, also one beyond the last place.
    agrees = (ids == expected_ids) | (error <= TOLERANCE)
    agreement = Agreement(float(error.max()), float(agrees.mean()), *ids.shape)
    if not agreement.worst_score_error <= TOLERANCE or agreement.rank_agreement < 1:
        raise EngineMismatch(
            f"{engine} does not score as the reference over {rows:,} rows in parts: worst error "
            f"{agreement.worst_score_error:.1e} of a query's largest score (allowed {TOLERANCE:.0e}); nothing was kept"
        )
    return agreement


def _check_found(rows: np.ndarray, total: int, engine: str) -> None:
    if (rows < 0).any() or (rows >= total).any():
        raise EngineMismatch(
            f"{engine} returns fewer than {rows.shape[1]} of {total:,} items, or unknown ones; nothing was kept"
        )
    if (np.diff(np.sort(rows, axis=1), axis=1) == 0).any():
        raise EngineMismatch(f"{engine} returns an item twice; nothing was kept")
