"""Reading result files: all seeds of a benchmark, and means over them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from poeem.bench.methods import METHODS

RESULTS = Path(__file__).parent / "results"
Run = dict[str, Any]


class Results:
    """A folder of result files.

    Args:
        folder: records named ``NAME-SEED.json``, and folders of `poeem bench` named ``DATA-KIND*``.
    """

    def __init__(self, folder: Path = RESULTS) -> None:
        self.folder = folder

    def runs(self, name: str) -> list[Run]:
        """The records of a benchmark, by seed; empty if there are none."""
        return [
            _load(file) for file in sorted(self.folder.glob(f"{name}-*.json")) if file.stem[len(name) + 1 :].isdigit()
        ]

    def bench(self, data: str, kind: str) -> list[Run]:
        """Records of `poeem bench` for a data set, from all folders ``DATA-KIND*``; each cell counts once."""
        found: dict[tuple[Any, ...], Run] = {}
        for file in sorted(self.folder.glob(f"{data}-{kind}*/bench.json")):
            document = _load(file)
            for record in document["records"]:
                # Records of earlier versions name the depth of re-ranking in the settings only.
                record.setdefault("rescore", document["settings"]["rescore"] if record["method"] != "float" else 0)
                cell = ("method", "bytes_per_vector", "nlist", "nprobe", "rescore")
                # A method without randomness counts once, even if two machines measured it for different seeds.
                seed = record["seed"] if METHODS[record["method"]].seeded else None
                found[(*(record[fact] for fact in cell), seed)] = record
        return list(found.values())

    def data_sets(self, kind: str) -> list[str]:
        """Names of the data sets that have folders ``DATA-KIND*``."""
        return sorted({folder.name.partition(f"-{kind}")[0] for folder in self.folder.glob(f"*-{kind}*")})


def _load(file: Path) -> Run:
    return json.loads(file.read_text(encoding="utf-8"))


def number_of_seeds(count: int) -> str:
    """A number of seeds with its unit."""
    return "1 seed" if count == 1 else f"{count} seeds"


def mean(values: Iterable[float], digits: int = 4) -> str:
    """Mean, and with several values the largest distance of one from it."""
    values = list(values)
    centre = statistics.fmean(values)
    spread = f" ± {max(abs(value - centre) for value in values):.{digits}f}" if len(values) > 1 else ""
    return f"{centre:.{digits}f}{spread}"
