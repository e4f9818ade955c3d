"""Remove the wrappers around a faiss index: transforms of vectors, id maps, refining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poeem.bundle.check import ROTATION_TOLERANCE
from poeem.engines.faiss.repeated import repeats_in

if TYPE_CHECKING:
    import faiss


class Unwrapped(NamedTuple):
    """A faiss index without its wrappers, and what they did."""

    inner: Any  # faiss's subclasses have no types
    dim: int
    normalises: bool
    rotation: np.ndarray | None  # float32, (dim, dim), applied as x @ R
    id_map: np.ndarray | None  # the user's id of each id of the inner index
    repeats: int | None = None  # how often the vector is repeated before the inner index


def unwrap(index: faiss.Index) -> Unwrapped:
    """Return the index inside transforms, id maps and refining, and what these do. Stored vectors are ignored.

    Consecutive rotations are multiplied. A normalisation may be before or after them, because rotations keep lengths. A
    repetition of the vector must be the last transform.

    Raises:
        ValueError: a transform is neither a rotation nor a normalisation nor a repetition.
    """
    import faiss

    dim: int = index.d
    inner: Any = index
    normalises, rotation, id_map, repeats = False, None, None, None
    while True:
        inner = faiss.downcast_index(inner)
        if isinstance(inner, faiss.IndexPreTransform):
            chain: Any = inner.chain
            for i in range(chain.size()):
                transform: Any = faiss.downcast_VectorTransform(chain.at(i))
                if repeats is not None:
                    raise ValueError(f"its transform {type(transform).__name__} comes after the repetition of vectors")
                repeats = repeats_in(transform)
                if repeats is not None:
                    continue
                if isinstance(transform, faiss.NormalizationTransform):
                    _check_normalisation(transform)
                    normalises = True
                else:
                    step = _rotation(transform)
                    rotation = step if rotation is None else (rotation.astype(np.float64) @ step).astype(np.float32)
            inner = inner.index
        elif isinstance(inner, faiss.IndexIDMap):  # IndexIDMap2 is one
            own = faiss.vector_to_array(inner.id_map)
            id_map = own if id_map is None else _mapped(id_map, own)
            inner = inner.index
        elif isinstance(inner, faiss.IndexRefine):
            inner = inner.base_index
        else:
            return Unwrapped(inner, dim, normalises, rotation, id_map, repeats)


def user_ids(stored: np.ndarray, id_map: np.ndarray | None) -> np.ndarray:
    """Return the ids that searches return, int64 ``(n,)``, for ids in the inner index."""
    return stored if id_map is None else _mapped(id_map, stored)


def _mapped(id_map: np.ndarray, stored: np.ndarray) -> np.ndarray:
    if stored.size and (stored.min() < 0 or stored.max() >= len(id_map)):
        raise ValueError(
            f"its id map has {len(id_map):,} entries, but its rows point to {stored.min()} to {stored.max()}: "
            "the index is damaged, build it again"
        )
    return id_map[stored]


def _rotation(transform: Any) -> np.ndarray:
    """``R`` of a faiss transform ``y = A x``: ``A.T``, float32."""
    import faiss

    name = type(transform).__name__
    if not isinstance(transform, faiss.LinearTransform):
        raise ValueError(f"its transform {name} is no rotation; build the index on vectors that are transformed before")
    if transform.d_in != transform.d_out:
        raise ValueError(
            f"its transform {name} changes the width from {transform.d_in} to {transform.d_out}; apply it to the "
            f"vectors first (or give the tower dim={transform.d_out}) and build the index on those"
        )
    if transform.have_bias and np.any(faiss.vector_to_array(transform.b)):
        raise ValueError(
            f"its transform {name} moves the origin; centre the vectors first and build the index on those"
        )
    rotation = faiss.vector_to_array(transform.A).reshape(transform.d_out, transform.d_in).T.copy()
    error = float(np.abs(rotation.T.astype(np.float64) @ rotation - np.eye(len(rotation))).max())
    if not error <= ROTATION_TOLERANCE:  # not: NaN must not pass
        raise ValueError(
            f"its transform {name} is not orthonormal: max|A A.T - I| is {error:.1e}; apply it to the vectors first "
            "and build the index on those"
        )
    return rotation


def _check_normalisation(transform: Any) -> None:
    if transform.norm != 2:
        raise ValueError(f"it normalises by the L{transform.norm:g} norm; only L2 is cosine: build it with norm 2")
