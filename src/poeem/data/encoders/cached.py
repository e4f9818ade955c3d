"""Vectors of texts, encoded once and kept in the cache, mapped into memory when they are asked for again."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from poeem.data.cache import cache_dir

log = logging.getLogger(__name__)

# Texts that are encoded, and kept, at a time: some minutes of work.
BLOCK = 8192


class Encoder(Protocol):
    """What makes vectors of texts; ``name`` changes whenever the vectors do."""

    name: str

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> np.ndarray: ...


def cached_vectors(
    label: str, texts: Sequence[str], *, max_tokens: int, name: str, encoder: Callable[[], Encoder]
) -> np.ndarray:
    """Vectors of texts from the cache, else encoded and kept there.

    Args:
        label: for people: what the texts are, a part of the file's name.
        texts: in the order of the rows; at least one.
        max_tokens: as :meth:`Encoder.encode` takes it.
        name: of the encoder, its version included: with it and the texts a file is found again.
        encoder: makes the encoder; called only when there is work.
    Returns:
        float32, ``(n, dim)``, mapped read-only.
    Raises:
        RuntimeError: the cache folder cannot be used.
    """
    kept = cache_dir() / "vectors" / f"{label}-{checksum((name, str(max_tokens), *texts))[:16]}.npy"
    if not kept.is_file():
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            _encode_in_blocks(kept, texts, max_tokens, encoder())
        except OSError as error:
            raise RuntimeError(
                f"the cache folder {kept.parent} cannot be used ({error}); set POEEM_CACHE to one that can be written"
            ) from error
    return np.load(kept, mmap_mode="r")


def _encode_in_blocks(kept: Path, texts: Sequence[str], max_tokens: int, encoder: Encoder) -> None:
    """Keeps every block on its own until all are there, so that work that was stopped goes on where it was."""
    blocks = [(kept.with_suffix(f".block-{start}.npy"), start) for start in range(0, len(texts), BLOCK)]
    # A folder beside the target: the renames that end the work are then atomic, whoever else does the same.
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".encode-") as folder:
        beside = Path(folder) / kept.name
        for block, start in blocks:
            some = texts[start : start + BLOCK]
            if not block.is_file():
                log.info("encoding %s: %d to %d of %d texts", kept.name, start, start + len(some), len(texts))
                np.save(beside, encoder.encode(some, max_tokens=max_tokens))
                os.replace(beside, block)
        try:
            _join(beside, [block for block, _ in blocks], (len(texts), encoder.dim))
        except FileNotFoundError:
            if not kept.is_file():  # else another process did the same, and has tidied up
                raise
            return
        os.replace(beside, kept)
    for block, _ in blocks:
        block.unlink(missing_ok=True)


def _join(path: Path, blocks: list[Path], shape: tuple[int, int]) -> None:
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for number, block in enumerate(blocks):
        out[number * BLOCK : (number + 1) * BLOCK] = np.load(block)
    out.flush()


def checksum(texts: Sequence[str]) -> str:
    """SHA-256 of texts in their order, hexadecimal; each with its length, so that no two lists run into one another.

    >>> checksum(["a", "bc"]) == checksum(["ab", "c"])
    False
    """
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
