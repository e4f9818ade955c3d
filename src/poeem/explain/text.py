"""Format an explanation as text: tables and sentences."""

from __future__ import annotations

from typing import NamedTuple

from poeem.evaluation.intervals import few_queries_note
from poeem.explain.explanation import Explanation
from poeem.explain.measures import LABELS, NEIGHBOURS

# Description of each main cause.
CAUSES = {
    "metric": "the metric: the index scores by {metric}, the vectors are made for {reference}",
    "adapter": "the query adapter",
    "probing": "too few lists are visited (nprobe {nprobe} of {nlist})",
    "imbalance": "the lists are uneven: more even lists could be visited at the same number of scanned codes",
    "coarse": "the centroids do not fit the items",
    "code": "codes of {bytes} bytes: no refit of this structure recovers the loss",
    "rotation": "the rotation: it is missing, or does not fit",
    "codewords": "the codewords: dead, unevenly used, or not fitted to these items",
    "stale": "stale codes: the items have changed since they were encoded",
    "twin": "joint training: the float model trained without the index finds more",
    "query_shift": "the queries are distributed differently from the items, to which the index was fitted",
}

_STEPS = {
    "metric": "metric mismatch",
    "adapter": "query adapter",
    "probing": "lists that are not visited",
    "imbalance": "uneven lists",
    "coarse": "coarse error",
    "code": "code error",
    "rotation": "rotation",
    "codewords": "codewords",
    "stale": "stale codes",
    "twin": "joint training",
}


