"""Data sets by name, each fetched into the cache on first use."""

from __future__ import annotations

from collections.abc import Callable

from poeem.data.datasets import movielens_1m, movielens_100k
from poeem.data.interactions import Interactions

DATASETS: dict[str, Callable[[], Interactions]] = {
    "ml-1m": movielens_1m.load,
    "ml-100k": movielens_100k.load,
}


def load_dataset(name: str) -> Interactions:
    """Interactions of a data set of :data:`DATASETS`, with titles.

    Raises:
        ValueError: there is no such data set.
        RuntimeError: it is not in the cache and cannot be fetched.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset (={name!r}) is not known; choose from {', '.join(DATASETS)}")
    return DATASETS[name]()
