"""Vectors from a ``.npy`` file, mapped rather than read: it may be larger than memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_vectors(path: str | Path, *, dim: int | None = None) -> np.ndarray:
    """Float vectors ``(n, dim)``, mapped into memory read-only.

    Args:
        path: a ``.npy`` file of float16, float32 or float64.
        dim: width that is wanted.
    Raises:
        ValueError: the file is missing, no ``.npy`` file, damaged, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        said = "the file is empty" if path.stat().st_size == 0 else f"cannot be read as .npy ({error})"
        raise ValueError(f"{path}: {said}; write it with numpy.save") from None
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f" or vectors.ndim != 2:
        found = f"{vectors.dtype}, {vectors.shape}" if isinstance(vectors, np.ndarray) else "an archive of arrays"
        raise ValueError(f"{path}: must hold floats of shape (n, dim), not {found}")
    if len(vectors) == 0:
        raise ValueError(f"{path}: holds no rows; at least one vector is needed")
    if dim is not None and vectors.shape[1] != dim:
        raise ValueError(f"{path}: vectors have {vectors.shape[1]} columns, the index has dim={dim}; use its own model")
    return vectors
