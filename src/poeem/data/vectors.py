"""Read vectors from a ``.npy`` or Parquet file. They are memory-mapped, so the file may be larger than memory."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from poeem.data.npy_file import map_npy
from poeem.data.tables import missing_file, parquet_files


def read_vectors(path: str | Path, *, dim: int | None = None, column: str | None = None) -> np.ndarray:
    """Read float vectors, memory-mapped read-only.

    Args:
        path: a ``.npy`` file of float16, float32 or float64; or a Parquet file (``.parquet``, ``.pq``), a folder or
            glob of such files, with a column of lists of these, which is copied to a temporary file in the cache
            folder.
        dim: width that the vectors must have; None: any.
        column: column of a Parquet file; default the only one that holds lists of floats.
    Returns:
        ``(n, dim)``, in the type of the file.
    Raises:
        ValueError: the file is missing, damaged, of another kind, or holds vectors of another width; the column or one
            of its rows is missing; or ``column`` is given for a ``.npy`` file.
        RuntimeError: the cache folder for a Parquet file cannot be written.
    """
    path = Path(path)
    files = parquet_files(path)
    if files is None and not path.is_file():
        raise ValueError(f"{path}: {missing_file(path)}")
    for file in [path] if files is None else files:
        if file.stat().st_size == 0:
            raise ValueError(f"{file}: the file is empty; write it with numpy.save, or as Parquet")
    if files is not None:
        from poeem.data.list_column import read_list_column

        vectors = read_list_column(files, column)
    elif column is not None:
        raise ValueError(f"column (={column!r}) is for Parquet files, and {path} is not one; leave it out")
    else:
        vectors = _read_npy(path)
    if dim is not None and vectors.shape[1] != dim:
        raise ValueError(f"{path}: vectors have {vectors.shape[1]} columns, the index has dim={dim}; use its own model")
    return vectors


def release_pages(vectors: np.ndarray) -> None:
    """Give the memory of mapped vectors back to the system; they are read from their file again when they are used.
    Other arrays are left as they are.
    """
    mapped = getattr(vectors, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _read_npy(path: Path) -> np.ndarray:
    try:
        vectors = map_npy(path)
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read as .npy ({error}); write it with numpy.save") from None
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f" or vectors.ndim != 2:
        actual = f"{vectors.dtype}, {vectors.shape}" if isinstance(vectors, np.ndarray) else "an archive of arrays"
        raise ValueError(f"{path}: must hold floats of shape (n, dim), not {actual}")
    if len(vectors) == 0:
        raise ValueError(f"{path}: holds no rows; at least one vector is needed")
    return vectors
