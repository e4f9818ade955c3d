"""Arrays of ``.npy`` files, mapped into memory."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

# The header of a file is a Python literal: a damaged one makes numpy raise any of these.
_DAMAGED = (ValueError, OSError, EOFError, SyntaxError, TokenError, TypeError, KeyError, OverflowError, RecursionError)


def map_npy(path: Path) -> Any:
    """The array of a file, mapped read-only.

    Raises:
        ValueError: it is no regular file, no ``.npy`` file, or is damaged.
    """
    if not path.is_file():
        raise ValueError("it is a folder" if path.is_dir() else "there is no such file")
    with path.open("rb") as file:
        # numpy takes any other file for a pickle, and its error says so.
        if not file.read(6).startswith((b"\x93NUMPY", b"PK")):
            raise ValueError("it is not a .npy file")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise ValueError(" ".join(str(error).split())) from None
