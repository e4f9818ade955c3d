"""A file that is written whole or not at all; folders: `poeem.bundle.atomic`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poeem.bundle.atomic import sync_directory, sync_file


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A place beside ``path`` to write to; at the end it takes that of ``path``, after an error it is deleted.

    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: ``path`` is a folder.
    """
    path = Path(path)
    check_folder_around(path)
    if path.is_dir():
        raise ValueError(f"path (={str(path)!r}) is a folder; name a file")
    # Several processes of one run may write the same file at once.
    beside = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        yield beside
        sync_file(beside)
        os.replace(beside, path)
        sync_directory(path.absolute().parent)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_folder_around(path: Path) -> None:
    """Refuse a place to write whose folder is not there.

    Raises:
        FileNotFoundError: it is not.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} into; create it first")
