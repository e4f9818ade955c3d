"""Search parameters of one call: number of lists to visit, and ids to include or exclude."""

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
    """A set of ids that a search includes or excludes.

    Args:
        ids: int64 ids in the index, ``(m,)``.
        excluded: True if these ids are left out, False if only these are searched.
    """

    ids: np.ndarray
    excluded: bool

    def allows(self, ids: np.ndarray) -> np.ndarray:
        """Return whether each id may be returned: bool, of the shape of ``ids``."""
        return np.isin(ids, self.ids, invert=self.excluded)

    def selector(self, id_map: np.ndarray | None) -> faiss.IDSelector:
        """Return a faiss selector of these ids; of positions if ``id_map``, the id of each position, is given."""
        import faiss

        ids = self.ids if id_map is None else np.flatnonzero(np.isin(id_map, self.ids))
        batch: Any = faiss.IDSelectorBatch  # its array argument is added by faiss's Python layer
        selector = batch(np.ascontiguousarray(ids, dtype=np.int64))
        return faiss.IDSelectorNot(selector) if self.excluded else selector


def choose(only: Any, exclude: Any, numbers: Callable[[Any], np.ndarray]) -> Chosen | None:
    """Return the choice that the arguments ``only`` and ``exclude`` of a search make; None if all ids are searched.

    Args:
        only: the users' ids to include, or None.
        exclude: the users' ids to leave out, or None.
        numbers: function from the users' ids to those in the index.
    Raises:
        ValueError: both ``only`` and ``exclude`` are given.

    >>> choose([3, 4], None, np.asarray).allows(np.array([2, 3]))
    array([False,  True])
    """
    if only is not None and exclude is not None:
        raise ValueError("only= and exclude= cannot be combined; take the excluded ids out of only")
    if only is None and exclude is None:
        return None
    return Chosen(numbers(exclude if only is None else only), excluded=only is None)


def can_select(parts: Parts) -> bool:
    """Return whether faiss can restrict a search of this index to ids: True for IVF with PQ codes, else False."""
    import faiss

    return isinstance(parts.inner, faiss.IndexIVFPQ | faiss.IndexIVFPQFastScan)


def search_parameters(
    parts: Parts, nprobe: int | None, selector: faiss.IDSelector | None = None
) -> faiss.SearchParameters | None:
    """Return faiss's parameters for one search call; None if the call has no own parameters.

    The index does not change, so threads may search with different parameters.

    Args:
        parts: parts of the index.
        nprobe: lists to visit; None takes the stored number.
        selector: selector of ids as in the inner index; None searches all.
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
