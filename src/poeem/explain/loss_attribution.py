"""From the served index up to exact search, one repair at a time: what each step wins is what its absence costs.

The states, from the bottom:

``served``       the index as it is;
``rotation``     a rotation that was lost put back, where one was (found by Procrustes between vectors and codes);
``stale``        items encoded again by the index's own arrays;
``words``        words fitted to the items anew;
``rotation``     rotation and words fitted anew (PQ);
``coarse``       centroids, rotation and words fitted anew, the same items compared;
``code``         float vectors in place of codes, in the lists visited: what no refit at these bytes brings back;
``coarse``       float vectors, in as many lists of the new centroids;
``imbalance``    float vectors, in so many lists of the new centroids as scan no more codes than now;
``probing``      float vectors, all lists;
``adapter``      queries as they came;
``metric``       the metric that is wanted;
``twin``         exact search by the float twin of a run, trained for the same steps without the index (labels only).

A repair counts, for a measure, if it wins more than twice its standard error; what it wins is its cause's loss. The
steps ``code``, ``probing``, ``adapter``, ``metric`` and ``twin`` always count, in whichever direction. So the losses
sum up to the difference between the ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.evaluation.scorers import FloatScorer, Scorer
from poeem.explain import refits
from poeem.explain.list_balance import nprobe_for
from poeem.explain.query_set import QuerySet, Values, found

# Standard errors that a repair must win to count.
SIGNIFICANT = 2.0
# The cause of what the float model itself loses by being trained together with the index.
TWIN = "twin"


class State(NamedTuple):
    """One state of the chain.

    Args:
        cause: what costs the difference to the states below.
        name: what was done, for people.
        scorer: of all items.
        adapted: whether queries go through the adapter.
        counts_anyway: whether the step counts however little it wins.
        change: word for the repair, where it leaves an index, ``made``.
    """

    cause: str
    name: str
    scorer: Scorer
    adapted: bool
    counts_anyway: bool = False
    change: str = ""
    made: Bundle | None = None


class Rung(NamedTuple):
    """A state with what it finds."""

    cause: str
    name: str
    counts_anyway: bool
    values: Values


class Loss(NamedTuple):
    """What a step costs."""

    cause: str
    name: str
    loss: float


def states(
    bundle: Bundle,
    repaired: Bundle,
    items: np.ndarray,
    raw_items: np.ndarray,
    *,
    nprobe: int,
    scanned_by: np.ndarray,
    reference_metric: str,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> list[State]:
    """All states from the served index upwards.

    Args:
        bundle: as served.
        repaired: the same with a lost rotation put back; or itself.
        items: prepared for the index's metric, ``(n, dim)``.
        raw_items: as they came, for ``reference_metric``.
        nprobe: lists visited a query.
        scanned_by: float, ``(nq, dim)``: queries (adapted) for which no more codes are to be scanned.
        reference_metric: of exact search.
        seed: of the fits.
        tell: is told what is being done.
    """
    spec = bundle.spec
    adapted = "query_adapter" in bundle.arrays
    served = refits.scorer_of(bundle, nprobe)
    found = [State("served", "the index as served", served, adapted)]

    def add(cause: str, change: str, name: str, made: Bundle, within: Bundle | None = None) -> None:
        scorer = refits.scorer_of(made, nprobe)
        if within is not None:
            scorer = refits.candidates_of(within, scorer.decoded, nprobe)
        found.append(State(cause, name, scorer, adapted, change=change, made=made))

    base = repaired
    if repaired is not bundle:
        add("rotation", "rotation_back", "the lost rotation put back", repaired)
    tell("encoding again")
    base = refits.encoded_again(base, items)
    changed = (base.codes != repaired.codes).any(1)
    if base.lists is not None and repaired.lists is not None:
        changed |= base.lists != repaired.lists
    if changed.any():
        add("stale", "encoded_again", f"items encoded again ({changed.mean():.1%} change)", base)
    enough = len(items) >= max(spec.ksub, spec.nlist)
    if enough:
        tell("fitting words")
        add("words", "words", "words refitted", refits.with_new_words(base, items, seed))
        if spec.kind == "PQ":
            tell("fitting a rotation")
            name = "rotation refitted" if spec.rotated else "a rotation fitted"
            add("rotation", "rotation", name, refits.with_new_rotation(base, items, seed))
    again = None
    if enough and spec.nlist:
        tell("fitting lists")
        again = refits.with_new_lists(base, items, seed)
        add("coarse", "lists", "centroids refitted, same items compared", again, within=base)
    within = "float vectors in the lists visited" if spec.nlist else "float vectors in place of codes"
    found.append(State("code", within, refits.candidates_of(base, items, nprobe), adapted, True))
    if again is not None:
        new = refits.candidates_of(again, items, nprobe)
        found.append(State("coarse", "float vectors, lists refitted", new, adapted))
        as_many = nprobe_for(new, scanned_by, float(served.scanned(scanned_by).mean()))
        evened = new.with_nprobe(as_many)
        found.append(State("imbalance", f"the same, {as_many} lists scan as many codes", evened, adapted))
    if spec.nlist:
        found.append(State("probing", "float vectors, all lists", FloatScorer(items, bundle.metric), adapted, True))
    exact = FloatScorer(items, bundle.metric)
    if adapted:
        found.append(State("adapter", "float vectors, queries without the adapter", exact, False, True))
    if reference_metric != bundle.metric:
        other = FloatScorer(raw_items, reference_metric)
        found.append(State("metric", f"exact search by {reference_metric}", other, False, True))
    return found


def climb(
    found_states: Sequence[State],
    asked: QuerySet,
    available: np.ndarray | None,
    adapter: np.ndarray | None,
    measures: tuple[str, ...] | None = None,
) -> list[Rung]:
    """What every state finds."""
    return [
        Rung(
            state.cause,
            state.name,
            state.counts_anyway,
            found(state.scorer, asked, available, adapter=adapter if state.adapted else None, measures=measures),
        )
        for state in found_states
    ]


def losses(rungs: Sequence[Rung], measure: str) -> list[Loss]:
    """What each step from the served index upwards costs; they sum up to the last state less the first.

    >>> rise = [Rung("served", "", False, {"m": np.array([0.2, 0.2])}), Rung("words", "", False, {"m": np.zeros(2)}),
    ...         Rung("code", "", True, {"m": np.array([0.6, 0.6])})]
    >>> [(loss.cause, round(loss.loss, 6)) for loss in losses(rise, "m")]
    [('words', 0.0), ('code', 0.4)]
    """
    best, steps = rungs[0].values[measure], []
    for rung in rungs[1:]:
        values = rung.values[measure]
        counts = rung.counts_anyway or exceeds(values - best)
        steps.append(Loss(rung.cause, rung.name, float(values.mean() - best.mean()) if counts else 0.0))
        best = values if counts else best
    return steps


def exceeds(differences: np.ndarray) -> bool:
    """Whether the mean of paired differences is above 0 by more than chance."""
    return bool(differences.mean() > max(SIGNIFICANT * standard_error(differences), 1e-12))


def standard_error(values: np.ndarray) -> float:
    """Of the mean, by the spread over queries."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
