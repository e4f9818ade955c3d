"""Choices of an index that carry a number (soft, score-aware, beam search), and the check of all choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from poeem.layers.checks import check_choice, check_count
from poeem.layers.rotation import ROTATIONS
from poeem.metric import check_metric
from poeem.spec import IndexSpec

Estimator = Literal["ste", "task", "rotation-trick", "soft"]
Assignment = Literal["nearest", "score-aware", "balanced"]


@dataclass(frozen=True)
class Soft:
    """The estimator ``soft``: gradients flow through a mean of codewords weighted by their distances.

    Args:
        temperature: above 0. While training it may be lowered by the attribute ``soft_temperature`` of the index.

    >>> Soft(temperature=0)
    Traceback (most recent call last):
    ...
    ValueError: temperature (=0) of Soft must be a number above 0; 0.1 to 2 is usual
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature (={self.temperature}) of Soft must be a number above 0; 0.1 to 2 is usual")


@dataclass(frozen=True)
class ScoreAware:
    """The assignment ``score-aware`` of PQ: codes that keep high inner products exact, see `assign_score_aware`.

    Args:
        eta: weight of the error along a vector over the error across it, at least 1.
    """

    eta: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.eta < float("inf"):
            raise ValueError(f"eta (={self.eta}) must be at least 1, where it changes nothing; 2 to 8 is usual")


@dataclass(frozen=True)
class BeamSearch:
    """The assignment of RQ: codewords are chosen one after the other, with several candidates kept, see
    `encode_additive`.

    Args:
        beam: number of partial sums that are kept, at least 1. A training step keeps at most 2.
    """

    beam: int = 8

    def __post_init__(self) -> None:
        check_count("beam", self.beam)
        if self.beam < 1:
            raise ValueError(f"beam (={self.beam}) must be at least 1; 5 to 16 is usual")


def check_choices(
    spec: IndexSpec,
    *,
    metric: str,
    estimator: Estimator | Soft,
    rotation: str,
    assignment: Assignment | ScoreAware | BeamSearch,
) -> None:
    """Check that every choice exists and suits the spec.

    Args:
        spec, metric, estimator, rotation, assignment: as given to `EmbeddingIndex`.
    Raises:
        ValueError: a choice does not exist, or needs another kind of spec.
    """
    check_metric(metric)
    if isinstance(estimator, str):
        check_choice("estimator", estimator, get_args(Estimator))
    check_choice("rotation", rotation, tuple(ROTATIONS))
    if isinstance(assignment, str):
        check_choice("assignment", assignment, get_args(Assignment))
    if spec.kind == "PQ":
        if isinstance(assignment, BeamSearch):
            raise ValueError(f"assignment (={assignment}) is for additive codes (RQ), not for {str(spec)!r}")
        return
    if isinstance(estimator, Soft):
        raise ValueError(
            f"estimator (='soft') weighs codewords slice by slice, and {str(spec)!r} has no slices; "
            "use 'ste', 'task' or 'rotation-trick', or a product quantizer"
        )
    if assignment != "nearest" and not isinstance(assignment, BeamSearch):
        name = assignment if isinstance(assignment, str) else "score-aware"
        raise ValueError(
            f"assignment (={name!r}) chooses codewords slice by slice, and {str(spec)!r} has no slices; "
            "use 'nearest' or a product quantizer"
        )
