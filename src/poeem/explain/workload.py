"""The input of an explanation: an index, its item vectors and queries; and a sample of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.ragged import Ragged
from poeem.evaluation.scorers import prepared
from poeem.explain.query_set import QuerySet

# Queries kept for a remedy that learns from queries; of a run, histories of other users.
MORE_QUERIES = 8192
ITEMS_AS_QUERIES = 300


class Twin(NamedTuple):
    """Float vectors of a run's twin: items ``(n, dim)`` and queries ``(nq, dim)``."""

    items: np.ndarray
    queries: np.ndarray


@dataclass(frozen=True, eq=False)
class Workload:
    """What an explanation is made of.

    Args:
        name: for titles.
        bundle: the index as it is served; row i of it is item i.
        items: float, ``(n, dim)``, as they came before the index.
        asked: queries to measure with.
        nprobe: lists visited a query; 1 for a flat index.
        available: bool, ``(n,)``: items that may be returned; None is all.
        more_queries: float, ``(m, dim)``: others, to learn from.
        catalogue, queries: how many items and queries there were before sampling.
        facts: of the whole catalogue: rows of every list, ``lists (nlist,)``, and of every word, ``words (M, ksub)``.
        notes: sentences for people.
        twin: of a run whose float twin, trained without the index, is stored: that model's vectors of the same items
            and queries.
        recalls: of a run with baselines: recall@100 on the whole test of ``index`` and of every baseline.
    """

    name: str
    bundle: Bundle
    items: np.ndarray
    asked: QuerySet
    nprobe: int
    available: np.ndarray | None = None
    more_queries: np.ndarray | None = None
    catalogue: int = 0
    queries: int = 0
    facts: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    twin: Twin | None = None
    recalls: dict[str, float] = field(default_factory=dict)

    @cached_property
    def prepared(self) -> np.ndarray:
        """The items as the index sees them: float32, of unit length under ``cosine``."""
        return prepared(self.items, self.bundle.metric, "items")

    @property
    def sampled(self) -> bool:
        """Whether items were left out."""
        return len(self.items) < self.catalogue

    def items_as_queries(self, rng: np.random.Generator, most: int = ITEMS_AS_QUERIES) -> QuerySet:
        """Some items in the place of queries; none is an answer to itself."""
        rows = np.arange(len(self.items)) if self.available is None else np.flatnonzero(self.available)
        rows = np.sort(rng.permutation(rows)[:most])
        return QuerySet(np.asarray(self.items[rows], dtype=np.float32), own=rows)


def drawn(case: Workload, *, max_items: int, max_queries: int, seed: int) -> Workload:
    """The case on a sample of queries and, for a larger catalogue, of items; relevant items of the queries stay in.

    Args:
        case: the whole.
        max_items: items kept at most (more only if the queries have more relevant ones).
        max_queries: queries measured with; others are kept to learn from.
        seed: of the draws.
    Raises:
        ValueError: a limit is too small to measure anything.
    """
    for name, value, least in (("max_items", max_items, 1000), ("max_queries", max_queries, 50)):
        if value < least:
            raise ValueError(f"{name} (={value}) must be at least {least}, or nothing can be told from the figures")
    rng = np.random.default_rng(seed)
    # Queries that someone has labelled tell more.
    order = rng.permutation(len(case.asked))
    if case.asked.relevant is not None:
        order = order[np.argsort(case.asked.relevant.lengths[order] == 0, kind="stable")]
    chosen, others = np.sort(order[:max_queries]), order[max_queries : max_queries + MORE_QUERIES]
    relevant = None if case.asked.relevant is None else case.asked.relevant.take(chosen)
    seen = None if case.asked.seen is None else case.asked.seen.take(chosen)
    own = None if case.asked.own is None else case.asked.own[chosen]
    more = np.asarray(case.asked.queries[np.sort(others)], dtype=np.float32)
    n = len(case.bundle)
    asked = QuerySet(np.array(case.asked.queries[chosen], dtype=np.float32), relevant, seen, own)
    changes: dict[str, Any] = {"asked": asked, "queries": len(case.asked), "catalogue": n, "facts": _facts(case.bundle)}
    if case.twin is not None:
        changes["twin"] = Twin(case.twin.items, case.twin.queries[chosen])
    if case.more_queries is None and len(more):
        changes["more_queries"] = more
    if n > max_items:
        # Items that are asked for, or ask, come first.
        wanted = np.zeros(n, dtype=bool)
        for rows in (None if relevant is None else relevant.values, own):
            wanted[[] if rows is None else rows] = True
        order = rng.permutation(n)
        order = order[np.argsort(~wanted[order], kind="stable")]
        rows = np.sort(order[: max(max_items, int(wanted.sum()))])
        changes |= _only(case, asked, rows)
        if case.twin is not None:
            changes["twin"] = Twin(case.twin.items[rows], changes["twin"].queries)
    else:
        changes["items"] = np.array(case.items, dtype=np.float32)
    return dataclasses.replace(case, **changes)


def _only(case: Workload, asked: QuerySet, rows: np.ndarray) -> dict[str, Any]:
    """The fields of a case with these rows alone, renumbered."""
    place = np.full(len(case.bundle), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return {
        "bundle": rows_of(case.bundle, rows),
        "items": np.asarray(case.items[rows], dtype=np.float32),
        "available": None if case.available is None else case.available[rows],
        "asked": dataclasses.replace(
            asked,
            relevant=renumbered(asked.relevant, place),
            seen=renumbered(asked.seen, place),
            own=None if asked.own is None else place[asked.own],
        ),
    }


def rows_of(bundle: Bundle, rows: np.ndarray) -> Bundle:
    """The bundle with these rows alone, in their order; without the user's columns."""
    lists = None if bundle.lists is None else bundle.lists[rows]
    return dataclasses.replace(bundle, ids=bundle.ids[rows], codes=bundle.codes[rows], lists=lists, columns=None)


def renumbered(rows: Ragged | None, place: np.ndarray) -> Ragged | None:
    """Item numbers by their new places; those without one (-1) are dropped.

    >>> renumbered(Ragged(np.array([0, 2, 3]), np.array([0, 2, 1])), np.array([-1, 0, 1])).values.tolist()
    [1, 0]
    """
    if rows is None:
        return None
    values = place[rows.values]
    kept = values >= 0
    return Ragged.from_lengths(np.bincount(rows.row_of_value[kept], minlength=len(rows)), values[kept])


def _facts(bundle: Bundle) -> dict[str, np.ndarray]:
    import torch

    from poeem.functional.usage import count_codes

    found = {"words": count_codes(torch.tensor(bundle.codes), bundle.spec.ksub).numpy()}
    if bundle.lists is not None:
        found["lists"] = np.bincount(bundle.lists, minlength=bundle.spec.nlist)
    return found
