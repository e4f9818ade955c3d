"""Take an opened faiss index apart: its wrappers, the index inside, its metric and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poeem.engines.faiss.stored_rows import code_bytes, code_width, list_rows

if TYPE_CHECKING:
    import faiss


class Parts(NamedTuple):
    """The wrappers of a faiss index, the index inside, and its number of lists."""

    wrappers: list[Any]  # transforms, id maps and refining, from the outside in; faiss's subclasses have no types
    inner: Any  # the IVF or flat index in the middle
    nlist: int  # 0 if flat

    @property
    def normalises(self) -> bool:
        """True if the index normalises vectors to unit length before it searches."""
        import faiss

        for wrapper in self.of(faiss.IndexPreTransform):
            chain = [faiss.downcast_VectorTransform(wrapper.chain.at(i)) for i in range(wrapper.chain.size())]
            if any(isinstance(transform, faiss.NormalizationTransform) for transform in chain):
                return True
        return False

    @property
    def refines(self) -> bool:
        """True if the index ranks candidates again by stored vectors."""
        import faiss

        return bool(self.of(faiss.IndexRefine))

    @property
    def fastscan(self) -> bool:
        """True if the index scans codes with lookup tables of 8 bits, which makes scores approximate."""
        import faiss

        return isinstance(self.inner, faiss.IndexFastScan | faiss.IndexIVFFastScan)

    @property
    def id_map(self) -> np.ndarray | None:
        """The user's id of each position, int64 ``(n,)``; None if the inner index holds the users' ids itself."""
        import faiss

        maps = self.of(faiss.IndexIDMap)
        return faiss.vector_to_array(maps[0].id_map) if maps else None

    def of(self, kind: Any) -> list[Any]:
        """Return the wrappers of this class, from the outside in."""
        return [wrapper for wrapper in self.wrappers if isinstance(wrapper, kind)]


def parts_of(index: faiss.Index) -> Parts:
    """Return the wrappers of an index (transforms, id maps, refining), the index inside and its number of lists."""
    import faiss

    wrappers: list[Any] = []
    inner: Any = faiss.downcast_index(index)
    while True:
        if isinstance(inner, faiss.IndexPreTransform | faiss.IndexIDMap):
            below = inner.index
        elif isinstance(inner, faiss.IndexRefine):
            below = inner.base_index
        else:
            nlist = inner.nlist if isinstance(inner, faiss.IndexIVF) else 0
            return Parts(wrappers, inner, nlist)
        wrappers.append(inner)
        inner = faiss.downcast_index(below)


def metric_of(index: faiss.Index) -> str:
    """Return the metric of an index: ``ip``, ``l2``, or ``cosine`` for inner product with normalised vectors."""
    import faiss

    if index.metric_type == faiss.METRIC_L2:
        return "l2"
    return "cosine" if parts_of(index).normalises else "ip"


def stored_rows(index: faiss.Index) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids int64 ``(n,)``, code bytes uint8 ``(n, width)`` and the size of each list (one list if flat)."""
    parts = parts_of(index)
    inner, id_map = parts.inner, parts.id_map
    if not parts.nlist:
        codes = code_bytes(inner)
        return (np.arange(len(codes)) if id_map is None else id_map), codes, np.array([inner.ntotal])
    sizes = np.array([inner.invlists.list_size(i) for i in range(parts.nlist)])
    ids = np.empty(sizes.sum(), dtype=np.int64)
    codes = np.empty((len(ids), code_width(inner)), dtype=np.uint8)
    first = 0
    for i in np.flatnonzero(sizes).tolist():
        some = slice(first, first + int(sizes[i]))
        ids[some], codes[some] = list_rows(inner, i)
        first = some.stop
    return (ids if id_map is None else id_map[ids]), codes, sizes
