"""Read Parquet files that may be damaged or hostile, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poeem.bundle.regular_file import open_to_read

if TYPE_CHECKING:
    import pyarrow as pa

# A table may take this much memory and so many times the size of its file. Texts that repeat are short in a file.
_FREE_BYTES, _TIMES = 200 * 2**20, 64
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
# Encodings whose decoded size is in the footer, and those that repeat values of a dictionary.
_PLAIN, _DICTIONARY = {"PLAIN", "RLE", "BIT_PACKED"}, {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
_BATCH_ROWS = 1024


def read_parquet(path: Path, check: Callable[[Any], None], *, fix: str) -> pa.Table:
    """Read the whole table of a Parquet file.

    Args:
        path: the file.
        check: called with the ``pyarrow.parquet.ParquetFile`` before its rows are read; raises a ValueError if rows or
            types are wrong.
        fix: advice for the error text if the file cannot be read.
    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no Parquet file, is damaged, is refused by ``check``, or its table would take more
            memory than 200 MiB plus 64 times the size of the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    open_to_read(path).close()
    try:
        with pa.memory_map(str(path)) as source:
            file = pq.ParquetFile(source, page_checksum_verification=True)
            check(file)
            check_decoded_size(file, source, path.stat().st_size)
            table = file.read()
            # Texts that are not UTF-8 would fail later, wherever they are first looked at.
            table.validate(full=True)
            return table
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path.name} cannot be read ({error}); {fix}") from None


def check_checksums(path: Path) -> dict[bytes, bytes] | None:
    """Compare the pages of a Parquet file with the checksums that they have, if any.

    Returns:
        the metadata of its schema.
    Raises:
        ValueError: the file is damaged, or no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    open_to_read(path).close()
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        check_decoded_size(file, path, path.stat().st_size)
        for _ in file.iter_batches(batch_size=2**16):
            pass
        return file.schema_arrow.metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"is damaged ({' '.join(str(error).split())})") from None


def check_decoded_size(file: Any, source: Any, size: int) -> None:
    """Raise an error if the table of a Parquet file would take far more memory than the file.

    Args:
        file: the ``pyarrow.parquet.ParquetFile``.
        source: the open file that ``file`` reads from.
        size: size of the file, bytes.
    Raises:
        ValueError: the table would take more memory than 200 MiB plus 64 times ``size``.
    """
    limit, total, repeated = _FREE_BYTES + _TIMES * size, 0, set()
    for i in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(i)
        for j in range(group.num_columns):
            column = group.column(j)
            kind, encodings = column.physical_type, set(column.encodings)
            if kind == "FIXED_LEN_BYTE_ARRAY":
                total += column.num_values * file.schema.column(j).length
            elif kind != "BYTE_ARRAY":
                total += column.num_values * _WIDTHS[kind]
            elif encodings <= _PLAIN:
                total += column.total_uncompressed_size
            elif encodings <= _PLAIN | _DICTIONARY:
                repeated.add(column.path_in_schema)
            else:
                raise ValueError(
                    f"column {column.path_in_schema!r} has the encoding {sorted(encodings)}; write it with PLAIN"
                )
            total = max(total, 0) + max(column.total_uncompressed_size - size, 0)
            _check(total, limit)
    for path in sorted(repeated):
        total += _decoded_bytes(source, path, limit - total)
        _check(total, limit)


def _check(total: int, limit: int) -> None:
    if total > limit:
        raise ValueError(f"its table would take more than the {limit:,} bytes that a file of this size may take")


def _decoded_bytes(source: Any, path: str, limit: int) -> int:
    """Bytes of the texts of a column: a text of a megabyte that repeats takes no room in the file."""
    import pyarrow.parquet as pq

    total, column = 0, path.split(".")[0]
    # With its dictionary the column takes no more memory than in the file.
    file = pq.ParquetFile(source, read_dictionary=[path])
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[column]):
        total += _text_bytes(batch.column(0))
        if total > limit:
            break
    return total


def _text_bytes(array: Any) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths: Any = pc.binary_length(array.dictionary)
        return pc.sum(lengths.take(array.indices)).as_py() or 0
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _text_bytes(array.flatten())
    if pa.types.is_struct(array.type):
        return sum(_text_bytes(array.field(i)) for i in range(array.type.num_fields))
    return array.nbytes
