"""The self-check of an export: the engine's own answers against the reference's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.reference import ReferenceScorer

# A query's largest |difference| over its largest |score|: what float32 sums of some hundred terms leave.
TOLERANCE = 1e-5

# Up to here every item's score is compared, beyond it the best of each query.
_ALL_RESULTS = 2048
_BEST_RESULTS = 100
# Scored pairs of the sample: the check of millions of items must not outlast their writing.
_PAIRS = 8_000_000

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class EngineMismatch(RuntimeError):
    """An engine does not score what training scored; nothing has been left behind."""


@dataclass(frozen=True)
class Agreement:
    """How far an engine is from the reference.

    Args:
        worst_score_error: largest ``|difference| / max|score|`` of a query.
        rank_agreement: share of the ranks that hold the reference's item or one of equal score.
        queries: how many were compared.
        results: per query.
    """

    worst_score_error: float
    rank_agreement: float
    queries: int
    results: int


def sample_queries(bundle: Bundle, seed: int = 0) -> np.ndarray:
    """Queries near items: some of the decoded items, moved by a third of their own spread.

    Returns:
        float32, ``(8 to 32, dim)``, fewer for larger catalogues.
    """
    rng = np.random.default_rng(seed)
    count = int(np.clip(_PAIRS // len(bundle), 8, 32))
    decoded = ReferenceScorer(bundle).decode(rng.integers(0, len(bundle), count))
    spread = float(decoded.std()) or 1.0
    return decoded + rng.normal(0, spread / 3, decoded.shape).astype(np.float32)


def check_exact(bundle: Bundle, search: Search, *, engine: str, queries: Any = None) -> Agreement:
    """Compare an exact engine with the reference, all lists visited.

    Args:
        bundle: what the engine was written from.
        search: ``(queries (nq, dim), k) -> scores (nq, k), rows (nq, k)`` of the engine, all lists visited.
        engine: its name, for the message.
        queries: ``(nq, dim)``; None takes `sample_queries`.
    Returns:
        how far they are apart.
    Raises:
        EngineMismatch: a score differs by more than 1e-5 of the query's largest score, an item is missing or there
            twice, or the order is another one beyond ties.
    """
    queries = sample_queries(bundle) if queries is None else np.asarray(queries)
    reference = ReferenceScorer(bundle)
    k = len(bundle) if len(bundle) <= _ALL_RESULTS else _BEST_RESULTS
    expected, expected_rows, largest = reference.ranked(queries, k)
    scores, rows = search(queries, k)
    if rows.shape != expected_rows.shape or (rows < 0).any() or (rows >= len(bundle)).any():
        raise EngineMismatch(
            f"{engine} returns fewer than {k} of {len(bundle):,} items, or unknown ones; nothing was kept"
        )
    if (np.diff(np.sort(rows, axis=1), axis=1) == 0).any():
        raise EngineMismatch(f"{engine} returns an item twice; nothing was kept")
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
