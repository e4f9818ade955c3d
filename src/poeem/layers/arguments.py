"""What the arguments of the layer may be: refused at construction, before any work."""

from __future__ import annotations

from typing import Literal, get_args

from poeem.functional.estimators import SOFT
from poeem.layers.checks import check_choice, check_count
from poeem.layers.rotation import ROTATIONS
from poeem.metric import check_metric
from poeem.spec import IndexSpec

Estimator = Literal["ste", "task", "rotation-trick", "soft"]
Assignment = Literal["nearest", "score-aware", "balanced"]


def check_choices(spec: IndexSpec, *, metric: str, estimator: str, rotation: str, assignment: str) -> None:
    """Refuse what is no choice, or none for this spec."""
    check_metric(metric)
    check_choice("estimator", estimator, get_args(Estimator))
    check_choice("rotation", rotation, tuple(ROTATIONS))
    check_choice("assignment", assignment, get_args(Assignment))
    if spec.kind == "PQ":
        return
    if estimator == SOFT:
        raise ValueError(
            f"estimator (='soft') weighs words slice by slice, and {str(spec)!r} has no slices; "
            "use 'ste', 'task' or 'rotation-trick', or a product quantizer"
        )
    if assignment != "nearest":
        raise ValueError(
            f"assignment (={assignment!r}) chooses words slice by slice, and {str(spec)!r} has no slices; "
            "use 'nearest' or a product quantizer"
        )


def check_sizes(
    spec: IndexSpec, *, buffer_rows: int, beam: int, eta: float, soft_temperature: float, **counts: int
) -> None:
    """Refuse numbers out of range; ``counts`` are whole and 0 or more."""
    for name, value in (*counts.items(), ("buffer_rows", buffer_rows), ("beam", beam)):
        check_count(name, value)
    fewest = max(spec.ksub, spec.nlist)
    if buffer_rows < fewest:
        raise ValueError(
            f"buffer_rows (={buffer_rows}) must be at least {fewest}, the most words or lists of {str(spec)!r}; "
            "raise it or choose a smaller spec"
        )
    if beam < 1:
        raise ValueError(f"beam (={beam}) must be at least 1; 5 to 16 is usual")
    if not 1 <= eta < float("inf"):
        raise ValueError(f"eta (={eta}) must be at least 1, where it changes nothing; 2 to 8 is usual")
    if not 0 < soft_temperature < float("inf"):
        raise ValueError(f"soft_temperature (={soft_temperature}) must be a number above 0; 0.1 to 2 is usual")
