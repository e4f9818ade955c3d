"""Read Arrow tables from Parquet, CSV and JSON Lines: a file, a folder of parts or a glob."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from poeem.data.delimited import DELIMITERS, EMPTY, ChooseColumns, data_suffix, read_delimited
from poeem.data.file_format import DEFAULT_FORMAT, FileFormat

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_SUFFIXES = (".parquet", ".pq")
JSON_SUFFIXES = (".jsonl", ".ndjson")
SUFFIXES = (*PARQUET_SUFFIXES, *DELIMITERS, *JSON_SUFFIXES)


def read_table(
    path: str | os.PathLike[str],
    *,
    required: tuple[str, ...] = (),
    optional: tuple[str, ...] | None = None,
    text_columns: Collection[str] = (),
    format: FileFormat = DEFAULT_FORMAT,
    choose: ChooseColumns | None = None,
) -> pa.Table:
    """Read a table from a file, a folder of parts, or a glob such as ``part-*.parquet``.

    Files are Parquet (``.parquet``, ``.pq``), CSV (``.csv``, ``.tsv``, ``.inter``; any other name if the format gives a
    delimiter) or JSON Lines (``.jsonl``, ``.ndjson``). CSV and JSON Lines may be compressed (``.gz``, ``.bz2``,
    ``.zst``). Parts are read in the order of their names. Folders named like ``day=1`` give Parquet a column ``day``.

    Args:
        path: the file, folder or glob.
        required: columns that must be there.
        optional: columns to read besides, if they are there; default all.
        text_columns: columns of a CSV file that stay strings (``007`` stays ``007``); the type of others is inferred.
        format: delimiter, header and encoding of CSV files.
        choose: used in place of ``required`` and ``optional``: called with the columns of a file, returns those to read
            with their new names.
    Returns:
        the table.
    Raises:
        ValueError: the file is missing, empty, of another kind or damaged, a column is missing, or a folder has no
            parts or parts of several kinds.
    """

    def choose_checked(names: list[str]) -> dict[str, str]:
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"column {', '.join(repeated)} is there more than once; rename one of them")
        if choose is not None:
            return choose(names)
        check_columns(names, required)
        return {name: name for name in names if optional is None or name in (*required, *optional)}

    path = Path(path)
    if not path.exists() and not is_glob(path):
        _kind(path, format)  # a name of no known format is refused before a missing file
        raise ValueError(f"{path}: no such file")
    files, base = part_files(path)
    kinds = {_kind(file, format) for file in files}
    if len(kinds) > 1:
        raise ValueError(
            f"{path}: holds parts of several kinds ({', '.join(sorted(kinds))}); name one, as {path}/*.csv"
        )
    (kind,) = kinds
    for file in files:
        if file.stat().st_size == 0:
            raise ValueError(f"{file}: {EMPTY}")
    try:
        if kind == "Parquet":
            return _read_parquet(path if base is None else files, base, choose_checked)
        read = {"CSV": read_delimited, "JSON": _read_json}[kind]
        return _joined([read(file, format, choose_checked, text_columns) for file in files])
    except ValueError as error:
        text = str(error)
        raise error if text.startswith(str(path)) else ValueError(f"{path}: {text}") from error


def check_columns(names: list[str], required: tuple[str, ...], where: str = "") -> None:
    """Raise ValueError if a required column is missing; the message lists the columns."""
    missing = [name for name in required if name not in names]
    if missing:
        listed = ", ".join(map(repr, names)) or "none"
        needed = " and ".join(map(repr, missing))
        holds = "column that holds it" if len(missing) == 1 else "columns that hold them"
        raise ValueError(
            f"{where}column {needed} is missing (found: {listed}); rename the {holds} to {needed}, in a CSV file in "
            "the header line"
        )


def missing_file(path: Path) -> str:
    """Describe, for an error, what is wrong with a path that is no file."""
    return "is a folder, not a file" if path.is_dir() else "no such file"


def is_glob(path: Path | str) -> bool:
    """Whether a name has a character of a pattern."""
    return re.search(r"[*?\[]", str(path)) is not None


def part_files(path: Path) -> tuple[list[Path], Path | None]:
    """Return the data files of a file, folder or glob, and the folder that they are parts of; None for a single file.

    Raises:
        ValueError: a folder or glob has no file with the name of a table.
    """
    if path.is_file():
        return [path], None
    if path.is_dir():
        base, candidates = path, path.rglob("*")
    else:
        base = Path(*itertools.takewhile(lambda part: not is_glob(part), path.parts))
        candidates = map(Path, glob.glob(str(path), recursive=True))
    parts = [file for file in sorted(candidates) if file.is_file() and _is_part(file.relative_to(base))]
    if not parts:
        problem = "is a folder without files to read" if path.is_dir() else "no file has such a name"
        raise ValueError(f"{path}: {problem}; names must end in {', '.join(SUFFIXES)}")
    return parts, base


def parquet_files(path: Path) -> list[Path] | None:
    """Return the Parquet files of a file, folder or glob, in the order of their names; None if it is of another kind.

    Raises:
        ValueError: there is no such file, or a glob matches none.
    """
    if not is_glob(path) and not path.is_dir():
        if path.suffix.lower() not in PARQUET_SUFFIXES:
            return None
        if not path.is_file():
            raise ValueError(f"{path}: no such file")
        return [path]
    if path.is_dir() and not any(file.suffix.lower() in PARQUET_SUFFIXES for file in path.rglob("*")):
        return None
    files, _ = part_files(path)
    return files if all(file.suffix.lower() in PARQUET_SUFFIXES for file in files) else None


def _is_part(path: Path) -> bool:
    """Whether a name is that of data: writers put their own notes under names such as ``_SUCCESS`` and ``.crc``."""
    return data_suffix(path) in SUFFIXES and not any(part.startswith(("_", ".")) for part in path.parts)


def _kind(path: Path, format: FileFormat) -> str:
    suffix = data_suffix(path)
    if suffix in PARQUET_SUFFIXES:
        return "Parquet"
    if suffix in JSON_SUFFIXES:
        return "JSON"
    if suffix in DELIMITERS or format.delimiter is not None:
        return "CSV"
    raise ValueError(
        f"{path}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, so that the format is known; "
        "for a CSV file of another name give the delimiter, such as delimiter=','"
    )


def _read_parquet(source: Path | list[Path], base: Path | None, choose: ChooseColumns) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if isinstance(source, Path):
            # The dataset reader would add columns for folder names such as day=1, and takes a while to load.
            file = pq.ParquetFile(source)
            names, read = file.schema_arrow.names, file.read
        else:
            from pyarrow import dataset

            parts = dataset.dataset(
                [str(file) for file in source],
                format="parquet",
                partitioning=dataset.partitioning(flavor="hive"),
                partition_base_dir=str(base),
            )
            names, read = parts.schema.names, parts.to_table
        chosen = choose(names)
        table = read(columns=list(chosen))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"cannot be read as Parquet: {' '.join(str(error).split())}") from error
    return table.select(list(chosen)).rename_columns(list(chosen.values()))


def _read_json(path: Path, format: FileFormat, choose: ChooseColumns, text_columns: Collection[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import json

    # Types are inferred from the first block, and no row may be longer than a block.
    block = min(max(2**20, 16 * path.stat().st_size), 2**30)
    try:
        table = json.read_json(path, read_options=json.ReadOptions(block_size=block))
    except (pa.ArrowException, OSError) as error:
        message = " ".join(str(error).split())
        raise ValueError(f"{path}: cannot be read as JSON Lines (one object a line, UTF-8): {message}") from error
    chosen = choose(table.column_names)
    return table.select(list(chosen)).rename_columns(list(chosen.values()))


def _joined(tables: list[pa.Table]) -> pa.Table:
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise ValueError(f"the parts do not have the same columns: {' '.join(str(error).split())}") from error
