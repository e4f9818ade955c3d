"""Results of several seeds, and means of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from poeem.bench.methods import METHODS

RESULTS = Path(__file__).parent / "results"


def runs(pattern: str, results: Path = RESULTS) -> list[dict[str, Any]]:
    """Results of all seeds."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(results.glob(pattern))]


def records(name: str, kind: str, results: Path = RESULTS) -> list[dict[str, Any]]:
    """What `poeem bench` found on a data set, in all folders ``NAME-KIND*``; a cell that comes twice counts once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for run in runs(f"{name}-{kind}*/bench.json", results):
        for one in run["records"]:
            # Records of earlier versions say the depth of re-ranking in the settings alone.
            one.setdefault("rescore", run["settings"]["rescore"] if one["method"] != "float" else 0)
            cell = ("method", "bytes_per_vector", "nlist", "nprobe", "rescore")
            # What no seed changes counts once, whichever seeds another machine went on with.
            seed = one["seed"] if METHODS[one["method"]].seeded else None
            found[(*(one[fact] for fact in cell), seed)] = one
    return list(found.values())


def data_sets(kind: str, results: Path = RESULTS) -> list[str]:
    """Names of the data sets that have folders ``NAME-KIND*``."""
    return sorted({folder.name.partition(f"-{kind}")[0] for folder in results.glob(f"*-{kind}*")})


def seeds(count: int) -> str:
    """A number of seeds, in words."""
    return "1 seed" if count == 1 else f"{count} seeds"


def mean(values: Iterable[float], digits: int = 4) -> str:
    """Mean and, of several, the largest distance from it."""
    values = list(values)
    centre = statistics.fmean(values)
    spread = f" ± {max(abs(value - centre) for value in values):.{digits}f}" if len(values) > 1 else ""
    return f"{centre:.{digits}f}{spread}"
