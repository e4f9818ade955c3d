"""Items in Parquet files: vectors, or texts that a model encodes. A few rows are in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poeem.bundle.regular_file import open_to_read
from poeem.data.list_column import vector_column, vector_matrix
from poeem.training.encoding.source import BLOCK_ROWS, Part, checked_floats, file_facts

if TYPE_CHECKING:
    import pyarrow as pa

# A row group is read in pieces of this size, so that memory does not depend on the writer's row groups.
_BUFFER_BYTES = 2**20
_TAIL_BYTES = 8

# Vectors of the rows of a table; called with the table, the file's name and the number of its first row.
Encode = Callable[[Any, str, int], np.ndarray]


class ParquetSource:
    """Rows of Parquet files of one schema.

    Args:
        files: in the order of their rows.
        id_column: column of the ids; None: ids are row numbers, counted over all files.
        columns: columns that ``encode`` reads.
        encode: makes vectors of rows.
    Raises:
        ValueError: a file is no Parquet file, has no rows, or lacks a column or has it in another type than the first.
    """

    def __init__(self, files: list[Path], id_column: str | None, columns: list[str], encode: Encode) -> None:
        self.files, self.id_column, self._columns, self._encode = files, id_column, columns, encode
        self._metadata = [_opened(file).metadata for file in files]
        names = [*([] if id_column is None else [id_column]), *columns]
        first = {name: schema_of(files[0]).field(name).type for name in names}
        for file, metadata in zip(files, self._metadata):
            if metadata.num_rows == 0:
                raise ValueError(f"{file}: holds no rows; at least one is needed")
            schema = schema_of(file)
            for name, kind in first.items():
                found = [field.type for field in schema if field.name == name]
                if found != [kind]:
                    listed = " and ".join(map(str, found)) or "missing"
                    raise ValueError(f"{file}: column {name!r} is {listed}, in {files[0].name} {kind}; use one schema")

    @property
    def identity(self) -> dict[str, Any]:
        """Names, sizes and times of change of the files, checksums of their footers, and the columns read."""
        facts = [{**file_facts(file), "footer_sha256": _footer_sha256(file)} for file in self.files]
        return {"files": facts, "id": self.id_column, "columns": self._columns}

    def parts(self, rows: int) -> list[Part]:
        """Divide the files into parts of whole row groups."""
        found: list[Part] = []
        first = 0
        for number, metadata in enumerate(self._metadata):
            groups: list[int] = []
            size = 0
            for group in range(metadata.num_row_groups):
                more = metadata.row_group(group).num_rows
                if groups and size + more > rows:
                    found.append(Part(len(found), number, first, size, tuple(groups)))
                    first, size, groups = first + size, 0, []
                groups.append(group)
                size += more
            found.append(Part(len(found), number, first, size, tuple(groups)))
            first += size
        return found

    def blocks(self, part: Part) -> Iterator[tuple[Any, np.ndarray]]:
        """Read ids and vectors of a part."""
        import pyarrow as pa

        path = self.files[part.file]
        names = [*([] if self.id_column is None else [self.id_column]), *self._columns]
        before = sum(metadata.num_rows for metadata in self._metadata[: part.file])
        done = part.first
        try:
            file = _opened(path)
            for batch in file.iter_batches(batch_size=BLOCK_ROWS, row_groups=list(part.groups), columns=names):
                table = pa.Table.from_batches([batch])
                # Errors count the rows of the file itself.
                vectors = self._encode(table, str(path), done - before)
                ids = np.arange(done, done + len(batch)) if self.id_column is None else table[self.id_column]
                yield ids, vectors
                done += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from None

    def id_batches(self) -> Iterator[Any]:
        """Read the ids of all files, as arrow arrays.

        Raises:
            ValueError: an id is missing, or the column holds neither integers nor strings.
        """
        import pyarrow as pa

        for path in self.files:
            kind = schema_of(path).field(self.id_column).type
            where = f"{path}: column {self.id_column!r}"
            if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise ValueError(f"{where}: ids must be integers or strings, not {kind}; convert them first")
            done = 0
            for batch in _opened(path).iter_batches(batch_size=BLOCK_ROWS, columns=[self.id_column]):
                ids = batch.column(0)
                if ids.null_count:
                    row = done + int(np.argmax(ids.is_null().to_numpy(zero_copy_only=False)))
                    raise ValueError(f"{where}: row {row} has no id; give every item an id, or drop the row")
                yield ids
                done += len(ids)


def parquet_vectors(files: list[Path], dim: int, column: str | None) -> ParquetSource:
    """Return a source of Parquet files with a column of vectors. Ids are their column ``id``, else row numbers.

    Args:
        files: the files.
        dim: width that the vectors must have.
        column: column of the vectors; default the only one that holds lists of floats.
    """
    schema = schema_of(files[0])
    name = vector_column(files[0], schema, column)

    def encode(table: pa.Table, where: str, first: int) -> np.ndarray:
        lists: Any = table[name]
        matrix = [vector_matrix(f"{where}: column {name!r}, row", chunk, first, None) for chunk in lists.chunks]
        widths = {rows.shape[1] for rows in matrix}
        if widths != {dim}:
            raise ValueError(
                f"{where}: vectors have {widths.pop()} columns, the index has dim={dim}; use its own model"
            )
        return checked_floats(np.concatenate(matrix) if len(matrix) > 1 else matrix[0], where, first)

    return ParquetSource(files, "id" if "id" in schema.names else None, [name], encode)


def schema_of(path: Path) -> pa.Schema:
    """Return the arrow schema of a Parquet file.

    Raises:
        ValueError: the file cannot be read as Parquet.
    """
    return _opened(path).schema_arrow


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty; write it as Parquet")
    open_to_read(path).close()
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from None


def _footer_sha256(path: Path) -> str:
    """Checksum of a Parquet file's footer, which has places, sizes and extremes of all column chunks."""
    size = path.stat().st_size
    with open_to_read(path) as file:
        file.seek(-_TAIL_BYTES, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(size - _TAIL_BYTES - length, 0))
        return hashlib.sha256(file.read()).hexdigest()
