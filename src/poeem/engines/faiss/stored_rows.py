"""Read the rows of a faiss index as arrays: ids, lists and codes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from poeem.functional.packing import packed_width, unpack_codes


class Rows(NamedTuple):
    """Rows of an index: ids int64 ``(n,)``, codes uint8 ``(n, M)``, lists int32 ``(n,)`` or None."""

    ids: np.ndarray
    codes: np.ndarray
    lists: np.ndarray | None


def flat_rows(inner: Any, M: int, nbits: int) -> Rows:
    """Read the rows of an `IndexPQ`, `IndexPQFastScan` or `IndexResidualQuantizer`. Their ids are positions."""
    packed = code_bytes(inner)
    return Rows(np.arange(len(packed), dtype=np.int64), _codeword_numbers(packed, M, nbits), None)


def ivf_rows(inner: Any, M: int, nbits: int) -> Rows:
    """Read the rows of an `IndexIVFPQ`, `IndexIVFPQFastScan` or `IndexIVFResidualQuantizer`, list by list."""
    sizes = np.array([inner.invlists.list_size(i) for i in range(inner.nlist)], dtype=np.int64)
    ids = np.empty(int(sizes.sum()), dtype=np.int64)
    codes = np.empty((len(ids), M), dtype=np.uint8)
    first = 0
    for i in np.flatnonzero(sizes).tolist():
        some = slice(first, first + int(sizes[i]))
        ids[some], packed = list_rows(inner, i)
        codes[some] = _codeword_numbers(packed, M, nbits)
        first = some.stop
    return Rows(ids, codes, np.repeat(np.arange(inner.nlist, dtype=np.int32), sizes))


def code_bytes(inner: Any) -> np.ndarray:
    """Return the code bytes of all rows of a flat index, in order: uint8 ``(n, width)``."""
    import faiss

    if isinstance(inner, faiss.IndexFastScan):
        fast: Any = inner  # its codes have no types
        return _from_blocks(faiss.vector_to_array(fast.codes), fast.get_CodePacker(), fast.ntotal)
    return faiss.vector_to_array(inner.codes).reshape(-1, inner.code_size)


def code_width(inner: Any) -> int:
    """Return the width in bytes of the codes that `list_rows` returns."""
    import faiss

    return inner.get_CodePacker().code_size if isinstance(inner, faiss.IndexIVFFastScan) else inner.code_size


def list_rows(inner: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids int64 ``(n,)`` and code bytes uint8 ``(n, width)`` of one list, as views of the index's memory."""
    import faiss

    lists = inner.invlists
    size = lists.list_size(number)
    ids = faiss.rev_swig_ptr(lists.get_ids(number), size)
    if not isinstance(inner, faiss.IndexIVFFastScan):
        return ids, faiss.rev_swig_ptr(lists.get_codes(number), size * inner.code_size).reshape(size, -1)
    packer: Any = inner.get_CodePacker()
    blocks = -(-size // packer.nvec)
    return ids, _from_blocks(faiss.rev_swig_ptr(lists.get_codes(number), blocks * packer.block_size), packer, size)


def append_to_blocks(inner: Any, lists: np.ndarray, ids: np.ndarray, codes: np.ndarray) -> None:
    """Append coded rows to the lists of an `IndexIVFPQFastScan`, whose own functions accept vectors only.

    Args:
        inner: the index.
        lists: list number of each row, integers ``(n,)``.
        ids: int64, ``(n,)``.
        codes: uint8 packed codes, ``(n, width)``.
    """
    import faiss

    packer: Any = inner.get_CodePacker()
    for number in np.unique(lists).tolist():
        rows = np.flatnonzero(lists == number)
        before = inner.invlists.list_size(number)
        first = before // packer.nvec  # the first block that changes, of which some rows may be there
        kept = list_rows(inner, number)[1][first * packer.nvec :]
        flat = np.zeros((-(-(len(kept) + len(rows)) // packer.nvec) * packer.nvec, packer.code_size), dtype=np.uint8)
        flat[: len(kept)], flat[len(kept) : len(kept) + len(rows)] = kept, codes[rows]
        inner.invlists.resize(number, before + len(rows))
        faiss.rev_swig_ptr(inner.invlists.get_ids(number), before + len(rows))[before:] = ids[rows]
        size = (first + len(flat) // packer.nvec) * packer.block_size
        blocks = faiss.rev_swig_ptr(inner.invlists.get_codes(number), size).reshape(-1, packer.block_size)
        for i, block in enumerate(blocks[first:]):
            packer.pack_all(faiss.swig_ptr(flat[i * packer.nvec :]), faiss.swig_ptr(block))
    inner.ntotal += len(ids)


def _from_blocks(blocks: np.ndarray, packer: Any, rows: int) -> np.ndarray:
    """FastScan interleaves the codes of 32 rows or more; faiss itself knows how to take a block apart."""
    import faiss

    blocks = np.ascontiguousarray(blocks).reshape(-1, packer.block_size)
    flat = np.empty((len(blocks) * packer.nvec, packer.code_size), dtype=np.uint8)
    for i, block in enumerate(blocks):
        packer.unpack_all(faiss.swig_ptr(block), faiss.swig_ptr(flat[i * packer.nvec :]))
    return flat[:rows]


def _codeword_numbers(packed: np.ndarray, M: int, nbits: int) -> np.ndarray:
    """Codeword numbers ``(n, M)``; bytes after the code (a norm, the padding of FastScan) are left out."""
    width = packed_width(M, nbits)
    packed = packed[:, :width].copy()
    spare = width * 8 - M * nbits
    packed[:, -1] &= 0xFF >> spare
    return unpack_codes(packed, M, nbits)
