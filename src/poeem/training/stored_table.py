"""Tables that are stored beside a run's model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poeem.bundle.parquet_file import read_parquet


def read_stored_table(path: Path) -> Any:
    """Read a Parquet file of a run's folder ``model/`` as an arrow table.

    Raises:
        ValueError: it is missing or damaged; the message names the file and what to do.
    """
    try:
        return read_parquet(path, lambda file: None, fix="restore the file, or train again")
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split()).removeprefix(f"{path.name} ")
        raise ValueError(f"{path}: {reason}") from None
