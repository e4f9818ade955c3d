"""Checksums of the blocks of a file: a sample of them is compared where the whole file takes too long to read."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO

from poeem.bundle.regular_file import open_to_read

# A block, unless a file would have more than so many of them.
_BLOCK_BYTES, _MOST_BLOCKS = 4 * 2**20, 4096
# Read at once, and bytes of a checksum.
_PIECE, _DIGEST = 2**20, 8
_FORM = re.compile(r"([1-9]\d{0,14}):((?:[0-9a-f]{16})*)")


def block_checksums(path: Path) -> str:
    """Return the checksums of all blocks of a file, ``SIZE:HEX``: bytes of a block, and 16 digits (BLAKE2b) each."""
    size, length = path.stat().st_size, _BLOCK_BYTES
    while length * _MOST_BLOCKS < size:
        length *= 2
    with open_to_read(path) as file:
        return f"{length}:" + "".join(_checksum(file, start, length) for start in range(0, size, length))


def damaged_block(path: Path, checksums: str, sample: int = 16) -> int | None:
    """Compare some blocks of a file with their checksums: the first, the last and random ones.

    Args:
        path: a regular file.
        checksums: from `block_checksums`.
        sample: blocks to compare, all if there are no more; every call draws others.
    Returns:
        the position of the first byte of a block that differs; None if no compared block does.
    Raises:
        ValueError: ``checksums`` are none of a file of this size.
    """
    found, size = _FORM.fullmatch(checksums), path.stat().st_size
    length = int(found[1]) if found else 1
    digests = re.findall(".{16}", found[2]) if found else []
    if found is None or len(digests) != -(-size // length):
        raise ValueError(f"the checksums of the blocks are none of a file of {size:,} bytes")
    count = len(digests)
    chosen = {0, count - 1} if count else set()
    while len(chosen) < min(sample, count):
        chosen.add(int.from_bytes(os.urandom(8)) % count)
    with open_to_read(path) as file:
        for number in sorted(chosen):
            if _checksum(file, number * length, length) != digests[number]:
                return number * length
    return None


def _checksum(file: BinaryIO, start: int, length: int) -> str:
    digest, left = hashlib.blake2b(digest_size=_DIGEST), length
    file.seek(start)
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()
