"""An explanation for people: tables and a few sentences."""

from __future__ import annotations

from typing import NamedTuple

from poeem.evaluation.intervals import few_queries_note
from poeem.explain.explanation import Explanation
from poeem.explain.query_set import LABELS, NEIGHBOURS

# What is wrong where a cause is the main one.
CAUSES = {
    "metric": "the metric: the index scores by {metric}, the vectors are meant for {reference}",
    "adapter": "the query adapter",
    "probing": "too few lists are visited (nprobe {nprobe} of {nlist})",
    "imbalance": "the lists are uneven: as many scanned codes could look into more of them",
    "coarse": "the centroids do not fit the items",
    "code": "codes of {bytes} bytes: no refit of this structure brings it back",
    "rotation": "the rotation: it is missing, or does not fit",
    "words": "the words of the codebooks: dead, skewed, or not fitted to these items",
    "stale": "stale codes: the items have changed since they were encoded",
    "twin": "joint training: the float model trained without the index finds more",
    "gap": "queries look elsewhere than items: the index was made for the items' distribution",
}


class Table(NamedTuple):
    """A table to print."""

    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]


def title(found: Explanation) -> str:
    """What was explained, and on how much."""
    nprobe = f", nprobe {found.nprobe} of {found.lists['nlist']}" if found.nprobe else ""
    return (
        f"{found.name}: {found.spec} ({found.metric}, {found.bytes_per_vector} bytes{nprobe}), "
        f"{of(found.items, found.catalogue)} items, {of(found.queries, found.all_queries)} queries"
    )


def of(some: int, all_: int) -> str:
    """A number, and of how many where it is not all of them.

    >>> of(10, 1000), of(10, 10)
    ('10 of 1,000', '10')
    """
    return f"{some:,} of {all_:,}" if some < all_ else f"{some:,}"


def loss_table(found: Explanation) -> Table:
    """From exact search down to the index: the recall at both ends, and what each step costs."""
    measures = found.measures
    vectors = "float twin, trained without the index" if found.twin else "float vectors"
    exact = f"exact search by {found.reference_metric}, {vectors}"
    rows = [[exact, *(one.shown("exact") for one in measures.values())]]
    for number, step in enumerate(next(iter(measures.values())).steps):
        losses = [one.steps[number].loss for one in measures.values()]
        rows.append([f"  {_step(step.cause, step.name)}", *(_signed(-loss) for loss in losses)])
    rows.append(["the index as it is served", *(one.shown("served") for one in measures.values())])
    if found.nprobe:
        rows.append(["its ceiling: all lists visited", *(one.shown("ceiling") for one in measures.values())])
    names = [f"{one.name} ({'labels' if key == LABELS else 'exact'})" for key, one in measures.items()]
    return Table("What is lost", ("", *names), rows)


def remedy_table(found: Explanation) -> Table:
    """What was tried and what it brought."""
    names = [f"{one.name}" for one in found.measures.values()]
    rows = [
        [
            "-> " + remedy.parameter if remedy == found.next else "   " + remedy.parameter,
            f"{remedy.before} -> {remedy.after}",
            *(f"{remedy.gain[key]:+.4f} ± {remedy.error[key]:.4f}" for key in found.measures),
            f"{remedy.scanned:,.0f}",
            str(remedy.bytes_per_vector),
            remedy.costs,
        ]
        for remedy in found.remedies
    ]
    return Table("What was tried", ("", "change", *names, "codes scanned", "bytes", "costs"), rows)


def sentences(found: Explanation) -> list[str]:
    """Main cause, figures beside it, the next change, notes."""
    few = few_queries_note({"queries": one.queries} for one in found.measures.values())
    notes = [*([few] if few else []), *(f"Note: {note}." for note in found.notes)]
    return [*_cause(found), *_figures(found), *_next(found), *notes]


