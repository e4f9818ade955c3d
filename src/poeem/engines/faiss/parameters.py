"""Search parameters of one call: lists to visit and ids to choose from, in the nesting that faiss needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.engines.faiss.index_parts import Parts

if TYPE_CHECKING:
    import faiss


@dataclass(frozen=True, eq=False)
class Chosen:
    """A choice of ids.

    Args:
        ids: int64, as faiss holds them, ``(m,)``.
        excluded: whether these are to be left out, not the others.
    """

    ids: np.ndarray
    excluded: bool

    def allows(self, ids: np.ndarray) -> np.ndarray:
        """bool, of the shape of ``ids``."""
        return np.isin(ids, self.ids, invert=self.excluded)

    def selector(self, id_map: np.ndarray | None) -> faiss.IDSelector:
        """The choice in faiss's terms, among positions where there is an ``id_map``."""
        import faiss

        ids = self.ids if id_map is None else np.flatnonzero(np.isin(id_map, self.ids))
        batch: Any = faiss.IDSelectorBatch  # its array argument is added by faiss's Python layer
        selector = batch(np.ascontiguousarray(ids, dtype=np.int64))
        return faiss.IDSelectorNot(selector) if self.excluded else selector


def choose(only: Any, exclude: Any, numbers: Callable[[Any], np.ndarray]) -> Chosen | None:
    """The choice that a caller makes; None for all.

    Args:
        only, exclude: the users' ids, at most one of them.
        numbers: from the users' ids to those that faiss holds.
    Raises:
        ValueError: both are given.

    >>> choose([3, 4], None, np.asarray).allows(np.array([2, 3]))
    array([False,  True])
    """
    if only is not None and exclude is not None:
        raise ValueError("only= and exclude= cannot be combined; take the excluded ids out of only")
    if only is None and exclude is None:
        return None
    return Chosen(numbers(exclude if only is None else only), excluded=only is None)


def can_select(parts: Parts) -> bool:
    """Whether faiss itself can restrict a search of this index: of IVF + PQ it can, of flat and additive ones not."""
    import faiss

    return isinstance(parts.inner, faiss.IndexIVFPQ | faiss.IndexIVFPQFastScan)


def search_parameters(
    parts: Parts, nprobe: int | None, selector: faiss.IDSelector | None = None
) -> faiss.SearchParameters | None:
    """Parameters of one call alone, so that threads may search differently; None where nothing differs.

    Args:
        parts: of the index.
        nprobe: lists to visit; None leaves the stored number.
        selector: of ids as the inner index holds them.
    """
    import faiss

    if nprobe is None and selector is None:
        return None
    # Their named arguments are added by faiss's Python layer and have no types.
    make: Any = faiss.SearchParametersIVF
    parameters = make(nprobe=nprobe, **({} if selector is None else {"sel": selector}))
    for wrapper in reversed(parts.wrappers):
        if isinstance(wrapper, faiss.IndexRefine):
            make = faiss.IndexRefineSearchParameters
            parameters = make(k_factor=wrapper.k_factor, base_index_params=parameters)
        elif isinstance(wrapper, faiss.IndexPreTransform):
            make = faiss.SearchParametersPreTransform
            parameters = make(index_params=parameters)
    return parameters
