"""Example queries: the best items by exact search and by the index, and why the index misses some."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from poeem.evaluation.scorers import FloatScorer, Scorer
from poeem.explain.refits import bundle_scorer
from poeem.explain.workload import Workload

K = 10
# Queries among which examples are looked for.
_LOOKED_AT = 400
_BLOCK = 64


@dataclass(frozen=True)
class Found:
    """An item in a result.

    Args:
        row: of the workload's items.
        score: of the search.
        relevant: whether it is labelled as relevant to the query.
        lost: why the index lacks it; empty if it has it.
    """

    row: int
    score: float
    relevant: bool = False
    lost: str = ""


@dataclass(frozen=True)
class Example:
    """A query with its results.

    Args:
        query: number of the query in the workload.
        exact: the best items by exact search, best first.
        index: those by the index.
    """

    query: int
    exact: list[Found]
    index: list[Found]

    @property
    def missed(self) -> int:
        """Number of items of exact search that the index lacks."""
        return sum(bool(found.lost) for found in self.exact)


def find_examples(workload: Workload, *, worst: int = 3, typical: int = 3, seed: int = 0) -> list[Example]:
    """Return queries for which the index misses most, and typical ones.

    Args:
        workload: items and queries.
        worst: number of queries with the most missed items.
        typical: number of further queries, at random.
        seed: of the sample of queries.
    Returns:
        the examples, the worst first.
    """
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(len(workload.queries))[:_LOOKED_AT]
    exact = FloatScorer(workload.items, workload.bundle.metric)
    served = bundle_scorer(workload.bundle, workload.nprobe if workload.bundle.spec.nlist else None)
    k = min(K, len(workload.items) - 1)
    missed = []
    for start in range(0, len(numbers), _BLOCK):
        some = numbers[start : start + _BLOCK]
        best = [np.argpartition(-_scores(scorer, workload, some), k - 1, axis=1)[:, :k] for scorer in (exact, served)]
        missed += [k - len(np.intersect1d(one, other)) for one, other in zip(*best)]
    order = np.argsort(-np.array(missed), kind="stable")
    chosen = [*order[:worst], *sorted(order[worst:], key=int)[:typical]]
    return [_example(workload, exact, served, int(numbers[place]), k) for place in chosen]


def _scores(scorer: Scorer, workload: Workload, numbers: np.ndarray) -> np.ndarray:
    """Scores of all items, ``-inf`` for those that may not be returned or that the query has seen."""
    queries = workload.queries if isinstance(scorer, FloatScorer) else workload.adapted_queries
    scores = scorer.scores(queries.vectors[numbers])
    if workload.available is not None:
        scores[:, ~workload.available] = -np.inf
    for place, number in enumerate(numbers):
        if queries.seen is not None:
            scores[place, queries.seen.take(np.array([number])).values] = -np.inf
        if queries.self_rows is not None:
            scores[place, queries.self_rows[number]] = -np.inf
    return scores


def _example(workload: Workload, exact: Scorer, served: Any, number: int, k: int) -> Example:
    one = np.array([number])
    by_exact, by_index = (_scores(scorer, workload, one)[0] for scorer in (exact, served))
    all_lists = _scores(dataclasses.replace(served, nprobe=None), workload, one)[0]
    labels = workload.queries.relevant
    relevant = set() if labels is None else set(labels.take(one).values.tolist())
    in_index = [row for row in np.argsort(-by_index, kind="stable")[:k].tolist() if np.isfinite(by_index[row])]

    def why(row: int) -> str:
        if row in in_index:
            return ""
        rank = int((all_lists > all_lists[row]).sum()) + 1
        if not np.isfinite(by_index[row]):
            return f"its list is not visited (rank {rank} if all are)"
        rank, equal = int((by_index > by_index[row]).sum()) + 1, int((by_index == by_index[row]).sum())
        if rank <= len(in_index):
            return f"its code: rank {rank}, as {equal - 1} others with the same score"
        return f"its code: rank {rank}"

    best = [row for row in np.argsort(-by_exact, kind="stable")[:k].tolist() if np.isfinite(by_exact[row])]
    return Example(
        number,
        [Found(row, float(by_exact[row]), row in relevant, why(row)) for row in best],
        [Found(row, float(by_index[row]), row in relevant) for row in in_index],
    )