class Table(NamedTuple):
    """The title, columns and rows of a table to print."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]


def title(result: Explanation) -> str:
    """Return a line with the index, the metric, and the numbers of items and queries."""
    nprobe = f", nprobe {result.nprobe} of {result.lists['nlist']}" if result.nprobe else ""
    return (
        f"{result.name}: {result.spec} ({result.metric}, {result.bytes_per_vector} bytes{nprobe}), "
        f"{part_of(result.items, result.catalogue)} items, {part_of(result.queries, result.all_queries)} queries"
    )


def part_of(part: int, whole: int) -> str:
    """Return a number as text, followed by the whole if the whole is larger.

    >>> part_of(10, 1000), part_of(10, 10)
    ('10 of 1,000', '10')
    """
    return f"{part:,} of {whole:,}" if part < whole else f"{part:,}"


def loss_table(result: Explanation) -> Table:
    """Return a table of the recall of exact search, the loss of each step, and the recall of the index."""
    measures = result.measures
    vectors = "float twin, trained without the index" if result.twin else "float vectors"
    exact = f"exact search by {result.reference_metric}, {vectors}"
    rows = [[exact, *(measure.shown("exact") for measure in measures.values())]]
    for number, step in enumerate(next(iter(measures.values())).steps):
        losses = [measure.steps[number].loss for measure in measures.values()]
        rows.append([f"  {_STEPS[step.cause]} [{step.name}]", *(_signed(-loss) for loss in losses)])
    rows.append(["the index as it is served", *(measure.shown("served") for measure in measures.values())])
    if result.nprobe:
        rows.append(["its ceiling: all lists visited", *(measure.shown("ceiling") for measure in measures.values())])
    names = [f"{measure.name} ({'labels' if key == LABELS else 'exact'})" for key, measure in measures.items()]
    return Table("What is lost", ("", *names), rows)


def remedy_table(result: Explanation) -> Table:
    """Return a table of all measured changes with their gains."""
    rows = [
        [
            "-> " + remedy.parameter if remedy == result.next else "   " + remedy.parameter,
            f"{remedy.before} -> {remedy.after}",
            *(f"{remedy.gain[key]:+.4f} ± {remedy.error[key]:.4f}" for key in result.measures),
            f"{remedy.scanned:,.0f}",
            str(remedy.bytes_per_vector),
            remedy.costs,
        ]
        for remedy in result.remedies
    ]
    names = [measure.name for measure in result.measures.values()]
    return Table("What was tried", ("", "change", *names, "codes scanned", "bytes", "costs"), rows)


def sentences(result: Explanation) -> list[str]:
    """Return sentences on the main cause, more figures, the next change and notes."""
    few = few_queries_note({"queries": measure.queries} for measure in result.measures.values())
    notes = [*([few] if few else []), *(f"Note: {note}." for note in result.notes)]
    return [*_baselines(result), *_causes(result), *_figures(result), _next_change(result), *notes]


def _baselines(result: Explanation) -> list[str]:
    """Whether a post-hoc index finds more, and whether labels are lost at all."""
    lines, better = [], result.better_baseline
    if better is not None:
        lines.append(
            f"A post-hoc index finds more: {better} has recall@100 {result.recalls[better]:.4f} on the test, this "
            f"index {result.recalls['index']:.4f}. Train longer (--epochs), or use {better}."
        )
    if result.decides == NEIGHBOURS and LABELS in result.measures:
        labels = result.measures[LABELS]
        change = f"{-labels.loss:+.4f} ± {labels.error:.4f}"
        if result.twin and labels.loss > 0:
            lines.append(f"On labels the float twin finds more, within chance ({change}).")
        elif better is None:
            lines.append(f"On labels nothing is lost beyond chance ({change}).")
    return lines


def _causes(result: Explanation) -> list[str]:
    breakdown = result.measures[result.decides]
    if result.main_cause is None:
        return [f"The loss in {breakdown.name} is negligible: {breakdown.loss:.4f} ± {breakdown.error:.4f}."]
    main = CAUSES[result.main_cause].format(
        metric=result.metric,
        reference=result.reference_metric,
        nprobe=result.nprobe,
        nlist=result.lists.get("nlist"),
        bytes=result.bytes_per_vector,
    )
    loss = breakdown.causes[result.main_cause]
    lines = [f"Main cause: {main}. It costs {loss:.4f} of the {breakdown.loss:.4f} lost in {breakdown.name}."]
    others = sorted(
        ((loss, cause) for cause, loss in breakdown.causes.items() if cause != result.main_cause and loss > 0.0005),
        reverse=True,
    )
    if others:
        lines.append("Other causes: " + ", ".join(f"{cause} {loss:.4f}" for loss, cause in others) + ".")
    return lines


def _figures(result: Explanation) -> list[str]:
    lines, lists, codewords = [], result.lists, result.codewords
    shift, errors = result.query_shift, result.distortion
    if lists:
        has_refit = "imbalance_factor_refitted" in lists
        refitted = f" ({lists['imbalance_factor_refitted']:.2f} refitted)" if has_refit else ""
        lines.append(
            f"Lists: imbalance factor {lists['imbalance_factor']:.2f}{refitted}; {lists['p50']:,.0f} rows at p50, "
            f"{lists['p99']:,.0f} at p99, {lists['longest']:,} in the longest; {lists['empty']} of {lists['nlist']} "
            f"lists are empty. A query scans {result.scanned:,.0f} codes."
        )
    refitted = f" ({codewords['perplexity_refitted']:.0f} refitted)" if "perplexity_refitted" in codewords else ""
    lines.append(
        f"Codewords: {codewords['perplexity']:.0f} of {codewords['ksub']} in use by perplexity{refitted}, "
        f"{codewords['dead_share']:.1%} dead; the most used one has {codewords['largest_share']:.1%} of the items."
    )
    coarse = f"{errors['coarse'] / errors['variance']:.0%} after the centroids, " if "coarse" in errors else ""
    code = f"{errors['code'] / errors['variance']:.0%} after the codes"
    lines.append(f"Squared error as a share of the items' variance: {coarse}{code}.")
    if shift:
        lines.append(
            f"Queries: {shift['loss_of_queries']:.4f} of the neighbours are lost for queries, "
            f"{shift['loss_of_items_as_queries']:.4f} for items as queries. {shift['energy_in_items_axes']:.0%} of the "
            "queries' squared length is in the axes that hold 90% of the items' squared length. The cosine of the "
            f"mean query and the mean item is {shift['cosine_of_means']:.2f}."
        )
    if result.metrics:
        recalls = ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
        lines.append(f"Labels found by exact search (recall@100): {recalls}.")
    return lines


def _next_change(result: Explanation) -> str:
    change = result.next
    if change is None:
        return "No change that was tried helps beyond chance."
    gains = ", ".join(f"{measure.name} {change.gain[key]:+.4f}" for key, measure in result.measures.items())
    return f"Change next: {change.parameter}, {change.before} -> {change.after} (measured: {gains}): {change.how}."


def _signed(value: float) -> str:
    return f"{value:+.4f}" if abs(value) >= 0.00005 else "0"
