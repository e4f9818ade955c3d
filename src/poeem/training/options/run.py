"""RunOptions: data set, folder and baselines of a training, the same for every recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poeem.option import option

BASELINES_HELP = (
    "Post-hoc indexes to compare with: pq, opq, rq, rq-refined, lsq, scann, opq-fastscan, truncate-pq, lsh, itq, "
    "rabitq, binary, sq8; or none."
)


def names(text: str) -> list[str]:
    """Split a list of names that are separated by commas; ``none`` gives an empty list.

    >>> names("opq, rq"), names("none")
    (['opq', 'rq'], [])
    """
    return [] if text.strip() == "none" else [name.strip() for name in text.split(",")]


@dataclass(frozen=True)
class RunOptions:
    """Run."""

    dataset: str | None = option(
        None,
        "A data set by name: ml-1m, ml-100k, complete-journey (interactions); debian, wordnet (pairs); fashion-mnist; "
        "complete-journey-search (events).",
        metavar="NAME",
    )
    out: Path | None = option(None, "Folder of the run; must be new.", metavar="DIR")
    baselines: str = option("pq,opq,rq", BASELINES_HELP, metavar="A,B")
