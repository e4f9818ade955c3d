"""Attribute the loss of recall to causes: repair the served index step by step up to exact search; measure each step.

The states, from the served index upwards, by cause:

``served``       the index as it is;
``rotation``     a lost rotation is restored, if there was one (found by Procrustes between vectors and codes);
``stale``        items are encoded again by the index's own arrays;
``codewords``    codewords are refitted to the items;
``rotation``     rotation and codewords are refitted (PQ);
``coarse``       centroids, rotation and codewords are refitted; the same items are scanned;
``code``         float vectors replace codes, in the visited lists: no refit at these bytes recovers this step;
``coarse``       float vectors, the same number of refitted lists;
``imbalance``    float vectors, as many refitted lists as scan the present number of codes;
``probing``      float vectors, all lists;
``adapter``      queries without the adapter;
``metric``       exact search by the reference metric;
``twin``         exact search by the run's float twin, trained for the same steps without the index (labels only).

A repair counts for a measure if its gain is more than twice its standard error. That gain is reported as the loss due
to the cause. The steps ``code``, ``probing``, ``adapter``, ``metric`` and ``twin`` always count, even if recall falls.
So the sum of the losses is the difference between exact search and the served index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.evaluation.query_set import QuerySet
from poeem.evaluation.scorers import FloatScorer, Scorer
from poeem.explain import refits
from poeem.explain.list_balance import nprobe_for
from poeem.explain.measures import Values, measure_recall, standard_error
from poeem.explain.options import SampleOptions
from poeem.explain.workload import Workload

# Standard errors by which a repair must gain to count.
SIGNIFICANT = 2.0
# The loss of the float model itself through joint training with the index.
TWIN = "twin"


class State(NamedTuple):
    """One state between the served index and exact search.

    Args:
        cause: why this state finds more than the state before it.
        name: what was changed, as text for the user.
        scorer: scores all items.
        adapted: whether queries are multiplied by the adapter.
        always_counts: whether the step counts even if its gain is not significant.
        change: name of the repair, if it gives an index.
        index: the repaired index, or None.
    """

    cause: str
    name: str
    scorer: Scorer
    adapted: bool
    always_counts: bool = False
    change: str = ""
    index: Bundle | None = None


class MeasuredState(NamedTuple):
    """A state with its recall of each query, by measure, as ``values``."""

    cause: str
    name: str
    always_counts: bool
    values: Values


class RecallLoss(NamedTuple):
    """The recall lost in one step of the attribution, 0 to 1, with its cause."""

    cause: str
    name: str
    loss: float


def repair_states(workload: Workload, restored: Bundle, reference_metric: str, options: SampleOptions) -> list[State]:
    """Return all states from the served index up to exact search.

    Args:
        workload: the served index, its items and queries.
        restored: the served index, with a lost rotation restored if there was one.
        reference_metric: metric of exact search.
        options: seed and log.
    """
    bundle, items, nprobe = workload.bundle, workload.prepared_items, workload.nprobe
    spec, seed = bundle.spec, options.seed
    adapted = "query_adapter" in bundle.arrays
    served = refits.bundle_scorer(bundle, nprobe)
    states = [State("served", "the index as served", served, adapted)]

    def add(cause: str, change: str, name: str, index: Bundle, within: Bundle | None = None) -> None:
        scorer = refits.bundle_scorer(index, nprobe)
        if within is not None:
            scorer = refits.list_scorer(within, scorer.decoded, nprobe)
        states.append(State(cause, name, scorer, adapted, change=change, index=index))

    if restored is not bundle:
        add("rotation", "rotation_restored", "the lost rotation restored", restored)
    options.log("encoding again")
    base = refits.reencode(restored, items)
    changed = (base.codes != restored.codes).any(1)
    if base.lists is not None and restored.lists is not None:
        changed |= base.lists != restored.lists
    if changed.any():
        add("stale", "reencoded", f"items encoded again ({changed.mean():.1%} change)", base)
    can_refit = len(items) >= max(spec.ksub, spec.nlist)
    if can_refit:
        options.log("fitting codewords")
        add("codewords", "codewords", "codewords refitted", refits.refit_codewords(base, items, seed))
        if spec.kind == "PQ":
            options.log("fitting a rotation")
            name = "rotation refitted" if spec.rotated else "a rotation fitted"
            add("rotation", "rotation", name, refits.refit_rotation(base, items, seed))
    refitted = None
    if can_refit and spec.nlist:
        options.log("fitting lists")
        refitted = refits.refit_lists(base, items, seed)
        add("coarse", "lists", "centroids refitted, same items scanned", refitted, within=base)
    name = "float vectors in the visited lists" if spec.nlist else "float vectors instead of codes"
    states.append(State("code", name, refits.list_scorer(base, items, nprobe), adapted, True))
    if refitted is not None:
        scorer = refits.list_scorer(refitted, items, nprobe)
        states.append(State("coarse", "float vectors, lists refitted", scorer, adapted))
        queries = workload.adapted_queries.vectors
        even_nprobe = nprobe_for(scorer, queries, float(served.scanned(queries).mean()))
        name = f"the same, {even_nprobe} lists scan as many codes"
        states.append(State("imbalance", name, scorer.with_nprobe(even_nprobe), adapted))
    exact = FloatScorer(items, bundle.metric)
    if spec.nlist:
        states.append(State("probing", "float vectors, all lists", exact, adapted, True))
    if adapted:
        states.append(State("adapter", "float vectors, queries without the adapter", exact, False, True))
    if reference_metric != bundle.metric:
        by_reference = FloatScorer(workload.items, reference_metric)
        states.append(State("metric", f"exact search by {reference_metric}", by_reference, False, True))
    return states


def measure_states(
    states: Sequence[State], queries: QuerySet, available: np.ndarray | None, adapter: np.ndarray | None
) -> list[MeasuredState]:
    """Return the states with the recall of each query. Queries are multiplied by ``adapter`` if a state says so."""
    adapted = queries.adapted(adapter)
    return [
        MeasuredState(
            state.cause,
            state.name,
            state.always_counts,
            measure_recall(state.scorer, adapted if state.adapted else queries, available),
        )
        for state in states
    ]


def step_losses(states: Sequence[MeasuredState], measure: str) -> list[RecallLoss]:
    """Return the loss of each step, from the served index upwards. Their sum is the last recall minus the first.

    >>> recalls = {"served": [0.2, 0.2], "codewords": [0.0, 0.0], "code": [0.6, 0.6]}
    >>> states = [MeasuredState(cause, "", cause == "code", {"m": np.array(r)}) for cause, r in recalls.items()]
    >>> [(loss.cause, round(loss.loss, 6)) for loss in step_losses(states, "m")]
    [('codewords', 0.0), ('code', 0.4)]
    """
    base, steps = states[0].values[measure], []
    for state in states[1:]:
        values = state.values[measure]
        counts = state.always_counts or is_significant(values - base)
        steps.append(RecallLoss(state.cause, state.name, float(values.mean() - base.mean()) if counts else 0.0))
        base = values if counts else base
    return steps


def is_significant(differences: np.ndarray) -> bool:
    """Return whether the mean of paired differences is above 0 by more than two standard errors."""
    return bool(differences.mean() > max(SIGNIFICANT * standard_error(differences), 1e-12))
