"""Read and write `items.parquet`: one row per item, with id, list, packed code and the user's columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poeem.bundle.ids import check_ids
from poeem.bundle.manifest import ITEMS_FILE
from poeem.bundle.parquet_file import read_parquet
from poeem.functional.packing import pack_codes, unpack_codes
from poeem.spec import IndexSpec

if TYPE_CHECKING:
    import pyarrow as pa

OUR_COLUMNS = ("id", "list", "code")


def with_free_names(columns: pa.Table) -> pa.Table:
    """Rename columns whose names the bundle uses itself: they get the prefix ``item_``."""
    return columns.rename_columns([f"item_{name}" if name in OUR_COLUMNS else name for name in columns.column_names])


class Items(NamedTuple):
    """The rows of a bundle: ids, codes ``(n, M)``, lists ``(n,)`` or None, the user's columns or None."""

    ids: pa.Array
    codes: np.ndarray
    lists: np.ndarray | None
    columns: pa.Table | None


def check_columns(columns: pa.Table | None, rows: int) -> pa.Table | None:
    """Check the user's columns, and return them without metadata; return None if there are none.

    Raises:
        ValueError: ``columns`` is no arrow table, has other than ``rows`` rows, or has a name that is given twice or is
            ``id``, ``list`` or ``code``.
    """
    import pyarrow as pa

    if columns is None:
        return None
    if not isinstance(columns, pa.Table):
        raise ValueError(
            f"columns must be a pyarrow.Table, not {type(columns).__name__}; build one with pa.table({{...}})"
        )
    if columns.num_rows != rows:
        raise ValueError(
            f"columns have {columns.num_rows} rows for {rows} items; give one row per item, in the same order"
        )
    names = columns.column_names
    taken = [name for name in names if name in OUR_COLUMNS]
    if taken:
        raise ValueError(f"columns: the name {taken[0]!r} is taken by the bundle itself; rename or drop that column")
    if len(set(names)) < len(names):
        raise ValueError(f"columns: a name is given twice in {names}; rename one")
    return columns.replace_schema_metadata(None) if names else None


def write_items(path: Path, items: Items, nbits: int) -> None:
    """Write the rows as a Parquet file. Each code is packed into ``ceil(M * nbits / 8)`` bytes."""
    with ItemsWriter(path, nbits) as writer:
        writer.write(items)


class ItemsWriter:
    """Writes rows block by block into a Parquet file. Use it as a context manager.

    Args:
        path: the file to write.
        nbits: bits per codeword number.
        metadata: of the schema. A file with metadata also has a checksum in every page.
    """

    def __init__(self, path: Path, nbits: int, metadata: dict[bytes, bytes] | None = None) -> None:
        self._path, self._nbits, self._metadata = path, nbits, metadata
        self._writer: Any = None

    def write(self, items: Items) -> None:
        """Append rows. All blocks must have the same columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        packed = pack_codes(items.codes, self._nbits)
        code_type = pa.binary(packed.shape[1])
        table = {"id": items.ids}
        if items.lists is not None:
            table["list"] = pa.array(items.lists, pa.int32())
        # The buffer as it is: converting row by row would take longer than all the rest.
        table["code"] = pa.FixedSizeBinaryArray.from_buffers(code_type, len(packed), [None, pa.py_buffer(packed)])
        columns = {} if items.columns is None else dict(zip(items.columns.column_names, items.columns.columns))
        rows = pa.table({**table, **columns})
        if self._writer is None:
            # Ids and codes hardly ever repeat: a dictionary, or compression of codes, would only cost time.
            compression = {name: "NONE" if name == "code" else "ZSTD" for name in rows.column_names}
            self._writer = pq.ParquetWriter(
                self._path,
                rows.schema.with_metadata(self._metadata),
                compression=compression,
                write_page_checksum=self._metadata is not None,
                use_dictionary=list(columns),  # pyright: ignore[reportArgumentType]
            )
        self._writer.write_table(rows)

    def __enter__(self) -> ItemsWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()


def read_items(path: Path, spec: IndexSpec, rows: int, id_type: str) -> Items:
    """Read the rows that `write_items` wrote, for a bundle of this spec.

    Raises:
        ValueError: the file cannot be read, has other than ``rows`` rows, or has ids of another type than ``id_type``
            (``int64`` or ``string``).
    """
    table = read_parquet(path, lambda file: _check_schema(file, spec, rows, id_type), fix="write the bundle again")
    names = [name for name in table.column_names if name not in OUR_COLUMNS]
    for name in OUR_COLUMNS:
        if name in table.column_names and table[name].null_count:
            raise ValueError(f"{path.name} has missing values in column {name!r}; write the bundle again")
    ids = _one_chunk(table["id"])
    check_ids(ids)
    code = _one_chunk(table["code"])
    width = spec.bytes_per_vector
    packed = np.frombuffer(code.buffers()[1], dtype=np.uint8)[code.offset * width :][: rows * width]
    return Items(
        ids=ids,
        codes=unpack_codes(packed.reshape(rows, width), spec.M, spec.nbits),
        lists=_one_chunk(table["list"]).to_numpy() if spec.nlist else None,
        columns=table.select(names) if names else None,
    )


def _check_schema(file, spec: IndexSpec, rows: int, id_type: str) -> None:
    import pyarrow as pa

    if file.metadata.num_rows != rows:
        raise ValueError(
            f"{ITEMS_FILE} has {file.metadata.num_rows} rows, the manifest says {rows}; write the bundle again"
        )
    needed = {"id": pa.int64() if id_type == "int64" else pa.string(), "code": pa.binary(spec.bytes_per_vector)}
    if spec.nlist:
        needed["list"] = pa.int32()
    schema = file.schema_arrow
    for name in OUR_COLUMNS:
        found = [schema.field(i).type for i in range(len(schema)) if schema.field(i).name == name]
        expected = [needed[name]] if name in needed else []
        if found != expected:
            raise ValueError(
                f"{ITEMS_FILE}: column {name!r} is {found or 'absent'}, spec {spec} needs {expected or 'none'}; "
                "write the bundle again"
            )


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
