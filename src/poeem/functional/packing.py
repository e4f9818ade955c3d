"""Pack codes into bytes and unpack them: faiss's little-endian bit stream."""

from __future__ import annotations

import numpy as np

# Eight numbers of nbits each fill exactly nbits bytes and fit one uint64: the group that is shifted at once.
_GROUP = 8


def packed_width(M: int, nbits: int) -> int:
    """Return the bytes of one packed code: ``ceil(M * nbits / 8)``.

    >>> packed_width(3, 6)
    3
    """
    return (M * nbits + 7) // 8


def pack_codes(codes: np.ndarray, nbits: int) -> np.ndarray:
    """Pack codes into bytes as faiss stores them: number ``m`` begins at bit ``m * nbits``, lowest bit first.

    Args:
        codes: integers in ``[0, 2**nbits)``, ``(n, M)``.
        nbits: bits per number, 4 to 8.
    Returns:
        uint8, ``(n, ceil(M * nbits / 8))``; unused high bits of the last byte are 0.
    Raises:
        ValueError: a number needs more than ``nbits`` bits, or the shape or type is wrong.

    >>> pack_codes(np.array([[1, 2, 3]]), 4)
    array([[33,  3]], dtype=uint8)
    """
    _check_nbits(nbits)
    codes = np.asarray(codes)
    if codes.ndim != 2 or codes.dtype.kind not in "iu":
        raise ValueError(f"codes must be integers of shape (n, M), not {codes.dtype} of shape {codes.shape}")
    if codes.size and (codes.min() < 0 or codes.max() >= 2**nbits):
        raise ValueError(
            f"codes hold {codes.min()} to {codes.max()}, outside [0, {2**nbits}) for nbits={nbits}; "
            "pass codes of codebooks with 2**nbits codewords"
        )
    numbers = np.ascontiguousarray(codes, dtype=np.uint8)
    if nbits == 8:
        return numbers
    if nbits == 4:
        packed = numbers[:, 0::2].copy()
        packed[:, : numbers.shape[1] // 2] |= numbers[:, 1::2] << 4
        return packed
    n, M = numbers.shape
    packed = np.empty((n, packed_width(M, nbits)), dtype=np.uint8)
    for first in range(0, M, _GROUP):
        group = np.zeros(n, dtype="<u8")
        for j, m in enumerate(range(first, min(first + _GROUP, M))):
            group |= numbers[:, m].astype("<u8") << np.uint64(j * nbits)
        start = first // _GROUP * nbits
        stop = min(start + nbits, packed.shape[1])
        packed[:, start:stop] = group.view(np.uint8).reshape(n, 8)[:, : stop - start]
    return packed


def unpack_codes(packed: np.ndarray, M: int, nbits: int) -> np.ndarray:
    """Unpack codes from faiss's bit stream; the inverse of `pack_codes`.

    Args:
        packed: uint8, ``(n, ceil(M * nbits / 8))``.
        M: numbers per code.
        nbits: bits per number, 4 to 8.
    Returns:
        uint8, ``(n, M)``.
    Raises:
        ValueError: the width does not match ``M`` and ``nbits``, or unused bits of the last byte are set.

    >>> unpack_codes(np.array([[33, 3]], dtype=np.uint8), M=3, nbits=4)
    array([[1, 2, 3]], dtype=uint8)
    """
    _check_nbits(nbits)
    packed = np.ascontiguousarray(packed)
    width = packed_width(M, nbits)
    if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != width:
        raise ValueError(
            f"packed codes must be uint8 of shape (n, {width}) for M={M}, nbits={nbits}, "
            f"not {packed.dtype} of shape {packed.shape}"
        )
    spare = width * 8 - M * nbits
    if spare and packed.size and packed[:, -1].max() >> (8 - spare):
        raise ValueError(
            f"packed codes have unused bits set in their last byte; they are damaged or not M={M} x {nbits}"
        )
    if nbits == 8:
        return packed
    n = len(packed)
    numbers = np.empty((n, M), dtype=np.uint8)
    if nbits == 4:
        numbers[:, 0::2] = packed & 15
        numbers[:, 1::2] = packed[:, : M // 2] >> 4
        return numbers
    for first in range(0, M, _GROUP):
        start = first // _GROUP * nbits
        stop = min(start + nbits, width)
        octets = np.zeros((n, 8), dtype=np.uint8)
        octets[:, : stop - start] = packed[:, start:stop]
        group = octets.view("<u8")[:, 0]
        for j, m in enumerate(range(first, min(first + _GROUP, M))):
            numbers[:, m] = (group >> np.uint64(j * nbits)) & np.uint64(2**nbits - 1)
    return numbers


def _check_nbits(nbits: int) -> None:
    if nbits not in range(4, 9):
        raise ValueError(f"nbits (={nbits!r}) must be a whole number from 4 to 8")
