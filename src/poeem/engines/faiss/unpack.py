"""The rows that a faiss index stores, as plain arrays: ids, lists and codes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from poeem.functional.packing import packed_width, unpack_codes


class Rows(NamedTuple):
    """Stored rows: ids int64 ``(n,)``, codes uint8 ``(n, M)``, lists int32 ``(n,)`` or None."""

    ids: np.ndarray
    codes: np.ndarray
    lists: np.ndarray | None


def flat_rows(inner: Any, M: int, nbits: int) -> Rows:
    """Rows of an `IndexPQ`, `IndexPQFastScan` or `IndexResidualQuantizer`; their ids are positions."""
    import faiss

    fast: Any = faiss.IndexPQFastScan
    if isinstance(inner, fast):
        packed = _from_blocks(faiss.vector_to_array(inner.codes), inner.get_CodePacker(), inner.ntotal)
    else:
        packed = faiss.vector_to_array(inner.codes).reshape(-1, inner.code_size)
    return Rows(np.arange(len(packed), dtype=np.int64), _words(packed, M, nbits), None)


def ivf_rows(inner: Any, M: int, nbits: int) -> Rows:
    """Rows of an `IndexIVFPQ`, `IndexIVFPQFastScan` or `IndexIVFResidualQuantizer`, list by list."""
    import faiss

    lists = inner.invlists
    sizes = np.array([lists.list_size(i) for i in range(inner.nlist)], dtype=np.int64)
    packer = inner.get_CodePacker() if isinstance(inner, faiss.IndexIVFPQFastScan) else None
    ids = np.empty(int(sizes.sum()), dtype=np.int64)
    codes = np.empty((len(ids), M), dtype=np.uint8)
    first = 0
    for i in np.flatnonzero(sizes).tolist():
        size = int(sizes[i])
        some = slice(first, first + size)
        ids[some] = faiss.rev_swig_ptr(lists.get_ids(i), size)
        if packer is None:
            packed = faiss.rev_swig_ptr(lists.get_codes(i), size * inner.code_size).reshape(size, -1)
        else:
            blocks = -(-size // packer.nvec)
            packed = _from_blocks(faiss.rev_swig_ptr(lists.get_codes(i), blocks * packer.block_size), packer, size)
        codes[some] = _words(packed, M, nbits)
        first += size
    return Rows(ids, codes, np.repeat(np.arange(inner.nlist, dtype=np.int32), sizes))


def _from_blocks(blocks: np.ndarray, packer: Any, rows: int) -> np.ndarray:
    """FastScan interleaves the codes of 32 rows or more; faiss itself knows how to take a block apart."""
    import faiss

    blocks = np.ascontiguousarray(blocks).reshape(-1, packer.block_size)
    flat = np.empty((len(blocks) * packer.nvec, packer.code_size), dtype=np.uint8)
    for i, block in enumerate(blocks):
        packer.unpack_all(faiss.swig_ptr(block), faiss.swig_ptr(flat[i * packer.nvec :]))
    return flat[:rows]


def _words(packed: np.ndarray, M: int, nbits: int) -> np.ndarray:
    """Word numbers ``(n, M)``; what follows the words (a norm, the padding of FastScan) is left out."""
    width = packed_width(M, nbits)
    packed = packed[:, :width].copy()
    spare = width * 8 - M * nbits
    packed[:, -1] &= 0xFF >> spare
    return unpack_codes(packed, M, nbits)
