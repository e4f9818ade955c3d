"""Find the best items of an index for users, histories or a similar item. Known and untrained items are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.ragged import Ragged
from poeem.engines.probing import check_nprobe, default_nprobe
from poeem.engines.queries import check_k
from poeem.engines.reference import ReferenceScorer
from poeem.training.id_lookup import Lookup
from poeem.training.recipes.recipe import Answer, QueryVectors

if TYPE_CHECKING:
    from poeem.training.interactions.run import InteractionRun


def recommend(
    run: InteractionRun, histories: Ragged, k: int = 10, nprobe: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the best items for histories by the scores of the index. Items of a history are left out of its results.

    Args:
        run: the stored run.
        histories: item numbers, oldest first, ``nq`` rows.
        k: items per query.
        nprobe: inverted lists visited; default the run's.
    Returns:
        scores float32 and rows of the bundle int64, ``(nq, k)``, best first; row -1 if there are fewer items.
    Raises:
        ValueError: ``k`` is below 1, or ``nprobe`` is out of range or given without lists.
    """
    # Items that were deleted after the training have no row.
    rows, query = run.rows[histories.values], histories.row_of_value
    left_out = np.stack([query[rows >= 0], rows[rows >= 0]])
    return _best(run.bundle, run.queries(histories), left_out, untrained_rows(run), k, _nprobe(run, nprobe))


def similar_items(
    run: InteractionRun, rows: np.ndarray, k: int = 10, nprobe: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the items most similar to given items, which are left out, as are items without a training event.

    The query is the vector of the item tower. An item that was added after the training has none; its query is its
    decoded vector.

    Args:
        run: the stored run.
        rows: int64, ``(nq,)``: rows of the given items in the bundle.
        k: items per query.
        nprobe: inverted lists visited; default the run's.
    Returns:
        scores float32 and rows of the bundle int64, ``(nq, k)``, best first; row -1 if there are fewer items.
    """
    queries = ReferenceScorer(run.bundle).decode(rows)
    numbers = run.item_numbers[rows]
    queries[numbers >= 0] = run.items(numbers[numbers >= 0])
    left_out = np.stack([np.arange(len(rows)), rows])
    return _best(run.bundle, queries, left_out, untrained_rows(run), k, _nprobe(run, nprobe))


def similar_in_bundle(
    bundle: Bundle, rows: np.ndarray, k: int = 10, nprobe: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find similar items in a bundle without a model. Queries are the decoded vectors of the given items, which are
    left out. Items without a training event are not.

    Args:
        bundle: the index.
        rows, k, nprobe: see :func:`similar_items`.
    Returns:
        scores and rows, see :func:`similar_items`.
    """
    left_out = np.stack([np.arange(len(rows)), rows])
    return _best(
        bundle, ReferenceScorer(bundle).decode(rows), left_out, np.empty(0, np.int64), k, bundle_nprobe(bundle, nprobe)
    )


def similar_to_id(bundle: Bundle, id: str, k: int, nprobe: int | None) -> Answer:
    """Find items similar to one that a user typed, by :func:`similar_in_bundle`.

    Raises:
        ValueError: the id is unknown.
    """
    rows = np.array([Lookup(bundle.ids, "item").number(id)])
    return Answer(f"similar to {id}", *similar_in_bundle(bundle, rows, k, nprobe))


def items_as_queries(bundle: Bundle, ids: Sequence[Any]) -> QueryVectors:
    """Return the decoded vectors of items, to find similar ones. Each leaves itself out.

    Args:
        bundle: the index.
        ids: ids of items, of any type that has the same text as the id in the bundle.
    Raises:
        ValueError: an id is unknown.
    """
    own = own_ids(bundle, ids)
    return QueryVectors(ReferenceScorer(bundle).decode(bundle.row_of(own)), [[id] for id in own])


def own_ids(bundle: Bundle, ids: Sequence[Any]) -> list[Any]:
    """Return ids in the bundle's type.

    Raises:
        ValueError: an id is no integer, and the bundle's are.
    """
    if bundle.string_ids:
        return [str(id) for id in ids]
    try:
        return [int(str(id)) for id in ids]
    except ValueError:
        wrong = next(id for id in ids if not str(id).lstrip("-").isdecimal())
        raise ValueError(f"item (={wrong!r}) must be a whole number, as the ids of the index are") from None


def untrained_rows(run: InteractionRun) -> np.ndarray:
    """Return the rows of items without a training event, int64. Their vectors are random."""
    rows = run.rows[~run.seen_in_training]
    return rows[rows >= 0]


def bundle_nprobe(bundle: Bundle, nprobe: int | None) -> int:
    """Return the number of inverted lists to visit: ``nprobe``, else that of the training, else the square root of
    ``nlist``.

    Raises:
        ValueError: ``nprobe`` is below 1.
    """
    nlist = bundle.spec.nlist
    chosen = bundle.training.get("nprobe") if nprobe is None else nprobe
    return check_nprobe(chosen, nlist, default=default_nprobe(nlist))


def _nprobe(run: InteractionRun, nprobe: int | None) -> int:
    return check_nprobe(nprobe, run.bundle.spec.nlist, default=run.settings["nprobe"] or 1)


def _best(
    bundle: Bundle, queries: np.ndarray, left_out: np.ndarray, untrained: np.ndarray, k: int, nprobe: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best rows for query vectors.

    Args:
        bundle: the index.
        queries: float32, ``(nq, dim)``.
        left_out: int64, ``(2, n)``: pairs of a query and a row that it leaves out.
        untrained: rows that all queries leave out.
        k: rows per query.
        nprobe: inverted lists visited.
    """
    k, scorer = check_k(k), ReferenceScorer(bundle)
    scores = scorer.scores(queries, nprobe)
    scores = scores if scorer.larger_is_better else -scores
    scores[left_out[0], left_out[1]] = -np.inf
    scores[:, untrained] = -np.inf
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, rows, axis=1)
    rows = np.where(np.isneginf(best), -1, rows)
    missing = ((0, 0), (0, k - rows.shape[1]))
    best, rows = np.pad(best, missing, constant_values=-np.inf), np.pad(rows, missing, constant_values=-1)
    return (best if scorer.larger_is_better else -best), rows
