"""Explain the recall of an index: attribute the loss to causes, measure remedies, choose the next change."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.item_vectors import check_item_vectors
from poeem.engines.reference import ReferenceScorer
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.recall import nearest_items
from poeem.evaluation.scorers import DecodedScorer, FloatScorer, prepared
from poeem.explain import refits
from poeem.explain.codeword_usage import codeword_figures
from poeem.explain.explanation import Breakdown, Explanation
from poeem.explain.list_balance import list_figures
from poeem.explain.loss_attribution import (
    TWIN,
    MeasuredState,
    RecallLoss,
    State,
    measure_states,
    repair_states,
    step_losses,
)
from poeem.explain.lost_rotation import restore_rotation
from poeem.explain.measures import (
    LABEL_METRIC,
    LABELS,
    NEIGHBOURS,
    Values,
    available_measures,
    measure_recall,
    standard_error,
)
from poeem.explain.options import SampleOptions
from poeem.explain.query_adapter import FEWEST_QUERIES, learn_adapter
from poeem.explain.query_shift import losses_by_cause, shift_figures, shift_shares
from poeem.explain.reference_metric import reference_metric
from poeem.explain.remedies import Trials, next_change
from poeem.explain.workload import Workload, sample_workload
from poeem.functional.usage import count_codes

# A smaller loss is negligible, even if it is significant.
_NEGLIGIBLE = 0.005
# A query adapter is tried if the shift of the queries causes this share of the loss.
_SHIFT_WORTH_A_TRIAL = 0.25


def explain_workload(workload: Workload, options: SampleOptions) -> Explanation:
    """Return the explanation of a workload's index. See :func:`poeem.explain.explain`.

    Raises:
        ValueError: the vectors do not belong to the index, or the sample is too small.
    """
    began = time.perf_counter()
    workload = sample_workload(workload, options)
    restored = check_vectors(workload, options.seed)
    exact_metric, label_recalls = reference_metric(workload, options.metric)
    exact = FloatScorer(workload.items, exact_metric)
    queries = with_neighbours(exact, workload.queries, workload.available, options.k)
    workload = dataclasses.replace(workload, queries=queries)
    bundle, available = workload.bundle, workload.available
    states = repair_states(workload, restored, exact_metric, options)
    options.log("measuring")
    measured = measure_states(states, queries, available, bundle.arrays.get("query_adapter"))
    items = workload.items_as_queries(np.random.default_rng(options.seed))
    items = with_neighbours(exact, items, available, options.k)
    # The adapter is made for queries, not for items.
    measured_items = measure_states(states, items, available, None)
    if workload.twin is not None and LABELS in available_measures(queries):
        measured.append(_twin_state(measured[-1].values | _twin_labels(workload)))
        measured_items.append(_twin_state(measured_items[-1].values))
    item_losses = step_losses(measured_items, NEIGHBOURS)
    served = states[0].scorer
    assert isinstance(served, DecodedScorer)
    ceiling = measure_recall(served.with_nprobe(None), workload.adapted_queries, available)
    measures = _breakdowns(measured, item_losses, ceiling, queries)
    decides = _deciding_measure(measures)
    main_cause = _main_cause(measures[decides])
    trials = Trials(workload, served, measured[0].values, options)
    _try_all(trials, states, measured, exact_metric, measures[decides], options)
    refitted = {state.change: state.index for state in states if state.index is not None}
    return Explanation(
        name=workload.name,
        spec=str(bundle.spec),
        metric=bundle.metric,
        bytes_per_vector=bundle.spec.bytes_per_vector,
        nprobe=workload.nprobe if bundle.spec.nlist else None,
        fingerprint=bundle.fingerprint,
        reference_metric=exact_metric,
        items=len(workload.items),
        catalogue=workload.catalogue,
        queries=len(queries),
        all_queries=workload.all_queries,
        measures=measures,
        decides=decides,
        main_cause=main_cause,
        lists=_list_figures(workload, refitted),
        codewords=_codeword_figures(workload, refitted),
        query_shift=_shift_figures(workload, measures[NEIGHBOURS], item_losses),
        metrics=label_recalls,
        distortion=_distortion(bundle, workload.prepared_items),
        scanned=float(served.scanned(workload.adapted_queries.vectors).mean()),
        remedies=trials.remedies,
        next=next_change(trials.remedies, decides, measures[decides].loss, main_cause),
        notes=_notes(workload),
        twin=any(state.cause == TWIN for state in measured),
        recalls=workload.recalls,
        seconds=time.perf_counter() - began,
    )


def with_neighbours(exact: FloatScorer, queries: QuerySet, available: np.ndarray | None, k: int) -> QuerySet:
    """Return the queries with the ``k`` best items of each by exact scores as their ``neighbours``."""
    return dataclasses.replace(queries, neighbours=nearest_items(exact, queries, k, available))


def check_vectors(workload: Workload, seed: int) -> Bundle:
    """Check that the vectors belong to the codes, and return the index, with a lost rotation restored if there was one.

    Raises:
        ValueError: the vectors do not belong to the codes.
    """
    restored = restore_rotation(workload.bundle, workload.prepared_items, seed)
    check_item_vectors(restored, workload.prepared_items)
    return restored


def _twin_labels(workload: Workload) -> Values:
    """Recall of the labels by exact search with the float twin. The exact neighbours stay those of the run."""
    assert workload.twin is not None
    queries = dataclasses.replace(workload.queries, vectors=workload.twin.queries)
    twin = FloatScorer(workload.twin.items, workload.bundle.metric)
    return measure_recall(twin, queries, workload.available, measures=(LABELS,))


def _twin_state(values: Values) -> MeasuredState:
    return MeasuredState(TWIN, "exact search by the float twin", True, values)


def _breakdowns(
    states: Sequence[MeasuredState], item_losses: list[RecallLoss], ceiling: Values, queries: QuerySet
) -> dict[str, Breakdown]:
    assert queries.neighbours is not None
    names = {LABELS: LABEL_METRIC, NEIGHBOURS: f"neighbour_recall@{queries.neighbours.shape[1]}"}
    neighbour_losses = step_losses(states, NEIGHBOURS)
    # Items as queries have no shift.
    is_items = queries.self_rows is not None
    shares = [0.0] * len(neighbour_losses) if is_items else shift_shares(neighbour_losses, item_losses)
    measures = {}
    for measure in available_measures(queries):
        steps, exact, served = step_losses(states, measure), states[-1].values[measure], states[0].values[measure]
        measures[measure] = Breakdown(
            name=names[measure],
            **with_intervals({"exact": exact, "served": served, "ceiling": ceiling[measure]}),
            error=standard_error(exact - served),
            steps=steps[::-1],
            causes=losses_by_cause(steps, shares),
        )
    return measures


def _is_negligible(breakdown: Breakdown) -> bool:
    return breakdown.loss < max(_NEGLIGIBLE, 2 * breakdown.error)


def _deciding_measure(measures: dict[str, Breakdown]) -> str:
    """Labels if their loss is not negligible, else neighbours."""
    return NEIGHBOURS if LABELS not in measures or _is_negligible(measures[LABELS]) else LABELS


def _main_cause(breakdown: Breakdown) -> str | None:
    if _is_negligible(breakdown):
        return None
    return max(breakdown.causes, key=lambda cause: breakdown.causes[cause])


def _try_all(
    trials: Trials,
    states: Sequence[State],
    measured: Sequence[MeasuredState],
    exact_metric: str,
    breakdown: Breakdown,
    options: SampleOptions,
) -> None:
    workload, spec = trials.workload, trials.spec
    if exact_metric != workload.bundle.metric:
        trials.try_metric(exact_metric)
    for state, result in zip(states, measured):
        if state.change == "lists" and state.index is not None:
            trials.try_lists(state.index)
        elif state.index is not None:
            trials.record_repair(state.change, state.index.spec, result.values)
    trials.try_search_parameters()
    if len(workload.items) >= max(spec.ksub, spec.nlist):
        trials.try_structures()
    shifted = breakdown.causes["query_shift"] > _SHIFT_WORTH_A_TRIAL * breakdown.loss
    training_queries = workload.more_queries
    if not shifted or "query_adapter" in workload.bundle.arrays or training_queries is None:
        return
    if len(training_queries) >= FEWEST_QUERIES:
        options.log("learning a query adapter")
        adapter = learn_adapter(workload.bundle, workload.items, training_queries, options.seed)
        if adapter is not None:
            values = measure_recall(trials.served, workload.queries.adapted(adapter), workload.available)
            trials.record_repair("adapter", spec, values)


def _list_figures(workload: Workload, refitted: dict[str, Bundle]) -> dict[str, Any]:
    if "lists" not in workload.usage:
        return {}
    figures = list_figures(workload.usage["lists"])
    if "lists" in refitted and refitted["lists"].lists is not None:
        lengths = np.bincount(refitted["lists"].lists, minlength=workload.bundle.spec.nlist)
        figures["imbalance_factor_refitted"] = list_figures(lengths)["imbalance_factor"]
    return figures


def _codeword_figures(workload: Workload, refitted: dict[str, Bundle]) -> dict[str, Any]:
    import torch

    figures: dict[str, Any] = codeword_figures(workload.usage["codewords"])
    if "codewords" in refitted:
        counts = count_codes(torch.tensor(refitted["codewords"].codes), workload.bundle.spec.ksub).numpy()
        figures["perplexity_refitted"] = codeword_figures(counts)["perplexity"]
    return figures


def _shift_figures(workload: Workload, breakdown: Breakdown, item_losses: list[RecallLoss]) -> dict[str, Any]:
    if workload.queries.self_rows is not None:
        return {}
    queries = prepared(workload.queries.vectors, workload.bundle.metric, "queries")
    return {
        "loss_of_queries": breakdown.loss,
        "loss_of_items_as_queries": float(sum(step.loss for step in item_losses)),
        **shift_figures(queries, workload.prepared_items),
    }


def _distortion(bundle: Bundle, items: np.ndarray) -> dict[str, float]:
    """Mean squared error if every item were replaced by the mean, by its centroid, or by its code."""
    errors = {"variance": float(np.square(items - items.mean(0)).sum(1).mean())}
    decoded = ReferenceScorer(bundle).decode()
    errors["code"] = float(np.square(items - decoded).sum(1).mean())
    if bundle.lists is not None:
        coarse = refits.list_scorer(bundle, decoded, None).coarse
        assert coarse is not None
        errors["coarse"] = float(np.square(items - coarse[bundle.lists]).sum(1).mean())
    return errors


def _notes(workload: Workload) -> list[str]:
    notes, spec = list(workload.notes), workload.bundle.spec
    if workload.sampled:
        notes.append(
            f"measured on {len(workload.items):,} of {workload.catalogue:,} items: recall is higher than on all of "
            "them, differences are comparable; --max-items takes more"
        )
    if len(workload.items) < max(spec.ksub, spec.nlist):
        notes.append("fewer items than codewords or lists: nothing could be refitted to them")
    return notes
