"""Memory-mapped arrays of ``.npy`` files."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

# Errors of numpy for a damaged file. Its header is a Python literal, hence so many kinds.
DAMAGED = (ValueError, OSError, EOFError, SyntaxError, TokenError, TypeError, KeyError, OverflowError, RecursionError)


def map_npy(path: Path) -> Any:
    """Return the array of a ``.npy`` file, memory-mapped read-only.

    Raises:
        ValueError: the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise ValueError("it is a folder" if path.is_dir() else "there is no such file")
    with path.open("rb") as file:
        # numpy would take any other file for a pickle, and its error message would be misleading.
        if not file.read(6).startswith((b"\x93NUMPY", b"PK")):
            raise ValueError("it is not a .npy file")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as error:
        raise ValueError(" ".join(str(error).split())) from None