def _cause(found: Explanation) -> list[str]:
    decides = found.measures[found.decides]
    lines = []
    better = found.better_baseline
    if better is not None:
        lines.append(
            f"An index built after training finds more: {better} has recall@100 {found.recalls[better]:.4f} on the "
            f"test, this index {found.recalls['index']:.4f}. Train longer (--epochs), or use {better}."
        )
    if found.decides == NEIGHBOURS and LABELS in found.measures:
        labels = found.measures[LABELS]
        change = f"{-labels.loss:+.4f} ± {labels.error:.4f}"
        if found.twin and labels.loss > 0:
            lines.append(f"On labels the float twin finds more, within chance ({change}).")
        elif better is None:
            lines.append(f"On labels nothing is lost beyond chance ({change}).")
    if found.main_cause is None:
        return [*lines, f"Next to nothing is lost in {decides.name}: {decides.loss:.4f} ± {decides.error:.4f}."]
    said = describe(found, found.main_cause)
    share = decides.causes[found.main_cause]
    lines.append(f"Main cause: {said}. It costs {share:.4f} of the {decides.loss:.4f} lost in {decides.name}.")
    others = sorted(
        ((loss, cause) for cause, loss in decides.causes.items() if cause != found.main_cause and loss > 0.0005),
        reverse=True,
    )
    if others:
        lines.append("Others: " + ", ".join(f"{cause} {loss:.4f}" for loss, cause in others) + ".")
    return lines


def describe(found: Explanation, cause: str) -> str:
    """A cause in words."""
    return CAUSES[cause].format(
        metric=found.metric,
        reference=found.reference_metric,
        nprobe=found.nprobe,
        nlist=found.lists.get("nlist"),
        bytes=found.bytes_per_vector,
    )


def _figures(found: Explanation) -> list[str]:
    lines, words, gap, errors = [], found.words, found.gap, found.distortion
    if found.lists:
        lists = found.lists
        again = f" ({lists['imbalance_factor_refitted']:.2f} refitted)" if "imbalance_factor_refitted" in lists else ""
        lines.append(
            f"Lists: imbalance factor {lists['imbalance_factor']:.2f}{again}; {lists['p50']:,.0f} rows at p50, "
            f"{lists['p99']:,.0f} at p99, {lists['longest']:,} the longest, {lists['empty']} of {lists['nlist']} "
            f"empty; a query is compared with {found.scanned:,.0f} codes."
        )
    again = f" ({words['perplexity_refitted']:.0f} refitted)" if "perplexity_refitted" in words else ""
    lines.append(
        f"Words: {words['perplexity']:.0f} of {words['ksub']} in use by perplexity{again}, {words['dead_share']:.1%} "
        f"dead, the most used has {words['largest_share']:.1%} of the items."
    )
    coarse = f"{errors['coarse'] / errors['variance']:.0%} past the centroids, " if "coarse" in errors else ""
    lines.append(
        f"Squared error, of the items' variance: {coarse}{errors['code'] / errors['variance']:.0%} past the codes."
    )
    if gap:
        lines.append(
            f"Queries: {gap['loss_of_queries']:.4f} of the neighbours are lost for queries, "
            f"{gap['loss_of_items_as_queries']:.4f} for items that play queries; {gap['energy_in_items_axes']:.0%} of "
            f"their squared length lies in the axes that hold 90% of the items', the means meet at cosine "
            f"{gap['cosine_of_means']:.2f}."
        )
    if found.metrics:
        by = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
        lines.append(f"Labels found by exact search (recall@100): {by}.")
    return lines


def _next(found: Explanation) -> list[str]:
    if found.next is None:
        return ["Nothing that was tried helps beyond chance."]
    change = found.next
    gains = ", ".join(f"{one.name} {change.gain[key]:+.4f}" for key, one in found.measures.items())
    return [f"Change next: {change.parameter}, {change.before} -> {change.after} (measured: {gains}): {change.how}."]


def _step(cause: str, name: str) -> str:
    return f"{_STEPS[cause]} [{name}]"


_STEPS = {
    "metric": "metric mismatch",
    "adapter": "query adapter",
    "probing": "lists that are not visited",
    "imbalance": "uneven lists",
    "coarse": "coarse error",
    "code": "code error",
    "rotation": "rotation",
    "words": "words",
    "stale": "stale codes",
    "twin": "joint training",
}


def _signed(value: float) -> str:
    return f"{value:+.4f}" if abs(value) >= 0.00005 else "0"
