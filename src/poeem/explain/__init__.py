"""Explain the recall of an index: losses by cause, measured remedies, and settings that reach a target."""

from __future__ import annotations

from typing import Any

from poeem.explain.explanation import Explanation
from poeem.explain.target.reach import Reached

__all__ = ["Explanation", "Reached", "explain", "explain_target"]

_FURTHER_INPUTS = ("relevance", "faiss", "column", "nprobe", "check")


def explain(source: Any = None, *, vectors: Any = None, queries: Any = None, **options: Any) -> Explanation:
    """Measure the recall that an index loses against exact float search, by cause, and what would recover it.

    Args:
        source: folder of a run, or a bundle or its folder; None if only ``faiss`` is given.
        vectors: item vectors ``(n, dim)`` or their file; not needed for a run, which has its own.
        queries: query vectors ``(nq, dim)`` or their file; None: items are used as queries.
        options: ``relevance``, ``faiss``, ``column``, ``nprobe`` and ``check`` of
            :func:`poeem.explain.sources.read_workload`, and the fields of :class:`poeem.explain.options.SampleOptions`.
    Returns:
        losses, causes and measured changes.
    Raises:
        FileNotFoundError: there is nothing at ``source`` or ``faiss``.
        ValueError: vectors are missing or do not belong to the index, or an argument is out of range.
    """
    from poeem.explain.explain import explain_workload
    from poeem.explain.options import SampleOptions
    from poeem.explain.sources import read_workload

    inputs = _take_inputs(options)
    sample_options = SampleOptions(**options)
    return explain_workload(read_workload(source, vectors=vectors, queries=queries, **inputs), sample_options)


def explain_target(
    source: Any = None, *, target: str, vectors: Any = None, queries: Any = None, **options: Any
) -> Reached:
    """Find the settings that reach a recall, a size or a latency. If none does, find what to train.

    Args:
        target: ``recall=0.95`` (of the k nearest neighbours): find the fastest setting with this recall;
            ``latency-ms=2`` (single queries, one thread): find the setting with the highest recall in this time;
            ``bytes=16``: find the best structure of this size.
        source, vectors, queries, options: as for :func:`explain`, but ``max_items`` is 1,000,000.
    Returns:
        the chosen setting, and everything that was measured.
    Raises:
        FileNotFoundError: as for :func:`explain`.
        ValueError: as for :func:`explain`; also for an unknown target.
    """
    from poeem.explain.options import TARGET_MAX_ITEMS, SampleOptions
    from poeem.explain.sources import read_workload
    from poeem.explain.target.reach import reach
    from poeem.explain.target.target import parse_target

    parsed, inputs = parse_target(target), _take_inputs(options)
    sample_options = SampleOptions(**{"max_items": TARGET_MAX_ITEMS, **options})
    return reach(read_workload(source, vectors=vectors, queries=queries, **inputs), parsed, sample_options)


def _take_inputs(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the inputs from the options."""
    return {name: options.pop(name) for name in _FURTHER_INPUTS if name in options}
