"""Checks of ids and vectors that are to be added, replaced or deleted, made before anything changes."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np

from poeem.bundle.ids import ids_to_arrow


def check_new_ids(ids: Any, *, string_ids: bool) -> list[Any]:
    """Ids as Python ints or strs.

    Args:
        ids: array or list, of the catalogue's type.
        string_ids: whether the catalogue's are strings.
    Raises:
        ValueError: none, another type, an id twice, missing or -1.
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
    """Refuse ids that no item has."""
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise ValueError(f"ids: {unknown[0]!r} is not among the items ({len(unknown)} unknown)")


def check_unknown(ids: list[Any], known: Container[Any]) -> None:
    """Refuse ids that an item has already."""
    taken = [one for one in ids if one in known]
    if taken:
        raise ValueError(f"ids: {taken[0]!r} is there already ({len(taken)} such ids); use replace for those")


def check_new_vectors(vectors: Any, *, rows: int, dim: int, metric: str) -> np.ndarray:
    """Vectors as float32 ``(rows, dim)``.

    Raises:
        ValueError: another shape or type, NaN or infinity, or a zero row under ``cosine``.
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
