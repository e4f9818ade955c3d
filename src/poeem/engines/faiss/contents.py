"""What an opened faiss index holds: its parts, its metric, its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import faiss


class Parts(NamedTuple):
    """An index taken apart: whether it normalises, and the IVF or flat index at its end."""

    normalises: bool
    wrapped: bool
    inner: Any  # faiss's subclasses have no types
    nlist: int


def parts_of(index: faiss.Index) -> Parts:
    """Look through transforms and id maps."""
    import faiss

    inner: Any = faiss.downcast_index(index)
    normalises, wrapped = False, isinstance(inner, faiss.IndexPreTransform)
    if wrapped:
        chain = [faiss.downcast_VectorTransform(inner.chain.at(i)) for i in range(inner.chain.size())]
        normalises = any(isinstance(transform, faiss.NormalizationTransform) for transform in chain)
        inner = faiss.downcast_index(inner.index)
    nlist = inner.nlist if isinstance(inner, faiss.IndexIVF) else 0
    return Parts(normalises, wrapped, inner, nlist)


def metric_of(index: faiss.Index) -> str:
    """``ip``, ``l2`` or ``cosine``, from the index alone."""
    import faiss

    if index.metric_type == faiss.METRIC_L2:
        return "l2"
    return "cosine" if parts_of(index).normalises else "ip"


def stored_rows(index: faiss.Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every stored row: ids ``(n,)``, code bytes ``(n, code_size)``, and the size of each list (one entry if flat)."""
    import faiss

    inner, nlist = parts_of(index).inner, parts_of(index).nlist
    if not nlist:
        flat: Any = faiss.downcast_index(inner.index)
        codes = faiss.vector_to_array(flat.codes).reshape(-1, flat.code_size)
        return faiss.vector_to_array(inner.id_map), codes, np.array([inner.ntotal])
    lists = inner.invlists
    sizes = np.array([lists.list_size(i) for i in range(nlist)])
    ids = np.empty(sizes.sum(), dtype=np.int64)
    codes = np.empty((len(ids), inner.code_size), dtype=np.uint8)
    first = 0
    for i in np.flatnonzero(sizes).tolist():
        last = first + int(sizes[i])
        ids[first:last] = faiss.rev_swig_ptr(lists.get_ids(i), last - first)
        codes[first:last].ravel()[:] = faiss.rev_swig_ptr(lists.get_codes(i), (last - first) * inner.code_size)
        first = last
    return ids, codes, sizes
