"""Read vectors from a Parquet column of float lists, memory-mapped from a temporary file."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from poeem.data.fetch import cache_dir, unusable_cache

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Size of one batch of rows in memory.
BYTES = 32 * 2**20


def read_list_column(files: Sequence[Path], column: str | None = None) -> np.ndarray:
    """Read the vectors of one column. They are mapped read-only from a temporary file in the cache folder.

    The temporary file has the size of the vectors and is deleted with the array. Memory holds one batch at a time.

    Args:
        files: Parquet files, in the order of their rows.
        column: column of lists (of fixed or variable size, all of one length) or tensors of float16, float32 or
            float64; default the only one of that kind.
    Returns:
        ``(n, dim)``, in the type of the column.
    Raises:
        ValueError: a file is damaged or has no rows; the column is missing or of another kind, or of several types;
            there are several and none is named; or a row is missing, has another length or a missing number (rows count
            from 1).
        RuntimeError: the cache folder cannot be used.
    """
    opened = [_opened(path) for path in files]
    with ExitStack() as stack:
        for file in opened:
            stack.enter_context(file)
        column = vector_column(files[0], opened[0].schema_arrow, column)
        kind = opened[0].schema_arrow.field(column).type
        for path, file in zip(files[1:], opened[1:]):
            vector_column(path, file.schema_arrow, column)
            if file.schema_arrow.field(column).type != kind:
                raise ValueError(f"{path}: column {column!r} is not {kind}, as in {files[0].name}; use one schema")
        # The first row gives the width, and the width gives the rows of a batch.
        (first,) = itertools.islice(_batches(files[0], opened[0], column, None, 1), 1)
        dim, rows = first.shape[1], max(BYTES // (8 * first.shape[1]), 1)
        parts = (part for path, file in zip(files, opened) for part in _batches(path, file, column, dim, rows))
        return _write_and_map(parts, sum(file.metadata.num_rows for file in opened), dim)


def _opened(path: Path) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet: {error}") from error
    if file.metadata.num_rows == 0:
        file.close()
        raise ValueError(f"{path}: holds no rows; at least one vector is needed")
    return file


def vector_column(path: Path, schema: pa.Schema, column: str | None) -> str:
    """Return the column of vectors in a Parquet file: ``column`` if it is one, else the only one.

    Raises:
        ValueError: there is none, there are several and none is named, or ``column`` is missing or of another kind.
    """
    candidates = [field.name for field in schema if is_vector(field.type)]
    if column is None:
        if len(candidates) == 1:
            return candidates[0]
        problem = f"columns {', '.join(map(repr, candidates))} all hold" if candidates else "no column holds"
        listed = ", ".join(f"{field.name!r} ({field.type})" for field in schema) or "none"
        fix = "name one with column" if candidates else f"store vectors as lists of float32 (found: {listed})"
        raise ValueError(f"{path}: {problem} lists of floats; {fix}")
    if column not in schema.names:
        listed = ", ".join(map(repr, candidates)) or "none"
        raise ValueError(f"{path}: column {column!r} is missing (columns of vectors: {listed}); name one of these")
    if column not in candidates:
        kind = schema.field(column).type
        raise ValueError(f"{path}: column {column!r} holds {kind}, not lists of floats; store vectors as float32 lists")
    return column


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of floats."""
    import pyarrow as pa

    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and pa.types.is_floating(kind.value_type)


def _batches(path: Path, file: pq.ParquetFile, column: str, dim: int | None, rows: int) -> Iterator[np.ndarray]:
    import pyarrow as pa

    done = 0
    try:
        for batch in file.iter_batches(batch_size=rows, columns=[column]):
            part = vector_matrix(f"{path}: column {column!r}, row", batch.column(0), done, dim)
            yield part
            done += len(part)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet: {error}") from error


def _write_and_map(parts: Iterator[np.ndarray], n: int, dim: int) -> np.ndarray:
    dtype = np.dtype(np.float32)
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache_dir(), prefix=".vectors-") as file:
            for part in parts:
                dtype = part.dtype
                file.write(np.ascontiguousarray(part).data)
            file.flush()
            # The map keeps the file after this handle is closed.
            return np.memmap(file, dtype=dtype, mode="r", shape=(n, dim))
    except OSError as error:
        raise unusable_cache(cache_dir(), error) from error


def vector_matrix(where: str, lists: pa.Array, start: int, dim: int | None) -> np.ndarray:
    """Return a batch of lists as ``(rows, dim)``, without a copy.

    Args:
        where: begins the error text; the row's number, counted from 1, follows.
        lists: arrow array of lists of floats.
        start: rows before this batch.
        dim: length of every list; None takes that of the first.
    Raises:
        ValueError: a row is missing, has another length, or has a missing number.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = lists.storage if isinstance(lists, pa.ExtensionArray) else lists
    if lists.null_count:
        row = int(np.flatnonzero(lists.is_null().to_numpy(zero_copy_only=False))[0])
        raise ValueError(f"{where} {start + row + 1}: the vector is missing; fill it in, or drop the row")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)  # pyright: ignore[reportAttributeAccessIssue]
    dim = int(lengths[0]) if dim is None else dim
    if (lengths != dim).any():
        row = int((lengths != dim).argmax())
        raise ValueError(
            f"{where} {start + row + 1}: has {lengths[row]} numbers, the first row has {dim}; "
            "all vectors must be of one length"
        )
    if dim == 0:
        raise ValueError(f"{where} {start + 1}: the vector is empty; at least one number is needed")
    values = lists.flatten()
    if values.null_count:
        row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // dim
        raise ValueError(f"{where} {start + row + 1}: a number is missing; fill it in, or drop the row")
    return values.to_numpy().reshape(-1, dim)
