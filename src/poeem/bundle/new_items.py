"""Check ids and vectors of items to add, replace or delete, before anything changes."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from poeem.bundle.ids import ids_to_arrow


def check_new_ids(ids: Any, *, string_ids: bool) -> list[Any]:
    """Check ids, and return them as a list of Python ints or strings.

    Args:
        ids: array or list of ids.
        string_ids: whether the bundle's ids are strings.
    Raises:
        ValueError: ``ids`` is empty, or an id is missing, given twice, -1 or of another type than the bundle's.
    """
    if isinstance(ids, str | bytes) or not hasattr(ids, "__len__"):
        raise ValueError(f"ids (={ids!r}) must be a list or an array of ids; write [{ids!r}]")
    if len(ids) == 0:
        raise ValueError("ids are empty; name at least one item")
    array = ids_to_arrow(ids)
    if (str(array.type) == "string") != string_ids:
        kind, fix = ("strings", "str(id)") if string_ids else ("integers", "int(id)")
        raise ValueError(f"ids must be {kind} as in the bundle, not {array.type}; pass {fix}")
    return array.to_pylist()


def check_known(ids: list[Any], known: Container[Any]) -> None:
    """Raise a ValueError if an id is not in ``known``."""
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise ValueError(f"ids: {unknown[0]!r} is not among the items ({len(unknown)} unknown)")


def check_unknown(ids: list[Any], known: Container[Any]) -> None:
    """Raise a ValueError if an id is in ``known`` already."""
    taken = [one for one in ids if one in known]
    if taken:
        raise ValueError(f"ids: {taken[0]!r} is there already ({len(taken)} such ids); use replace for those")


def check_new_vectors(vectors: Any, *, rows: int, dim: int, metric: str) -> np.ndarray:
    """Check vectors, and return them as a new float32 array, ``(rows, dim)``.

    Raises:
        ValueError: the shape or type is wrong, a value is NaN or infinite, or a row is zero under ``cosine``.
    """
    found = np.asarray(vectors.detach().cpu() if hasattr(vectors, "detach") else vectors)
    if found.dtype.kind not in "fiu" or found.ndim != 2 or found.shape[1] != dim:
        raise ValueError(f"vectors ({found.dtype}, shape {found.shape}) must be numbers of shape (n, dim={dim})")
    if len(found) != rows:
        raise ValueError(f"vectors (n={len(found)}) and ids (n={rows}) must have one row per item")
    with np.errstate(over="ignore"):
        # A value beyond float32's range becomes infinite and is refused as such.
        # A copy: torch warns of memory that cannot be written to, such as a mapped file's.
        found = np.array(found, dtype=np.float32, order="C")
    finite = np.isfinite(found).all(1)
    if not finite.all():
        raise ValueError(
            f"vectors: row {int(np.argmin(finite))} holds NaN or infinity ({int((~finite).sum())} such rows); drop them"
        )
    # A row so short that its float32 norm is zero has no direction either.
    zero = np.sqrt(np.square(found).sum(1)) == 0
    if metric == "cosine" and zero.any():
        raise ValueError(
            f"vectors: row {int(np.argmax(zero))} is zero ({int(zero.sum())} such rows) and has no direction under "
            "metric='cosine'; drop it"
        )
    return found
