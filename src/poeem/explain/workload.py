"""The input of an explanation: an index, its item vectors and queries. Also: a sample of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.data.ragged import Ragged
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.scorers import prepared
from poeem.explain.options import SampleOptions

# Queries kept for a remedy that learns from queries.
MORE_QUERIES = 8192
ITEMS_AS_QUERIES = 300


class Twin(NamedTuple):
    """Vectors of a run's float twin, its model trained without index: items ``(n, dim)``, queries ``(nq, dim)``."""

    items: np.ndarray
    queries: np.ndarray


@dataclass(frozen=True, eq=False)
class Workload:
    """An index with the data to explain it.

    Args:
        name: name for titles.
        bundle: the index as it is in service. Its row i is item i.
        items: float, ``(n, dim)``, the input of the index.
        queries: the queries to measure with.
        nprobe: lists visited per query; 1 for a flat index.
        available: bool, ``(n,)``: items that may be returned; None: all.
        more_queries: float, ``(m, dim)``: other queries, to learn from. For a run: histories of training users.
        catalogue, all_queries: numbers of items and queries before sampling.
        usage: counts over all items before sampling: rows of each list, ``lists (nlist,)``, and of each codeword,
            ``codewords (M, ksub)``.
        notes: sentences for the report.
        twin: vectors of the run's float twin; None if none is stored.
        recalls: for a run with baselines: recall@100 of ``index`` and of each baseline on all test queries.
    """

    name: str
    bundle: Bundle
    items: np.ndarray
    queries: QuerySet
    nprobe: int
    available: np.ndarray | None = None
    more_queries: np.ndarray | None = None
    catalogue: int = 0
    all_queries: int = 0
    usage: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    twin: Twin | None = None
    recalls: dict[str, float] = field(default_factory=dict)

    @cached_property
    def prepared_items(self) -> np.ndarray:
        """The items as the index receives them: float32, ``(n, dim)``, of unit length under ``cosine``."""
        return prepared(self.items, self.bundle.metric, "items")

    @property
    def sampled(self) -> bool:
        """True if items were left out by sampling."""
        return len(self.items) < self.catalogue

    @property
    def adapted_queries(self) -> QuerySet:
        """The queries, multiplied by the index's query adapter if it has one."""
        return self.queries.adapted(self.bundle.arrays.get("query_adapter"))

    def items_as_queries(self, rng: np.random.Generator, most: int = ITEMS_AS_QUERIES) -> QuerySet:
        """Return a sample of at most ``most`` items as queries. An item is not returned for itself."""
        rows = np.arange(len(self.items)) if self.available is None else np.flatnonzero(self.available)
        rows = np.sort(rng.permutation(rows)[:most])
        return QuerySet(np.asarray(self.items[rows], dtype=np.float32), self_rows=rows)


def sample_workload(workload: Workload, options: SampleOptions) -> Workload:
    """Return the workload with a sample of its queries and, if it has more than ``options.max_items``, of its items.

    Queries with labels are preferred. The relevant items of the sampled queries are always in the sample, even if they
    are more than ``options.max_items``.

    Raises:
        ValueError: there are fewer than 2 queries, or no more than ``k`` items.
    """
    rng = np.random.default_rng(options.seed)
    queries, n = workload.queries, len(workload.bundle)
    order = rng.permutation(len(queries))
    if queries.relevant is not None:
        order = order[np.argsort(queries.relevant.lengths[order] == 0, kind="stable")]
    chosen, others = np.sort(order[: options.max_queries]), order[options.max_queries :][:MORE_QUERIES]
    if len(chosen) < 2:
        raise ValueError(f"queries (={len(chosen)}) must be at least 2, better 50: fewer give unreliable figures")
    sample = QuerySet(
        np.array(queries.vectors[chosen], dtype=np.float32),
        None if queries.relevant is None else queries.relevant.take(chosen),
        None if queries.seen is None else queries.seen.take(chosen),
        None if queries.self_rows is None else queries.self_rows[chosen],
    )
    counts = {"all_queries": len(queries), "catalogue": n, "usage": _usage(workload.bundle)}
    changes: dict[str, Any] = {"queries": sample, **counts}
    if workload.twin is not None:
        changes["twin"] = Twin(workload.twin.items, workload.twin.queries[chosen])
    if workload.more_queries is None and len(others):
        changes["more_queries"] = np.asarray(queries.vectors[np.sort(others)], dtype=np.float32)
    if n <= options.max_items:
        changes["items"] = np.array(workload.items, dtype=np.float32)
        sampled = dataclasses.replace(workload, **changes)
    else:
        sampled = select_items(dataclasses.replace(workload, **changes), _sample_rows(sample, n, options, rng))
    if len(sampled.items) <= options.k:
        raise ValueError(f"k (={options.k}) must be less than the number of items (={len(sampled.items)})")
    return sampled


def _sample_rows(queries: QuerySet, n: int, options: SampleOptions, rng: np.random.Generator) -> np.ndarray:
    """Sorted rows of the sample: relevant items and items that are queries first, then random ones."""
    required = np.zeros(n, dtype=bool)
    if queries.relevant is not None:
        required[queries.relevant.values] = True
    if queries.self_rows is not None:
        required[queries.self_rows] = True
    order = rng.permutation(n)
    order = order[np.argsort(~required[order], kind="stable")]
    return np.sort(order[: max(options.max_items, int(required.sum()))])


def select_items(workload: Workload, rows: np.ndarray) -> Workload:
    """Return the workload with these items only, numbered again from 0."""
    new_row = np.full(len(workload.bundle), -1, dtype=np.int64)
    new_row[rows] = np.arange(len(rows))
    queries = workload.queries
    return dataclasses.replace(
        workload,
        bundle=select_rows(workload.bundle, rows),
        items=np.asarray(workload.items[rows], dtype=np.float32),
        available=None if workload.available is None else workload.available[rows],
        twin=None if workload.twin is None else workload.twin._replace(items=workload.twin.items[rows]),
        queries=dataclasses.replace(
            queries,
            relevant=renumber(queries.relevant, new_row),
            seen=renumber(queries.seen, new_row),
            self_rows=None if queries.self_rows is None else new_row[queries.self_rows],
        ),
    )


def select_rows(bundle: Bundle, rows: np.ndarray) -> Bundle:
    """Return the bundle with these rows only, in their order, without the user's columns."""
    lists = None if bundle.lists is None else bundle.lists[rows]
    return dataclasses.replace(bundle, ids=bundle.ids[rows], codes=bundle.codes[rows], lists=lists, columns=None)


def renumber(items: Ragged | None, new_row: np.ndarray) -> Ragged | None:
    """Return the items by their new row numbers, without those that have none (-1).

    >>> renumber(Ragged(np.array([0, 2, 3]), np.array([0, 2, 1])), np.array([-1, 0, 1])).values.tolist()
    [1, 0]
    """
    if items is None:
        return None
    values = new_row[items.values]
    kept = values >= 0
    return Ragged.from_lengths(np.bincount(items.row_of_value[kept], minlength=len(items)), values[kept])


def _usage(bundle: Bundle) -> dict[str, np.ndarray]:
    import torch

    from poeem.functional.usage import count_codes

    counts = {"codewords": count_codes(torch.tensor(bundle.codes), bundle.spec.ksub).numpy()}
    if bundle.lists is not None:
        counts["lists"] = np.bincount(bundle.lists, minlength=bundle.spec.nlist)
    return counts
