"""Explain the recall of an index: the losses by cause, measured remedies, and settings that reach a target."""

from __future__ import annotations

from typing import Any

from poeem.explain.explanation import Explanation
from poeem.explain.target.reach import Reached

__all__ = ["Explanation", "Reached", "explain", "explain_target"]

_FURTHER_INPUTS = ("relevance", "faiss", "column", "nprobe", "check")


def explain(source: Any = None, *, vectors: Any = None, queries: Any = None, **options: Any) -> Explanation:
    """Split the loss between exact float search and a served index by cause, and measure what would reduce it.

    Args:
        source: folder of a run, or a bundle or its folder; None with ``faiss`` alone.
        vectors: item vectors ``(n, dim)`` or their file; a run brings its own.
        queries: query vectors ``(nq, dim)`` or their file; default: items are used as queries.
        options: ``relevance``, ``faiss``, ``column``, ``nprobe`` and ``check`` of
            :func:`poeem.explain.sources.read_workload`, and the fields of :class:`poeem.explain.options.SampleOptions`.
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
    """Find settings that reach a recall, a size or a latency, and what to train if no setting does.

    Args:
        target: ``recall=0.95`` (of the k nearest neighbours): the fastest setting that reaches it; ``latency-ms=2``
            (single queries, one thread): the setting with the highest recall within it; ``bytes=16``: the best
            structure of that size.
        source, vectors, queries, options: see :func:`explain`; ``max_items`` is 1,000,000 here.
    Raises:
        FileNotFoundError, ValueError: see :func:`explain`; also for an unknown target.
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
