"""Checks of the contents of a bundle, made before it is written and when it is opened."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from poeem.spec import IndexSpec

# A rotation trained in float32 drifts by some 1e-6; a larger error means that it is no rotation.
ROTATION_TOLERANCE = 1e-4


def array_shapes(spec: IndexSpec, dim: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays that an index of this spec needs, by name.

    >>> array_shapes(IndexSpec.parse("OPQ2,IVF16,PQ2x4"), dim=8)
    {'rotation': (8, 8), 'coarse': (16, 8), 'codebooks': (2, 16, 4)}
    """
    shapes: dict[str, tuple[int, ...]] = {}
    if spec.rotated:
        shapes["rotation"] = (dim, dim)
    if spec.nlist:
        shapes["coarse"] = (spec.nlist, dim)
    shapes["codebooks"] = (spec.M, spec.ksub, spec.dsub(dim))
    return shapes


def check_arrays(spec: IndexSpec, dim: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise an error unless the arrays are those of an index of ``spec``.

    Raises:
        ValueError: an array is missing, superfluous, of another shape or type, not finite, or no rotation.
    """
    needed = array_shapes(spec, dim)
    shapes = {**needed, "query_adapter": (dim, dim), "encoder_codebooks": needed["codebooks"]}
    for name in needed:
        if name not in arrays:
            raise ValueError(f"array {name!r} is missing; spec {spec} needs {', '.join(needed)}")
    for name, array in arrays.items():
        if name not in shapes:
            raise ValueError(f"array {name!r} does not belong to spec {spec}; leave it out")
        if array.dtype != np.float32:
            raise ValueError(f"array {name!r} must be float32, not {array.dtype}; convert it first")
        if array.shape != shapes[name]:
            raise ValueError(f"array {name!r} has shape {array.shape}; spec {spec} at dim={dim} needs {shapes[name]}")
        if not np.isfinite(array).all():
            raise ValueError(f"array {name!r} has NaN or infinite values; train again with a lower learning rate")
    if "rotation" in arrays:
        rotation = arrays["rotation"].astype(np.float64)
        error = float(np.abs(rotation.T @ rotation - np.eye(dim)).max())
        if error > ROTATION_TOLERANCE:
            raise ValueError(
                f"array 'rotation' is not orthogonal: max|R.T R - I| is {error:.1e}; pass the composed rotation"
            )


def check_codes(spec: IndexSpec, codes: np.ndarray, lists: np.ndarray | None) -> None:
    """Raise an error if codes or lists do not fit ``spec``.

    Args:
        codes: integer codeword numbers, ``(n, M)``.
        lists: integer list numbers, ``(n,)``; None for a flat spec.
    Raises:
        ValueError: a shape, type or value is wrong.
    """
    if codes.dtype.kind not in "iu" or codes.ndim != 2 or codes.shape[1] != spec.M:
        raise ValueError(f"codes must be integers of shape (n, M={spec.M}), not {codes.dtype} of shape {codes.shape}")
    _check_range("codes", codes, spec.ksub, f"the codewords of spec {spec}")
    if not spec.nlist:
        if lists is not None:
            raise ValueError(f"lists are given, but spec {spec} has no inverted lists; pass lists=None")
        return
    if lists is None:
        raise ValueError(f"lists (=None) are needed by spec {spec}; pass each row's list number, (n,)")
    if lists.dtype.kind not in "iu" or lists.shape != (len(codes),):
        raise ValueError(f"lists must be integers of shape ({len(codes)},), not {lists.dtype} of shape {lists.shape}")
    _check_range("lists", lists, spec.nlist, f"the inverted lists of spec {spec}")


def _check_range(name: str, values: np.ndarray, stop: int, what: str) -> None:
    if values.size and (values.min() < 0 or values.max() >= stop):
        row = int(np.argmax(((values < 0) | (values >= stop)).reshape(len(values), -1).any(1)))
        raise ValueError(
            f"{name} hold {values.min()} to {values.max()}, outside [0, {stop}), {what} (row {row}); encode again"
        )
