"""Write a file as a whole or not at all. For folders see `poeem.bundle.atomic`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from poeem.bundle.atomic import process_lives, sync_directory, sync_file


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Replace the file ``path`` as a whole; a context manager that yields a temporary path to write to.

    At the end the temporary file is moved to ``path``. After an error it is deleted, and ``path`` is unchanged.

    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: ``path`` is a folder, a link, a device or a FIFO.
    """
    path = Path(path)
    beside = place_beside(path)
    try:
        yield beside
        sync_file(beside)
        os.replace(beside, path)
        sync_directory(path.absolute().parent)
    finally:
        beside.unlink(missing_ok=True)


def place_beside(path: Path) -> Path:
    """Return a temporary name beside ``path`` for its new contents. Temporary files of dead writers are deleted.

    Raises:
        FileNotFoundError: the folder of ``path`` does not exist.
        ValueError: ``path`` is a folder, a link, a device or a FIFO.
    """
    check_folder_around(path)
    if path.is_dir():
        raise ValueError(f"path (={str(path)!r}) is a folder; name a file")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ValueError(f"path (={str(path)!r}) is a link, a device or a FIFO; name a file")
    _delete_leftovers(path)
    # Several processes of one run may write the same file at once.
    beside = path.with_name(f".{path.name}.new-{os.getpid()}")
    # In a stranger's folder it may be a link, through which nothing is written.
    beside.unlink(missing_ok=True)
    return beside


def _delete_leftovers(path: Path) -> None:
    """Delete what writers of this file left that have died."""
    prefix = f".{path.name}.new-"
    for left in path.parent.iterdir():
        pid = left.name.removeprefix(prefix)
        if left.name.startswith(prefix) and pid.isdecimal() and not process_lives(int(pid)):
            with suppress(OSError):  # another writer has deleted it, or it is a folder
                left.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file as a whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_folder_around(path: Path) -> None:
    """Raise a FileNotFoundError if the folder of ``path`` does not exist."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} to write {path.name!r} into; create it first")
