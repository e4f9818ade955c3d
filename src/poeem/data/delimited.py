"""Read CSV files as Arrow tables: detect delimiter and header line, decode, and name the row in errors."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from poeem.data.file_format import FileFormat

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {".csv": ",", ".tsv": "\t", ".inter": "\t"}
COMPRESSIONS = (".gz", ".bz2", ".zst")
EMPTY = "the file is empty; it needs at least a header and one row"
# The delimiter is detected from so many bytes and rows.
_SAMPLE_BYTES, _SAMPLE_ROWS = 2**16, 20

# Given the columns of a file: the columns to read, each with its name in the table.
ChooseColumns = Callable[[list[str]], dict[str, str]]


def read_delimited(path: Path, format: FileFormat, choose: ChooseColumns, text_columns: Collection[str]) -> pa.Table:
    """Read a table from a CSV file, which may be compressed.

    Args:
        path: the file.
        format: delimiter (None: detected), header and encoding.
        choose: chooses the columns to read, and their names in the table.
        text_columns: columns of the table that stay strings (``007`` stays ``007``); the type of others is inferred.
    Returns:
        the table.
    Raises:
        ValueError: the file cannot be read; the message says where and what to do.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    sample = _sample(path, format.encoding)
    delimiter = format.delimiter or detect_delimiter(sample, default=DELIMITERS.get(data_suffix(path), ","))
    parsing = {"delimiter": delimiter, "newlines_in_values": True}
    # Without a header line, columns are called by their number, from 1.
    names = None if format.header else [str(number + 1) for number in range(len(_rows(sample, delimiter)[0]))]

    def header() -> list[str]:
        if names is not None:
            return names
        # Bad rows are skipped here; reading all rows reports them with their numbers.
        skipping = arrow_csv.ParseOptions(**parsing, invalid_row_handler=lambda _row: "skip")
        # The header is read from the sample, which is valid text even if later rows are not.
        source, encoding = (io.BytesIO(sample.encode()), "utf8") if sample else (path, format.encoding)
        options = arrow_csv.ReadOptions(encoding=encoding)
        with arrow_csv.open_csv(source, read_options=options, parse_options=skipping) as stream:
            return stream.schema.names

    def read(chosen: dict[str, str], use_threads: bool) -> pa.Table:
        text = [column for column, name in chosen.items() if name in text_columns]
        # Types are inferred from the first block. If any type is inferred, the block is the whole file: otherwise a
        # column that begins with whole numbers would be refused at its first fraction.
        block = None if len(text) == len(chosen) else min(max(2**20, 16 * path.stat().st_size), 2**30)
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=use_threads, block_size=block, encoding=format.encoding, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(**parsing),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(chosen),
                column_types=dict.fromkeys(text, pa.string()),
                strings_can_be_null=False,
            ),
        )
        return table.rename_columns(list(chosen.values()))

    try:
        chosen = choose(header())
        try:
            return read(chosen, use_threads=True)
        except pa.ArrowInvalid:
            # pyarrow names the bad row only when it reads with one thread.
            return read(chosen, use_threads=False)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise ValueError(f"{path}: {_message(str(error), delimiter, format)}") from error


def detect_delimiter(text: str, default: str = ",") -> str:
    """Return the delimiter that splits all of the first rows into equally many fields; of several, that with the most.
    Without any, it is the one that splits the first row into the most fields, or ``default``.

    >>> detect_delimiter("user;item;title\\n1;2;Blood, Sweat, and Tears\\n")
    ';'
    """

    def order(delimiter: str) -> tuple[bool, int, bool]:
        rows = _rows(text, delimiter)
        widths = {len(row) for row in rows if row}
        return len(widths) == 1 and widths != {1}, len(rows[0]) if rows else 0, delimiter == default

    return max((",", ";", "\t", "|"), key=order)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            rows.append(row)
            if len(rows) == _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows


def _sample(path: Path, encoding: str) -> str:
    """The first rows of a file as text, whole rows only."""
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            content = stream.read(_SAMPLE_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: {_message(str(error), ',', FileFormat(encoding=encoding))}") from error
    text = content.decode(encoding, errors="replace")
    return text[: text.rfind("\n") + 1] if len(content) == _SAMPLE_BYTES else text


def data_suffix(path: Path) -> str:
    """Return the suffix of a file in lower case, without the suffix of a compression.

    >>> data_suffix(Path("events.CSV.gz"))
    '.csv'
    """
    return (path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path).suffix.lower()


def _message(pyarrow_message: str, delimiter: str, format: FileFormat) -> str:
    if "Empty CSV file" in pyarrow_message:
        return EMPTY
    # On one line, with rows counted as in all our messages: from 1, without the header.
    message = " ".join(pyarrow_message.split())
    message = re.sub(r"Row #(\d+)", lambda match: f"row {int(match[1]) - int(format.header)}", message)
    return (
        f"cannot be read as CSV with the delimiter {delimiter!r} (see delimiter) and the encoding {format.encoding} "
        f"(see encoding): {message}; values that hold the delimiter, a quote or a line break need quotes"
    )
