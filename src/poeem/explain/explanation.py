"""What an explanation says, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from poeem.evaluation.intervals import format_figure
from poeem.explain.loss_attribution import Loss
from poeem.explain.remedies import Remedy


@dataclass(frozen=True)
class Breakdown:
    """What is lost of one measure.

    Args:
        name: ``recall@100``, or ``neighbour_recall@k``.
        queries: how many it is a mean over.
        exact: of exact search; ``served`` of the index; ``ceiling`` of the index with all its lists visited.
        intervals: 95 % intervals of ``exact``, ``served`` and ``ceiling``.
        error: standard error of the loss.
        steps: from exact search down to the index; they sum up to ``exact - served``.
        causes: the same by cause, with the share of each that is the gap's under ``gap``; the same sum.
    """

    name: str
    queries: int
    exact: float
    served: float
    ceiling: float
    intervals: dict[str, list[float]]
    error: float
    steps: list[Loss]
    causes: dict[str, float]

    @property
    def loss(self) -> float:
        """What is lost in all."""
        return self.exact - self.served

    def shown(self, name: str) -> str:
        """``exact``, ``served`` or ``ceiling`` to four digits, with its interval where the queries are few."""
        return format_figure(asdict(self), name)

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"loss": self.loss, "steps": [step._asdict() for step in self.steps]}


@dataclass(frozen=True)
class Explanation:
    """All that `explain` found.

    Args:
        name: of the case.
        spec, metric, bytes_per_vector, nprobe, fingerprint: of the index.
        reference_metric: of exact search.
        items, queries: that were measured with; ``catalogue``, ``all_queries``: that there are.
        measures: by ``labels`` (where there are any) and ``neighbours``.
        decides: the measure by which cause and change are chosen.
        main_cause: of the loss, one of the causes; None where next to nothing is lost.
        lists, words, gap, metrics, distortion: figures beside the losses; empty where they mean nothing.
        scanned: codes a query is compared with, mean.
        remedies: what was tried.
        next: the one change to make next; None if none helps.
        notes: sentences.
        seconds: that it took.
        twin: whether ``exact`` of the labels is exact search by the run's float twin, trained without the index.
        recalls: recall@100 of ``index`` and of every baseline on the run's whole test; empty without baselines.
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
    words: dict[str, Any]
    gap: dict[str, Any]
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
        """The baseline with the highest recall@100, where that is above the index's; else None."""
        best = max(self.recalls, key=lambda name: self.recalls[name], default="index")
        return best if self.recalls and self.recalls[best] > self.recalls["index"] else None

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"measures": {name: one.as_json() for name, one in self.measures.items()}}
