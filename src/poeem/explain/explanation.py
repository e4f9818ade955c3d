"""The result of an explanation, as dataclasses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from poeem.evaluation.intervals import format_figure
from poeem.explain.loss_attribution import RecallLoss
from poeem.explain.remedies import Remedy


@dataclass(frozen=True)
class Breakdown:
    """The loss of recall by one measure, split by step and by cause. All recalls and losses are 0 to 1.

    Args:
        name: ``recall@100``, or ``neighbour_recall@k``.
        queries: number of queries measured.
        exact: recall of exact search.
        served: recall of the index as it is in service.
        ceiling: recall of the index with all lists visited.
        intervals: 95 % intervals of ``exact``, ``served`` and ``ceiling``.
        error: standard error of the loss.
        steps: losses from exact search down to the index. Their sum is ``exact - served``.
        causes: losses by cause, with the same sum. The loss due to the shift of the queries is under ``query_shift``.
    """

    name: str
    queries: int
    exact: float
    served: float
    ceiling: float
    intervals: dict[str, list[float]]
    error: float
    steps: list[RecallLoss]
    causes: dict[str, float]

    @property
    def loss(self) -> float:
        """The total loss, ``exact - served``."""
        return self.exact - self.served

    def shown(self, name: str) -> str:
        """Return ``exact``, ``served`` or ``ceiling`` as text; with its interval if there are few queries."""
        return format_figure(asdict(self), name)

    def as_json(self) -> dict[str, Any]:
        """Return the breakdown as JSON values."""
        return asdict(self) | {"loss": self.loss, "steps": [step._asdict() for step in self.steps]}


@dataclass(frozen=True)
class Explanation:
    """The result of :func:`poeem.explain.explain`.

    Args:
        name: name of the run, bundle or file.
        spec, metric, bytes_per_vector, nprobe, fingerprint: facts about the index.
        reference_metric: metric of exact search.
        items, queries: numbers of items and queries measured.
        catalogue, all_queries: numbers of items and queries before sampling.
        measures: losses by ``neighbours``, and by ``labels`` if there are labels.
        decides: the measure that decides the main cause and the next change.
        main_cause: cause of the largest loss; None if the loss is negligible.
        lists, codewords, query_shift, metrics, distortion: more figures; empty if they do not apply.
        scanned: mean number of codes scanned per query.
        remedies: all measured changes.
        next: the change to make next; None if none helps.
        notes: sentences.
        seconds: duration.
        twin: whether ``exact`` of the labels is exact search by the run's float twin, trained without the index.
        recalls: recall@100 of ``index`` and of each baseline on all test queries of the run; empty without baselines.
    """

    name: str
    spec: str
    metric: str
    bytes_per_vector: int
    nprobe: int | None
    fingerprint: str
    reference_metric: str
    items: int
    catalogue: int
    queries: int
    all_queries: int
    measures: dict[str, Breakdown]
    decides: str
    main_cause: str | None
    lists: dict[str, Any]
    codewords: dict[str, Any]
    query_shift: dict[str, Any]
    metrics: dict[str, float]
    distortion: dict[str, float]
    scanned: float
    remedies: list[Remedy]
    next: Remedy | None
    notes: list[str]
    seconds: float
    twin: bool = False
    recalls: dict[str, float] = field(default_factory=dict)

    @property
    def better_baseline(self) -> str | None:
        """Name of the baseline with the highest recall@100, if it is higher than the index's; else None."""
        best = max(self.recalls, key=lambda name: self.recalls[name], default="index")
        return best if self.recalls and self.recalls[best] > self.recalls["index"] else None

    def as_json(self) -> dict[str, Any]:
        """Return the explanation as JSON values."""
        return asdict(self) | {"measures": {name: measure.as_json() for name, measure in self.measures.items()}}
