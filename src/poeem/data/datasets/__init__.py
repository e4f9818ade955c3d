"""Data sets by name, each downloaded into the cache at its first use."""

from __future__ import annotations

from collections.abc import Callable

from poeem.data.datasets import complete_journey, debian, glove, movielens_1m, movielens_100k, wordnet
from poeem.data.datasets.embedded import EmbeddedSet
from poeem.data.interactions import Interactions

DATASETS: dict[str, Callable[[], Interactions]] = {
    "ml-1m": movielens_1m.load,
    "ml-100k": movielens_100k.load,
    "complete-journey": complete_journey.load,
}
EMBEDDED_SETS: dict[str, Callable[[], EmbeddedSet]] = {
    "debian": debian.load,
    "wordnet": wordnet.load,
    "glove": glove.load,
}


def load_dataset(name: str) -> Interactions:
    """Interactions of a data set of :data:`DATASETS`, with titles.

    Raises:
        ValueError: there is no such data set.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset (={name!r}) is not known; choose from {', '.join(DATASETS)}")
    return DATASETS[name]()


def load_embedded(name: str) -> EmbeddedSet:
    """Vectors of a set of :data:`EMBEDDED_SETS`; texts are encoded at the first use, which takes about 20 minutes.

    Raises:
        ValueError: there is no such set, or the extra ``text`` that encodes it is not installed.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    if name not in EMBEDDED_SETS:
        hint = (
            "; for interactions train a model with `poeem train`, see `poeem bench --run`" if name in DATASETS else ""
        )
        raise ValueError(f"dataset of vectors (={name!r}) must be one of {', '.join(EMBEDDED_SETS)}{hint}")
    return EMBEDDED_SETS[name]()
