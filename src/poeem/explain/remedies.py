"""What could be changed next: every change is made on the sample and measured, none is guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poeem.baselines.rescored import ExactScores, RescoredScorer
from poeem.bundle.bundle import Bundle
from poeem.evaluation.scorers import DecodedScorer, Scorer
from poeem.explain import refits
from poeem.explain.list_balance import nprobe_for
from poeem.explain.loss_attribution import standard_error
from poeem.explain.query_set import LABEL_DEPTH, LABELS, NEIGHBOURS, Values, found
from poeem.explain.workload import Workload
from poeem.spec import IndexSpec

K_FACTOR = 10
# What a change costs: nothing; one training, at the same bytes; time at every query; both; memory.
NOTHING, TRAINING, TIME, BOTH, MEMORY = "nothing", "training", "time", "training, time", "memory"
_COSTS = (NOTHING, TRAINING, TIME, BOTH, MEMORY)
# A change that costs less is taken if it brings this share of what is lost.
_WORTH = 0.25
# What mends the main cause comes before another that brings little more.
_AS_GOOD = 0.8
_LEAST = 0.002


@dataclass(frozen=True)
class Remedy:
    """One change and what it brought.

    Args:
        parameter: what is changed; ``before`` and ``after`` its values.
        gain: mean by measure; ``error`` its standard error over the queries.
        costs: ``nothing``, ``training``, ``time`` (at every query), both of these, or ``memory``.
        mends: the cause that it is against.
        scanned: codes compared a query.
        bytes_per_vector: of the codes.
        how: what to do.
    """

    parameter: str
    before: str
    after: str
    gain: dict[str, float]
    error: dict[str, float]
    costs: str
    mends: str
    scanned: float
    bytes_per_vector: int
    how: str


class Trials:
    """Tries changes of one case against what is served.

    Args:
        case: the sample.
        served: what the index scores now.
        values: what it finds, by measure.
        tell: is told what is being done.
        seed: of the fits.
    """

    def __init__(
        self, case: Workload, served: DecodedScorer, values: Values, tell: Callable[[str], None], seed: int = 0
    ) -> None:
        self.case, self.served, self.values, self._tell, self._seed = case, served, values, tell, seed
        self.spec = case.bundle.spec
        self.done: list[Remedy] = []
        self._adapter = case.bundle.arrays.get("query_adapter")
        self.queries = case.asked.queries if self._adapter is None else case.asked.queries @ self._adapter

    def add(
        self,
        parameter: str,
        before: Any,
        after: Any,
        scorers: Scorer | dict[str, Scorer],
        costs: str,
        mends: str,
        how: str,
        *,
        size: int | None = None,
        raw: bool = False,
    ) -> None:
        """Measure a change: one scorer, or one for each measure."""
        values: Values = {}
        for measure in self.case.asked.measures:
            scorer = scorers[measure] if isinstance(scorers, dict) else scorers
            adapter = None if raw else self._adapter
            values |= found(scorer, self.case.asked, self.case.available, adapter=adapter, measures=(measure,))
        scan = scorers if isinstance(scorers, DecodedScorer) else self.served
        scanned = self._scanned(scan, raw=raw)
        self.measured(parameter, before, after, values, costs, mends, how, scanned=scanned, size=size)

    def measured(
        self,
        parameter: str,
        before: Any,
        after: Any,
        values: Values,
        costs: str,
        mends: str,
        how: str,
        *,
        scanned: float | None = None,
        size: int | None = None,
    ) -> None:
        """Note a change that has been measured already."""
        gains = {name: values[name] - self.values[name] for name in values}
        self.done.append(
            Remedy(
                parameter,
                str(before),
                str(after),
                {name: float(gain.mean()) for name, gain in gains.items()},
                {name: standard_error(gain) for name, gain in gains.items()},
                costs,
                mends,
                self._scanned(self.served) if scanned is None else scanned,
                self.spec.bytes_per_vector if size is None else size,
                how,
            )
        )

    def repair(self, change: str, after: IndexSpec, values: Values) -> None:
        """Note a repair of the index that the chain has made and measured."""
        parameter, before, now, costs, mends, how = {
            "rotation_back": ("rotation", "lost", "put back", NOTHING, "rotation", "export the bundle again"),
            "encoded_again": ("codes", "as stored", "encoded again", NOTHING, "stale", "encode the items again"),
            "words": ("codebooks", "as they are", "refitted", TRAINING, "words", _again(self.spec)),
            "rotation": ("rotation", "as it is", "refitted", TRAINING, "rotation", self._how(after)),
            "adapter": ("query adapter", "none", "learnt", TRAINING, "gap", f"{_FIT} {_ADAPTER_ONLY}"),
        }[change]
        if change == "rotation" and not self.spec.rotated:
            parameter, before, now = "spec", str(self.spec), str(after)
        self.measured(parameter, before, now, values, costs, mends, how)

    def search_parameters(self) -> None:
        """More lists; the best candidates ranked again by float vectors."""
        nprobe, nlist = self.case.nprobe, self.spec.nlist
        if nprobe < nlist:
            more = min(2 * nprobe, nlist)
            how = f"search or export with --nprobe {more}"
            self.add("nprobe", nprobe, more, self.served.with_nprobe(more), TIME, "probing", how)
        exact, k = ExactScores(self.case.items, self.case.bundle.metric), self.case.asked.neighbours
        assert k is not None
        depths = {LABELS: K_FACTOR * LABEL_DEPTH, NEIGHBOURS: K_FACTOR * k.shape[1]}
        again: dict[str, Scorer] = {name: RescoredScorer(self.served, exact, depth) for name, depth in depths.items()}
        how = f"poeem export DIR --out FILE --refine flat --vectors V.npy --k-factor {K_FACTOR} (fp16, sq8 take less)"
        self.add("refine", "none", f"k_factor {K_FACTOR}", again, TIME, "code", how)

    def lists(self, again: Bundle) -> None:
        """New lists, as many of them as scan no more codes than now."""
        scorer = refits.scorer_of(again, None)
        nprobe = nprobe_for(scorer, self.queries, self._scanned(self.served))
        how = f"{_again(self.spec)}; search {nprobe} lists"
        self.add("lists", "as trained", "refitted", scorer.with_nprobe(nprobe), TRAINING, "coarse", how)

    def metric(self, wanted: str) -> None:
        """The same structure, made for another metric."""
        self._tell(f"fitting {self.spec} for {wanted}")
        again = refits.fitted(self.case.items, self.spec, wanted, self._seed)
        how = f"train or fit with --metric {wanted}, and export that"
        scorer = refits.scorer_of(again, self._nprobe)
        self.add("metric", self.case.bundle.metric, wanted, scorer, TRAINING, "metric", how, raw=True)

    def structures(self) -> None:
        """Additive words at the same bytes, and twice the bytes."""
        spec, dim = self.spec, self.case.bundle.dim
        tried: list[tuple[IndexSpec, str]] = []
        if spec.kind == "PQ":
            tried.append((replace(spec, kind="RQ", rotated=False), BOTH))
        double = replace(spec, M=2 * spec.M)
        if spec.kind == "PQ" and dim % double.M:
            double = replace(double, kind="RQ", rotated=False)
        tried.append((double, MEMORY))
        for one, costs in tried:
            self._tell(f"fitting {one}")
            again = refits.fitted(self.case.prepared, one, self.case.bundle.metric, self._seed)
            scorer = refits.scorer_of(again, self._nprobe)
            self.add("spec", spec, one, scorer, costs, "code", _fit(one), size=one.bytes_per_vector)

    def _how(self, after: IndexSpec) -> str:
        return _again(after) if after == self.spec else _fit(after)

    @property
    def _nprobe(self) -> int | None:
        return self.case.nprobe if self.spec.nlist else None

    def _scanned(self, scorer: DecodedScorer, *, raw: bool = False) -> float:
        return float(scorer.scanned(self.case.asked.queries if raw else self.queries).mean())


def next_change(remedies: Sequence[Remedy], measure: str, loss: float, main_cause: str | None) -> Remedy | None:
    """The one to make next: of those that cost least, the best that is worth it; else the best at all.

    Worth it is a change that brings a quarter of what is lost. One against the main cause comes before another that
    brings a quarter more than it.

    Args:
        remedies: all that were tried.
        measure: which decides.
        loss: what is lost in all.
        main_cause: of it.
    """
    certain = [one for one in remedies if one.gain[measure] > max(_LEAST, 2 * one.error[measure])]
    for costs in _COSTS:
        worth = [one for one in certain if one.costs == costs and one.gain[measure] >= _WORTH * loss]
        if worth:
            best = max(worth, key=lambda one: one.gain[measure])
            enough = _AS_GOOD * best.gain[measure]
            return next((one for one in worth if one.mends == main_cause and one.gain[measure] >= enough), best)
    return max(certain, key=lambda one: one.gain[measure], default=None)


_ADAPTER_ONLY = "--from-faiss FILE --set train_codebooks=false"
_FIT = "poeem fit --items ... --queries ..."


def _fit(spec: IndexSpec) -> str:
    return f"poeem train ... --index {spec}, or {_FIT} --index {spec}"


def _again(spec: IndexSpec) -> str:
    # The training that made it has left it so: the same command once more would too.
    return f"fit the same structure to these vectors ({_FIT} --index {spec}), or train longer"
