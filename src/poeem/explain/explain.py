"""Why the recall of an index is what it is, and what to change next."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from poeem.bundle.bundle import Bundle
from poeem.engines.item_vectors import check_item_vectors
from poeem.engines.reference import ReferenceScorer
from poeem.evaluation.intervals import with_intervals
from poeem.evaluation.scorers import DecodedScorer, FloatScorer, prepared
from poeem.explain import refits
from poeem.explain.codeword_usage import codeword_facts
from poeem.explain.explanation import Breakdown, Explanation
from poeem.explain.list_balance import list_facts
from poeem.explain.loss_attribution import TWIN, Rung, State, climb, losses, standard_error, states
from poeem.explain.lost_rotation import repaired
from poeem.explain.query_adapter import FEWEST_QUERIES, learnt_adapter
from poeem.explain.query_set import LABEL_METRIC, LABELS, NEIGHBOURS, QuerySet, Values, found, nearest
from poeem.explain.query_shift import apart, gap_shares, without_gap
from poeem.explain.reference_metric import reference_metric
from poeem.explain.remedies import Trials, next_change
from poeem.explain.workload import Workload, drawn
from poeem.functional.usage import count_codes
from poeem.training.seeds import check_seed

MAX_ITEMS, MAX_QUERIES, K = 100_000, 1_000, 10
# Fewer queries than this tell little.
_FEW = 50
# Less than this is nothing to speak of, however certain.
_NOTHING = 0.005
# The gap's share of what is lost from which a matrix on the queries' side is tried.
_GAP_WORTH_A_TRIAL = 0.25


def explain_case(
    case: Workload,
    *,
    metric: str | None = None,
    k: int = K,
    max_items: int = MAX_ITEMS,
    max_queries: int = MAX_QUERIES,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> Explanation:
    """As :func:`poeem.explain.explain`, for a case that has been read.

    Raises:
        ValueError: the vectors are not those of the index, or an argument is out of range.
    """
    began = time.perf_counter()
    case = sampled(case, k=k, max_items=max_items, max_queries=max_queries, seed=seed)
    bundle, items = case.bundle, case.prepared
    mended = checked(case, seed)
    wanted, by_metric = reference_metric(case.items, case.asked, bundle.metric, metric, case.available)
    exact = FloatScorer(case.items, wanted)
    case = dataclasses.replace(
        case, asked=dataclasses.replace(case.asked, neighbours=nearest(exact, case.asked, case.available, k))
    )
    adapter = bundle.arrays.get("query_adapter")
    adapted = case.asked.queries if adapter is None else case.asked.queries @ adapter
    chain = states(
        bundle,
        mended,
        items,
        case.items,
        nprobe=case.nprobe,
        scanned_by=adapted,
        reference_metric=wanted,
        seed=seed,
        tell=tell,
    )
    tell("measuring")
    rungs = climb(chain, case.asked, case.available, adapter)
    played = case.items_as_queries(np.random.default_rng(seed))
    played = dataclasses.replace(played, neighbours=nearest(exact, played, case.available, k))
    # The adapter is for queries, items do without.
    played_rungs = climb(chain, played, case.available, None)
    if case.twin is not None and LABELS in case.asked.measures:
        rungs, played_rungs = with_twin(case, rungs), [*played_rungs, _twin_rung(played_rungs[-1].values)]
    by_items = losses(played_rungs, NEIGHBOURS)
    served = chain[0].scorer
    assert isinstance(served, DecodedScorer)
    ceiling = found(served.with_nprobe(None), case.asked, case.available, adapter=adapter)
    measures = _breakdowns(rungs, by_items, ceiling, case.asked, k)
    decides = _deciding(measures)
    main = _main_cause(measures[decides])
    trials = Trials(case, served, rungs[0].values, tell, seed)
    _try_all(trials, chain, rungs, wanted, measures[decides], seed, tell)
    made = {state.change: state.made for state in chain if state.made is not None}
    scanned = float(served.scanned(adapted).mean())
    return Explanation(
        name=case.name,
        spec=str(bundle.spec),
        metric=bundle.metric,
        bytes_per_vector=bundle.spec.bytes_per_vector,
        nprobe=case.nprobe if bundle.spec.nlist else None,
        fingerprint=bundle.fingerprint,
        reference_metric=wanted,
        items=len(case.items),
        catalogue=case.catalogue,
        queries=len(case.asked),
        all_queries=case.queries,
        measures=measures,
        decides=decides,
        main_cause=main,
        lists=_lists(case, made),
        words=_words(case, made),
        gap=_gap(case, measures[NEIGHBOURS], by_items),
        metrics=by_metric,
        distortion=_distortion(bundle, items),
        scanned=scanned,
        remedies=trials.done,
        next=next_change(trials.done, decides, measures[decides].loss, main),
        notes=_notes(case),
        twin=any(rung.cause == TWIN for rung in rungs),
        recalls=case.recalls,
        seconds=time.perf_counter() - began,
    )


def with_twin(case: Workload, rungs: Sequence[Rung]) -> list[Rung]:
    """The rungs, and above them what exact search by the float twin finds of the labels.

    The exact neighbours are those of the run's own vectors: of these nothing is lost at this step.
    """
    assert case.twin is not None
    asked = dataclasses.replace(case.asked, queries=case.twin.queries)
    labels = found(FloatScorer(case.twin.items, case.bundle.metric), asked, case.available, measures=(LABELS,))
    return [*rungs, _twin_rung(rungs[-1].values | labels)]


def _twin_rung(values: Values) -> Rung:
    return Rung(TWIN, "exact search by the float twin", True, values)


def sampled(case: Workload, *, k: int, max_items: int, max_queries: int, seed: int) -> Workload:
    """The case on a sample, its sizes checked."""
    check_seed(seed)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= 100:
        raise ValueError(f"k (={k!r}) must be a whole number from 1 to 100: the neighbours of a query that are wanted")
    case = drawn(case, max_items=max_items, max_queries=max_queries, seed=seed)
    if len(case.items) <= k:
        raise ValueError(f"k (={k}) must be less than the number of items (={len(case.items)})")
    count = len(case.asked)
    if count < 2:
        raise ValueError(
            f"queries (={count}) must be at least 2, better {_FEW}, or nothing can be told from the figures"
        )
    return case


def checked(case: Workload, seed: int) -> Bundle:
    """The index with a lost rotation put back, or as it is; its items are those of the case.

    Raises:
        ValueError: the vectors have nothing to do with the codes.
    """
    mended = repaired(case.bundle, case.prepared, seed)
    check_item_vectors(mended, case.prepared)
    return mended


def _breakdowns(
    rungs: Sequence[Rung], by_items: list[Any], ceiling: dict[str, np.ndarray], asked: QuerySet, k: int
) -> dict[str, Breakdown]:
    neighbours = losses(rungs, NEIGHBOURS)
    # Where the queries are items, there is no gap to speak of.
    shares = [0.0] * len(neighbours) if asked.own is not None else gap_shares(neighbours, by_items)
    measures = {}
    for measure in asked.measures:
        steps, values = losses(rungs, measure), [rung.values[measure] for rung in rungs]
        ends = with_intervals({"exact": values[-1], "served": values[0], "ceiling": ceiling[measure]})
        measures[measure] = Breakdown(
            name=LABEL_METRIC if measure == LABELS else f"neighbour_recall@{k}",
            **ends,
            error=standard_error(values[-1] - values[0]),
            steps=steps[::-1],
            causes=without_gap(steps, shares),
        )
    return measures


def _deciding(measures: dict[str, Breakdown]) -> str:
    """Labels, if anything of them is lost; else neighbours."""
    labels = measures.get(LABELS)
    if labels is None or labels.loss < max(_NOTHING, 2 * labels.error):
        return NEIGHBOURS
    return LABELS


def _main_cause(breakdown: Breakdown) -> str | None:
    if breakdown.loss < max(_NOTHING, 2 * breakdown.error):
        return None
    return max(breakdown.causes, key=lambda cause: breakdown.causes[cause])


def _try_all(
    trials: Trials,
    chain: Sequence[State],
    rungs: Sequence[Rung],
    wanted: str,
    breakdown: Breakdown,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    case, spec = trials.case, trials.spec
    if wanted != case.bundle.metric:
        trials.metric(wanted)
    for state, rung in zip(chain, rungs):
        if state.change == "lists" and state.made is not None:
            trials.lists(state.made)
        elif state.made is not None:
            trials.repair(state.change, state.made.spec, rung.values)
    trials.search_parameters()
    if len(case.items) >= max(spec.ksub, spec.nlist):
        trials.structures()
    worth = breakdown.causes["gap"] > _GAP_WORTH_A_TRIAL * breakdown.loss
    more = case.more_queries
    if worth and "query_adapter" not in case.bundle.arrays and more is not None and len(more) >= FEWEST_QUERIES:
        tell("learning a query adapter")
        matrix = learnt_adapter(case.bundle, case.items, more, seed)
        if matrix is not None:
            adapted = found(trials.served, case.asked, case.available, adapter=matrix)
            trials.repair("adapter", spec, adapted)


def _lists(case: Workload, made: dict[str, Bundle]) -> dict[str, Any]:
    if "lists" not in case.facts:
        return {}
    found_lists = list_facts(case.facts["lists"])
    if "lists" in made and made["lists"].lists is not None:
        again = np.bincount(made["lists"].lists, minlength=case.bundle.spec.nlist)
        found_lists["imbalance_factor_refitted"] = list_facts(again)["imbalance_factor"]
    return found_lists


def _words(case: Workload, made: dict[str, Bundle]) -> dict[str, Any]:
    import torch

    found_words: dict[str, Any] = codeword_facts(case.facts["words"])
    if "words" in made:
        counts = count_codes(torch.tensor(made["words"].codes), case.bundle.spec.ksub).numpy()
        found_words["perplexity_refitted"] = codeword_facts(counts)["perplexity"]
    return found_words


def _gap(case: Workload, breakdown: Breakdown, by_items: list[Any]) -> dict[str, Any]:
    if case.asked.own is not None:
        return {}
    queries = prepared(case.asked.queries, case.bundle.metric, "queries")
    return {
        "loss_of_queries": breakdown.loss,
        "loss_of_items_as_queries": float(sum(step.loss for step in by_items)),
        **apart(queries, case.prepared),
    }


def _distortion(bundle: Bundle, items: np.ndarray) -> dict[str, float]:
    """Mean squared errors: of the mean vector for all, of the centroids, of the codes."""
    errors = {"variance": float(np.square(items - items.mean(0)).sum(1).mean())}
    decoded = ReferenceScorer(bundle).decode()
    errors["code"] = float(np.square(items - decoded).sum(1).mean())
    if bundle.lists is not None:
        coarse = refits.candidates_of(bundle, decoded, None).coarse
        assert coarse is not None
        errors["coarse"] = float(np.square(items - coarse[bundle.lists]).sum(1).mean())
    return errors


def _notes(case: Workload) -> list[str]:
    notes = list(case.notes)
    if case.sampled:
        notes.append(
            f"measured on {len(case.items):,} of {case.catalogue:,} items: recall is higher than on all of them, "
            "differences are as telling; --max-items takes more"
        )
    if len(case.items) < max(case.bundle.spec.ksub, case.bundle.spec.nlist):
        notes.append("fewer items than words or lists: nothing could be refitted to them")
    return notes
