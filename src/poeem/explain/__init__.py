"""Why the recall of an index is what it is, and how to get the one that is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poeem.explain.explanation import Explanation
from poeem.explain.target.reach import Reached

__all__ = ["Explanation", "Reached", "explain", "explain_target"]


def explain(
    source: Any = None,
    *,
    vectors: Any = None,
    queries: Any = None,
    relevance: Any = None,
    faiss: str | Path | None = None,
    column: str | None = None,
    nprobe: int | None = None,
    **options: Any,
) -> Explanation:
    """What is lost between exact float search and a served index, why, and the one thing to change next, tried.

    Args:
        source, vectors, queries, relevance, faiss, column, nprobe: see ``read_case`` in ``sources``.
        options: ``metric`` that exact search should use (default the index's, unless the labels say otherwise); ``k``
            neighbours wanted (10); ``max_items`` (100,000) and ``max_queries`` (1,000) to measure with; ``seed``;
            ``tell``, called with a line on what is being done.
    Raises:
        FileNotFoundError: there is nothing to explain.
        ValueError: vectors are missing or are not those of the index, or an argument is out of range.
    """
    from poeem.explain.explain import explain_case
    from poeem.explain.sources import read_case

    case = read_case(
        source, vectors=vectors, queries=queries, relevance=relevance, faiss=faiss, column=column, nprobe=nprobe
    )
    return explain_case(case, **options)


def explain_target(
    source: Any = None,
    *,
    target: str,
    vectors: Any = None,
    queries: Any = None,
    relevance: Any = None,
    faiss: str | Path | None = None,
    column: str | None = None,
    nprobe: int | None = None,
    **options: Any,
) -> Reached:
    """How to reach a recall, a size or a latency: what to search with, and what to train where that does not do.

    Args:
        target: ``recall=0.95`` (of the k nearest neighbours): the fastest setting that has it; ``latency-ms=2`` (single
            queries, one thread): the setting that finds most within it; ``bytes=16``: the best structure of that size.
        source, vectors, queries, relevance, faiss, column, nprobe: see `explain`.
        options: of `explain`; ``max_items`` is 1,000,000 here.
    Raises:
        FileNotFoundError, ValueError: as `explain`; or no such target.
    """
    from poeem.explain.sources import read_case
    from poeem.explain.target.reach import reach
    from poeem.explain.target.target import parse_target

    wanted = parse_target(target)
    case = read_case(
        source, vectors=vectors, queries=queries, relevance=relevance, faiss=faiss, column=column, nprobe=nprobe
    )
    return reach(case, wanted, **options)
