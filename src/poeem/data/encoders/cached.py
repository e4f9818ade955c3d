"""Vectors of texts, encoded at the first use and later mapped from the cache."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from poeem.data.fetch import cache_dir, unusable_cache

log = logging.getLogger(__name__)

# Texts of a block. A block takes some minutes and is stored when it is done.
BLOCK = 8192


class Encoder(Protocol):
    """Turns texts into vectors.

    ``encode`` returns float32 ``(n, dim)``, in the order of the texts, and reads at most ``max_tokens`` tokens of each.
    ``name`` identifies cached vectors, so it must change whenever the vectors do.
    """

    name: str

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> np.ndarray: ...


def cached_vectors(
    label: str, texts: Sequence[str], *, max_tokens: int, name: str, encoder: Callable[[], Encoder]
) -> np.ndarray:
    """Return vectors of texts from the cache; if they are not there, encode and store them first.

    Args:
        label: readable part of the file's name.
        texts: in the order of the rows; at least one.
        max_tokens: argument of :meth:`Encoder.encode`.
        name: name and version of the encoder; the file's name depends on it and on the texts.
        encoder: makes the encoder; called only if the vectors are not in the cache. Its name is not compared with
            ``name``.
    Returns:
        float32, ``(n, dim)``, mapped read-only.
    Raises:
        RuntimeError: the cache folder cannot be used.
    """
    path = cache_dir() / "vectors" / f"{label}-{checksum((name, str(max_tokens), *texts))[:16]}.npy"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _encode_in_blocks(path, texts, max_tokens, encoder())
        except OSError as error:
            raise unusable_cache(path.parent, error) from error
    return np.load(path, mmap_mode="r")


def _encode_in_blocks(path: Path, texts: Sequence[str], max_tokens: int, encoder: Encoder) -> None:
    """Encode all texts. Every block is stored in its own file until all are done, so that a new call resumes."""
    blocks = [(path.with_suffix(f".block-{start}.npy"), start) for start in range(0, len(texts), BLOCK)]
    # A folder beside the target: the renames are then atomic, also among several processes.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".encode-") as folder:
        beside = Path(folder) / path.name
        for block, start in blocks:
            block_texts = texts[start : start + BLOCK]
            if not block.is_file():
                log.info("encoding %s: %d to %d of %d texts", path.name, start, start + len(block_texts), len(texts))
                np.save(beside, encoder.encode(block_texts, max_tokens=max_tokens))
                os.replace(beside, block)
        try:
            _join(beside, [block for block, _ in blocks], (len(texts), encoder.dim))
        except FileNotFoundError:
            if not path.is_file():  # else another process has finished the same work and deleted the blocks
                raise
            return
        os.replace(beside, path)
    for block, _ in blocks:
        block.unlink(missing_ok=True)


def _join(path: Path, blocks: list[Path], shape: tuple[int, int]) -> None:
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for number, block in enumerate(blocks):
        out[number * BLOCK : (number + 1) * BLOCK] = np.load(block)
    out.flush()


def checksum(texts: Sequence[str]) -> str:
    """Compute the SHA-256 of texts in their order, in hexadecimal. Texts that are cut at other places give another
    checksum.

    >>> checksum(["a", "bc"]) == checksum(["ab", "c"])
    False
    """
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
