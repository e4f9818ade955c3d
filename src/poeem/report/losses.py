"""Sections of the explanation: where recall is lost, and recall against the time of a query."""

from __future__ import annotations

from dataclasses import replace

from poeem.evaluation.scorers import FloatScorer
from poeem.explain import Explanation, text
from poeem.explain.explain import with_neighbours
from poeem.explain.options import SampleOptions
from poeem.explain.target.operating_curve import operating_points, optimal_points
from poeem.explain.workload import Workload, sample_workload
from poeem.page.charts import Points, line_chart
from poeem.page.document import figure, paragraph, section, table


def loss_section(found: Explanation) -> str:
    """Return the losses, their causes, and what was tried."""
    losses, remedies = text.loss_table(found), text.remedy_table(found)
    return section(
        "Where recall is lost, and what would recover it",
        table(losses.columns, losses.rows, losses.title),
        *(paragraph(line) for line in text.sentences(found)),
        table(remedies.columns, remedies.rows, remedies.title) if remedies.rows else "",
    )


def time_section(workload: Workload, options: SampleOptions) -> str:
    """Measure recall and time of single queries on the workload's index in faiss, by codes alone and re-ranked."""
    workload = sample_workload(workload, options)
    exact = FloatScorer(workload.items, workload.bundle.metric)
    queries = with_neighbours(exact, workload.queries, None, options.k)
    points, notes = operating_points(replace(workload, available=None, queries=queries), options)
    kinds = {
        "by codes": [point for point in points if point.k_factor is None],
        "re-ranked": [point for point in points if point.k_factor is not None],
    }
    series: dict[str, Points] = {
        name: [(point.ms, point.recall) for point in optimal_points(some)] for name, some in kinds.items()
    }
    chart = line_chart(series, "ms per query", f"neighbour_recall@{options.k}", log_x=True, dots=True)
    caption = (
        f"faiss, single queries, one thread, {len(workload.items):,} items. Points of one line differ in the lists "
        "visited; re-ranked ones also in the candidates that float vectors rank again"
    )
    return section("Recall against the time of a query", figure(chart, caption), *(paragraph(note) for note in notes))
