"""Remedies: changes of an index that could raise its recall. Each is made and measured on the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from poeem.baselines.rescored import ExactScores, RescoredScorer
from poeem.bundle.bundle import Bundle
from poeem.evaluation.scorers import DecodedScorer, Scorer
from poeem.explain import refits
from poeem.explain.list_balance import nprobe_for
from poeem.explain.measures import (
    LABEL_DEPTH,
    LABELS,
    NEIGHBOURS,
    Values,
    available_measures,
    measure_recall,
    standard_error,
)
from poeem.explain.options import SampleOptions
from poeem.explain.workload import Workload
from poeem.spec import IndexSpec

K_FACTOR = 10
# The cost of a change: none; one training at the same bytes; time at each query; both; memory. The cheapest first.
NOTHING, TRAINING, TIME, BOTH, MEMORY = "nothing", "training", "time", "training, time", "memory"
_COSTS = (NOTHING, TRAINING, TIME, BOTH, MEMORY)
# A cheaper change is preferred if it recovers this share of the loss.
_WORTH = 0.25
# A change against the main cause is preferred if its gain is at least this share of the best gain.
_AS_GOOD = 0.8
_LEAST_GAIN = 0.002

_FIT = "poeem fit --items ... --queries ..."
_ADAPTER_ONLY = "--from-faiss FILE --set train_codebooks=false"
_REFINE = f"poeem export DIR --out FILE --refine flat --vectors V.npy --k-factor {K_FACTOR} (fp16, sq8 take less)"


@dataclass(frozen=True)
class Change:
    """One change of the index or of the search.

    Args:
        parameter: what is changed.
        before, after: its values.
        costs: ``nothing``, ``training``, ``time`` (of each query), ``training, time`` or ``memory``.
        cause: the cause of loss that the change reduces.
        how: the command or action for the user.
    """

    parameter: str
    before: str
    after: str
    costs: str
    cause: str
    how: str


@dataclass(frozen=True)
class Remedy(Change):
    """A change with its measured gain.

    Args:
        gain: mean gain of recall over the queries, by measure.
        error: standard error of the gain, by measure.
        scanned: codes scanned per query.
        bytes_per_vector: bytes per code.
    """

    gain: dict[str, float]
    error: dict[str, float]
    scanned: float
    bytes_per_vector: int


class Trials:
    """Makes changes of a workload's index, measures each against the served index, and adds it to ``remedies``.

    Args:
        workload: the sample.
        served: scorer of the served index.
        values: recall of the served index for each query, by measure.
        options: seed of the fits, and log.
    """

    def __init__(self, workload: Workload, served: DecodedScorer, values: Values, options: SampleOptions) -> None:
        self.workload, self.served, self.values = workload, served, values
        self.spec = workload.bundle.spec
        self.remedies: list[Remedy] = []
        self._seed, self._log = options.seed, options.log
        self._queries = workload.adapted_queries
        self._scanned = float(served.scanned(self._queries.vectors).mean())
        self._nprobe = workload.nprobe if self.spec.nlist else None

    def record(
        self, change: Change, values: Values, *, scanned: float | None = None, bytes_per_vector: int | None = None
    ) -> None:
        """Add a change with its recall ``values``. ``scanned`` and bytes are those of the served index by default."""
        gains = {name: values[name] - self.values[name] for name in values}
        self.remedies.append(
            Remedy(
                **vars(change),
                gain={name: float(gain.mean()) for name, gain in gains.items()},
                error={name: standard_error(gain) for name, gain in gains.items()},
                scanned=self._scanned if scanned is None else scanned,
                bytes_per_vector=self.spec.bytes_per_vector if bytes_per_vector is None else bytes_per_vector,
            )
        )

    def try_scorer(
        self, change: Change, scorer: DecodedScorer, *, bytes_per_vector: int | None = None, adapted: bool = True
    ) -> None:
        """Measure a change by its scorer, and add it. ``adapted``: queries are multiplied by the query adapter."""
        queries = self._queries if adapted else self.workload.queries
        values = measure_recall(scorer, queries, self.workload.available)
        scanned = float(scorer.scanned(queries.vectors).mean())
        self.record(change, values, scanned=scanned, bytes_per_vector=bytes_per_vector)

    def record_repair(self, name: str, after: IndexSpec, values: Values) -> None:
        """Add the repair ``name`` with its structure and recall, measured as a state of the loss attribution."""
        if name == "rotation" and not self.spec.rotated:
            change = Change("spec", str(self.spec), str(after), TRAINING, "rotation", _train_or_fit(after))
        else:
            refit = f"fit the same structure to these vectors ({_FIT} --index {self.spec}), or train longer"
            parameter, before, now, costs, cause, how = {
                "rotation_restored": ("rotation", "lost", "restored", NOTHING, "rotation", "export the bundle again"),
                "reencoded": ("codes", "as stored", "encoded again", NOTHING, "stale", "encode the items again"),
                "codewords": ("codebooks", "as they are", "refitted", TRAINING, "codewords", refit),
                "rotation": ("rotation", "as it is", "refitted", TRAINING, "rotation", refit),
                "adapter": ("query adapter", "none", "learned", TRAINING, "query_shift", f"{_FIT} {_ADAPTER_ONLY}"),
            }[name]
            change = Change(parameter, before, now, costs, cause, how)
        self.record(change, values)

    def try_search_parameters(self) -> None:
        """Measure two changes of the search: visit more lists; re-rank the best candidates by float vectors."""
        nprobe, nlist = self.workload.nprobe, self.spec.nlist
        if nprobe < nlist:
            more = min(2 * nprobe, nlist)
            how = f"search or export with --nprobe {more}"
            change = Change("nprobe", str(nprobe), str(more), TIME, "probing", how)
            self.try_scorer(change, self.served.with_nprobe(more))
        exact, neighbours = ExactScores(self.workload.items, self.workload.bundle.metric), self._queries.neighbours
        assert neighbours is not None
        depths = {LABELS: K_FACTOR * LABEL_DEPTH, NEIGHBOURS: K_FACTOR * neighbours.shape[1]}
        values: Values = {}
        for measure in available_measures(self._queries):
            refined: Scorer = RescoredScorer(self.served, exact, depths[measure])
            values |= measure_recall(refined, self._queries, self.workload.available, (measure,))
        self.record(Change("refine", "none", f"k_factor {K_FACTOR}", TIME, "code", _REFINE), values)

    def try_lists(self, refitted: Bundle) -> None:
        """Measure refitted lists, of which as many are visited as scan the present number of codes."""
        scorer = refits.bundle_scorer(refitted, None)
        nprobe = nprobe_for(scorer, self._queries.vectors, self._scanned)
        how = f"fit the same structure to these vectors ({_FIT} --index {self.spec}), or train longer"
        change = Change("lists", "as trained", "refitted", TRAINING, "coarse", f"{how}; search {nprobe} lists")
        self.try_scorer(change, scorer.with_nprobe(nprobe))

    def try_metric(self, metric: str) -> None:
        """Fit the same structure for another metric, and measure it."""
        self._log(f"fitting {self.spec} for {metric}")
        refitted = refits.fit_index(self.workload.items, self.spec, metric, self._seed)
        how = f"train or fit with --metric {metric}, and export that"
        change = Change("metric", self.workload.bundle.metric, metric, TRAINING, "metric", how)
        self.try_scorer(change, refits.bundle_scorer(refitted, self._nprobe), adapted=False)

    def try_structures(self) -> None:
        """Fit and measure other structures: additive codewords at the same bytes, and codes of twice the bytes."""
        spec = self.spec
        double = replace(spec, M=2 * spec.M)
        if spec.kind == "PQ" and self.workload.bundle.dim % double.M:
            double = replace(double, kind="RQ", rotated=False)
        candidates = [(replace(spec, kind="RQ", rotated=False), BOTH)] if spec.kind == "PQ" else []
        for candidate, costs in [*candidates, (double, MEMORY)]:
            self._log(f"fitting {candidate}")
            fit = refits.fit_index(self.workload.prepared_items, candidate, self.workload.bundle.metric, self._seed)
            change = Change("spec", str(spec), str(candidate), costs, "code", _train_or_fit(candidate))
            scorer = refits.bundle_scorer(fit, self._nprobe)
            self.try_scorer(change, scorer, bytes_per_vector=candidate.bytes_per_vector)


def next_change(remedies: Sequence[Remedy], measure: str, loss: float, main_cause: str | None) -> Remedy | None:
    """Choose the change to make next; None if no gain is significant.

    Take the changes that recover at least a quarter of the loss, and of these the cheapest. The one with the largest
    gain is chosen. A change against the main cause is preferred if its gain is nearly as large. If no change recovers a
    quarter of the loss, the one with the largest gain is chosen. Only significant gains are considered.

    Args:
        remedies: all measured changes.
        measure: the measure to compare by.
        loss: the total loss of this measure.
        main_cause: the main cause of this loss.
    """
    significant = [remedy for remedy in remedies if remedy.gain[measure] > max(_LEAST_GAIN, 2 * remedy.error[measure])]
    for costs in _COSTS:
        worth = [remedy for remedy in significant if remedy.costs == costs and remedy.gain[measure] >= _WORTH * loss]
        if worth:
            best = max(worth, key=lambda remedy: remedy.gain[measure])
            enough = _AS_GOOD * best.gain[measure]
            against_main = (r for r in worth if r.cause == main_cause and r.gain[measure] >= enough)
            return next(against_main, best)
    return max(significant, key=lambda remedy: remedy.gain[measure], default=None)


def _train_or_fit(spec: IndexSpec) -> str:
    return f"poeem train ... --index {spec}, or {_FIT} --index {spec}"
